import { createHash } from 'node:crypto';
import type { Service } from '@calico/api';
import { type Addr, addrEquals, type Family, parseAddr } from '@calico/ip';
import { type Pool, poolOfAddress } from '@calico/ipam';

/** Which services get addresses. */
export type AssignIPs = 'AllServices' | 'RequestedServicesOnly';

/** The class of services that are Calico's. */
const CLASS = 'calico';
const PREFIX = 'projectcalico.org/';
const FAMILIES: readonly { readonly family: Family; readonly name: string; readonly pools: string }[] = [
  { family: 4, name: 'IPv4', pools: `${PREFIX}ipv4pools` },
  { family: 6, name: 'IPv6', pools: `${PREFIX}ipv6pools` },
];
const ADDRESSES = `${PREFIX}loadBalancerIPs`;

/** What a service wants of a family. */
export interface FamilyWish {
  readonly family: Family;
  /** This address and no other. */
  readonly address: Addr | undefined;
  /** Only of these pools, by name or CIDR; all that are for it when absent. */
  readonly pools: readonly string[] | undefined;
}

/** What is to be done for a service. */
export interface ServicePlan {
  /** Addresses that it keeps. */
  readonly keep: readonly Addr[];
  readonly release: readonly Addr[];
  /** One address of each. */
  readonly assign: readonly FamilyWish[];
}

/** Under which handle a service has its addresses. */
export function serviceHandle({ metadata: { name, namespace, uid } }: Service): string {
  const identity = `${name}-${namespace}-${uid}`.toLowerCase();
  return `lb-${createHash('sha256').update(identity).digest('base64url').replaceAll(/[-_.]/g, '')}`;
}

/** What a service wants of each of its families; undefined when it is not Calico's to serve. Pure. */
export function serviceWishes(service: Service, assignIPs: AssignIPs): FamilyWish[] | undefined {
  const { metadata, spec } = service;
  if (spec.type !== 'LoadBalancer' || metadata.deletionTimestamp !== undefined) return undefined;
  const annotations = metadata.annotations ?? {};
  const { loadBalancerClass, loadBalancerIP } = spec;
  const asks =
    Boolean(loadBalancerIP) || [ADDRESSES, ...FAMILIES.map(({ pools }) => pools)].some(key => annotations[key]);
  if (loadBalancerClass === undefined ? assignIPs === 'RequestedServicesOnly' && !asks : loadBalancerClass !== CLASS) {
    return undefined;
  }
  const listed = jsonTexts(annotations[ADDRESSES]) ?? [];
  const requested = (listed.length > 0 ? listed : loadBalancerIP ? [loadBalancerIP] : []).flatMap(
    text => parseAddr(text) ?? [],
  );
  return (spec.ipFamilies ?? ['IPv4']).flatMap(name => {
    const found = FAMILIES.find(one => one.name === name);
    if (found === undefined) return [];
    const { family, pools } = found;
    return [{ family, address: requested.find(one => one.family === family), pools: jsonTexts(annotations[pools]) }];
  });
}

/** What becomes of a service's addresses, family by family. `wishes` undefined: it gives all back. Pure. */
export function planService(
  wishes: readonly FamilyWish[] | undefined,
  current: readonly Addr[],
  pools: readonly Pool[],
): ServicePlan {
  const keep: Addr[] = [];
  const assign: FamilyWish[] = [];
  const usable = pools.filter(({ spec }) => spec.allowedUses?.includes('LoadBalancer') === true);
  for (const wish of wishes ?? []) {
    const kept = current.find(address => address.family === wish.family && fits(address, wish, usable));
    if (kept !== undefined) keep.push(kept);
    else if (usable.some(({ cidr }) => cidr.addr.family === wish.family)) assign.push(wish);
  }
  return { keep, assign, release: current.filter(address => !keep.includes(address)) };
}

function fits(address: Addr, { address: wanted, pools }: FamilyWish, usable: readonly Pool[]): boolean {
  const pool = poolOfAddress(usable, address);
  if (pool === undefined) return false;
  if (wanted !== undefined) return addrEquals(wanted, address);
  if (pools !== undefined) return pools.some(text => text === pool.name || text === pool.spec.cidr);
  return (pool.spec.assignmentMode ?? 'Automatic') === 'Automatic';
}

/** A JSON list of texts; undefined when it is none, or empty. */
function jsonTexts(text: string | undefined): string[] | undefined {
  if (!text) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (!Array.isArray(value)) return undefined;
    const texts = value.filter((one): one is string => typeof one === 'string');
    return texts.length === 0 ? undefined : texts;
  } catch {
    return undefined;
  }
}
