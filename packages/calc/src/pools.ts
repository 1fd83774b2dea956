import type { IPPool } from '@calico/api';
import { type Cidr, maskCidr, PrefixTrie, parseCidr, printCidr } from '@calico/ip';
import type { PoolInfo, PoolType } from './messages.ts';
import { Outbox } from './outbox.ts';

interface Pool {
  readonly name: string;
  readonly cidr: Cidr;
  readonly info: PoolInfo;
}

/** The address pools. Of several with one CIDR the one with the lowest name counts. */
export class Pools {
  readonly outbox = new Outbox<PoolInfo>();
  readonly #pools = new Map<string, Pool>();
  readonly #trie = new PrefixTrie<readonly Pool[]>();

  /** The pool is now `resource`; undefined: it is gone. Gives the CIDRs within which routes may have changed. */
  set(name: string, resource: IPPool | undefined): readonly Cidr[] {
    const before = this.#pools.get(name);
    const after = resource === undefined ? undefined : readPool(name, resource);
    if (before !== undefined) this.#remove(before);
    if (after !== undefined) this.#add(after);
    const touched = [before, after].flatMap(pool => (pool === undefined ? [] : [pool.cidr]));
    for (const cidr of touched) this.outbox.put(printCidr(cidr), this.#trie.get(cidr)?.[0]?.info);
    return touched;
  }

  /** The CIDR that the pool routes, or undefined when there is no such pool or its addresses are not on nodes. */
  routedCidr(name: string): Cidr | undefined {
    const pool = this.#pools.get(name);
    return pool === undefined || !isRouted(pool.info) ? undefined : pool.cidr;
  }

  /** The narrowest pool around a CIDR whose addresses are on nodes. */
  around(cidr: Cidr): PoolInfo | undefined {
    let found: PoolInfo | undefined;
    for (const { value } of this.#trie.covering(cidr)) found = value.find(pool => isRouted(pool.info))?.info ?? found;
    return found;
  }

  get size(): number {
    return this.#pools.size;
  }

  /** Throws when the trie and the pools differ. */
  check(): void {
    this.#trie.check();
    let count = 0;
    for (const { value } of this.#trie.entries()) count += value.length;
    if (count !== this.#pools.size)
      throw new Error(`Cannot trust pools: ${count} in the trie, ${this.#pools.size} known`);
  }

  #add(pool: Pool): void {
    this.#pools.set(pool.name, pool);
    const pools = [...(this.#trie.get(pool.cidr) ?? []), pool];
    this.#trie.set(
      pool.cidr,
      pools.sort((a, b) => (a.name < b.name ? -1 : 1)),
    );
  }

  #remove(pool: Pool): void {
    this.#pools.delete(pool.name);
    const pools = (this.#trie.get(pool.cidr) ?? []).filter(other => other !== pool);
    if (pools.length > 0) this.#trie.set(pool.cidr, pools);
    else this.#trie.delete(pool.cidr);
  }
}

function readPool(name: string, { spec }: IPPool): Pool | undefined {
  const given = parseCidr(spec.cidr);
  if (given === undefined) return undefined;
  const cidr = maskCidr(given);
  const info: PoolInfo = {
    cidr: printCidr(cidr),
    natOutgoing: spec.natOutgoing ?? false,
    vxlanMode: spec.vxlanMode ?? 'Never',
    ipipMode: spec.ipipMode ?? 'Never',
    allowedUses: spec.allowedUses ?? ['Workload', 'Tunnel'],
  };
  return { name, cidr, info };
}

/** A pool for load balancers alone says nothing of how packets travel between nodes. */
function isRouted(pool: PoolInfo): boolean {
  return pool.allowedUses.some(use => use !== 'LoadBalancer');
}

/** How packets to a pool travel between nodes, and whether not so within a subnet. */
export function encapsulation(pool: PoolInfo | undefined): { readonly type: PoolType; readonly crossSubnet: boolean } {
  if (pool === undefined) return { type: 'none', crossSubnet: false };
  if (pool.vxlanMode !== 'Never') return { type: 'vxlan', crossSubnet: pool.vxlanMode === 'CrossSubnet' };
  if (pool.ipipMode !== 'Never') return { type: 'ipip', crossSubnet: pool.ipipMode === 'CrossSubnet' };
  return { type: 'noencap', crossSubnet: false };
}
