import type { IPPool } from '@calico/api';
import {
  type Addr,
  type Cidr,
  cidrContains,
  cidrCovers,
  cidrEquals,
  type Family,
  maskCidr,
  parseCidr,
  printCidr,
} from '@calico/ip';
import { type Labels, parseSelector } from '@calico/selector';
import { IpamError } from './error.ts';

/** What addresses of a pool may be for. */
export type IntendedUse = 'Workload' | 'Tunnel' | 'LoadBalancer';

/** A pool as IPAM sees it. */
export interface Pool {
  readonly name: string;
  readonly cidr: Cidr;
  /** The prefix length of its blocks. */
  readonly blockSize: number;
  /** Whether new addresses may come from it at all. */
  readonly enabled: boolean;
  readonly spec: IPPool['spec'];
}

const BLOCK_SIZES: Readonly<Record<Family, number>> = { 4: 26, 6: 122 };
const DEFAULT_USES: readonly IntendedUse[] = ['Workload', 'Tunnel'];

/** The pools of a list, in the order of their names; those with an unreadable CIDR are left out. */
export function readPools(resources: readonly IPPool[]): Pool[] {
  const pools: Pool[] = [];
  for (const resource of resources) {
    const cidr = parseCidr(resource.spec.cidr);
    if (cidr === undefined) continue;
    const { metadata, spec, status } = resource;
    const refused =
      status?.conditions?.some(({ type, status }) => type === 'Allocatable' && status === 'False') === true;
    pools.push({
      name: metadata.name,
      cidr,
      blockSize: spec.blockSize || BLOCK_SIZES[cidr.addr.family],
      enabled: spec.disabled !== true && metadata.deletionTimestamp === undefined && !refused,
      spec,
    });
  }
  return pools.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** What a pool is chosen by. */
export interface PoolRequest {
  readonly family: Family;
  readonly use: IntendedUse;
  /** Names or CIDRs of pools; selectors and assignment mode do not count then. */
  readonly requested?: readonly string[] | undefined;
  readonly nodeLabels: Labels;
  readonly namespaceLabels?: Labels | undefined;
}

/**
 * The pools that may serve a request, in the order of their names. Throws NoPool when a requested one is not an
 * enabled pool, or none is left.
 */
export function choosePools(pools: readonly Pool[], request: PoolRequest): Pool[] {
  const { family, use, requested = [], nodeLabels, namespaceLabels } = request;
  const enabled = pools.filter(pool => pool.enabled && pool.cidr.addr.family === family);
  const candidates =
    requested.length > 0
      ? requested.map(text => requestedPool(enabled, text, family))
      : enabled.filter(
          pool =>
            (pool.spec.assignmentMode ?? 'Automatic') === 'Automatic' &&
            selectsNode(pool, nodeLabels) &&
            selects(pool.spec.namespaceSelector, namespaceLabels ?? {}),
        );
  const chosen = candidates.filter(pool => allowsUse(pool, use));
  if (chosen.length > 0) return chosen;
  const reason =
    candidates.length === 0
      ? `none of ${enabled.length} enabled IPv${family} pools selects the node and namespace`
      : `of ${names(candidates)} none has "${use}" among its allowedUses`;
  throw new IpamError('NoPool', `Cannot choose an IPv${family} pool: ${reason}`);
}

function requestedPool(enabled: readonly Pool[], text: string, family: Family): Pool {
  const parsed = parseCidr(text);
  const wanted = parsed && maskCidr(parsed);
  const found = enabled.find(pool => (wanted === undefined ? pool.name === text : cidrEquals(pool.cidr, wanted)));
  if (found !== undefined) return found;
  const allowed = enabled.map(pool => `"${pool.name}" (${printCidr(pool.cidr)})`).join(', ') || 'none is enabled';
  throw new IpamError('NoPool', `Cannot choose an IPv${family} pool: requested pool is "${text}"; allowed: ${allowed}`);
}

function names(pools: readonly Pool[]): string {
  return pools.map(pool => `"${pool.name}"`).join(', ');
}

/** Whether addresses of the pool may be used so. */
export function allowsUse(pool: Pool, use: IntendedUse): boolean {
  const { allowedUses } = pool.spec;
  return (allowedUses === undefined || allowedUses.length === 0 ? DEFAULT_USES : allowedUses).includes(use);
}

/** Whether the pool's nodeSelector matches. */
export function selectsNode(pool: Pool, nodeLabels: Labels): boolean {
  return selects(pool.spec.nodeSelector, nodeLabels);
}

/** Whether any pool looks at the labels of nodes. */
export function needsNodeLabels(pools: readonly Pool[]): boolean {
  return pools.some(({ spec }) => spec.nodeSelector !== undefined && !['', 'all()'].includes(spec.nodeSelector));
}

function selects(selector: string | undefined, labels: Labels): boolean {
  return selector === undefined || selector === '' || parseSelector(selector).evaluate(labels);
}

/** The pool that a block belongs to. */
export function poolOfBlock(pools: readonly Pool[], block: Cidr): Pool | undefined {
  return pools.find(pool => cidrCovers(pool.cidr, block));
}

/** The pool that an address belongs to. */
export function poolOfAddress(pools: readonly Pool[], address: Addr): Pool | undefined {
  return pools.find(pool => cidrContains(pool.cidr, address));
}
