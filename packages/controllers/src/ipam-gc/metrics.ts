import type { IPPool, IPReservation } from '@calico/api';
import { type Addr, type Cidr, cidrCovers, cidrSize, cidrsOverlap, maskCidr, mergeCidrs, parseCidr } from '@calico/ip';
import { type Pool, poolOfAddress, poolOfBlock, readPools } from '@calico/ipam';
import type { Metrics } from '@calico/process';
import type { Allocation } from './allocation.ts';
import type { IpamCollector } from './collector.ts';

const NO_POOL = 'no_ippool';
const UNKNOWN_NODE = 'unknown_node';
const NO_AFFINITY = 'no_affinity';

/** What of addresses is counted, by pool and node. */
export interface IpamCounts {
  readonly inUse: Counts;
  readonly borrowed: Counts;
  readonly candidates: Counts;
  readonly blocks: Counts;
}

/** Counts by two labels. */
class Counts {
  readonly #counts = new Map<string, Map<string, number>>();

  add(pool: string, node: string, count = 1): void {
    const ofPool = this.#counts.get(pool) ?? new Map<string, number>();
    this.#counts.set(pool, ofPool);
    ofPool.set(node, (ofPool.get(node) ?? 0) + count);
  }

  *entries(): Iterable<{ ippool: string; node: string; count: number }> {
    for (const [ippool, nodes] of this.#counts) for (const [node, count] of nodes) yield { ippool, node, count };
  }
}

/** Counts what the collector knows. Pure. */
export function countIpam(collector: Pick<IpamCollector, 'blocks' | 'suspects'>, pools: readonly Pool[]): IpamCounts {
  const counts = { inUse: new Counts(), borrowed: new Counts(), candidates: new Counts(), blocks: new Counts() };
  for (const { cidr, node: owner, content } of collector.blocks()) {
    const pool = poolOfBlock(pools, cidr)?.name ?? NO_POOL;
    counts.blocks.add(pool, owner ?? NO_AFFINITY);
    for (const [node, count] of content.inUse) {
      counts.inUse.add(pool, node ?? UNKNOWN_NODE, count);
      if (node !== undefined && node !== owner) counts.borrowed.add(pool, node, count);
    }
  }
  for (const { address, node } of collector.suspects) counts.candidates.add(poolName(pools, address), node);
  return counts;
}

/** How many addresses of a pool are kept back by reservations. Pure. */
export function reservedOf(pool: Cidr, reservations: readonly Cidr[]): bigint {
  const within = reservations
    .filter(one => cidrsOverlap(one, pool))
    .map(one => (cidrCovers(one, pool) ? pool : maskCidr(one)));
  return mergeCidrs(within).reduce((sum, one) => sum + cidrSize(one), 0n);
}

function poolName(pools: readonly Pool[], address: Addr): string {
  return poolOfAddress(pools, address)?.name ?? NO_POOL;
}

/** Registers Calico's metrics of IPAM; they are counted when they are asked for. */
export function ipamMetrics(
  metrics: Metrics,
  collector: IpamCollector,
  pools: ReadonlyMap<string, IPPool>,
  reservations: ReadonlyMap<string, IPReservation>,
): { reclaimed(allocation: Allocation): void } {
  const both = ['ippool', 'node'] as const;
  const inUse = metrics.gauge('ipam_allocations_in_use', 'Addresses in use, by pool and node.', both);
  const borrowed = metrics.gauge('ipam_allocations_borrowed', "Addresses in use out of other nodes' blocks.", both);
  const candidates = metrics.gauge(
    'ipam_allocations_gc_candidates',
    'Addresses whose owners are missing: released when their grace period has passed.',
    both,
  );
  const blocks = metrics.gauge('ipam_blocks', 'Blocks, by pool and the node that they are affine to.', both);
  const reclamations = metrics.counter('ipam_allocations_gc_reclamations', 'Leaked addresses released.', both);
  const size = metrics.gauge('ipam_ippool_size', 'Addresses of a pool.', ['ippool']);
  const reserved = metrics.gauge('ipam_ippool_reserved', 'Addresses of a pool that are reserved.', ['ippool']);
  const perNode = {
    inUse: metrics.gauge('ipam_allocations_per_node', 'Addresses in use, by node.', ['node']),
    borrowed: metrics.gauge('ipam_allocations_borrowed_per_node', 'Borrowed addresses, by node.', ['node']),
    blocks: metrics.gauge('ipam_blocks_per_node', 'Blocks, by node.', ['node']),
  };

  const collect = () => {
    const known = readPools([...pools.values()]);
    const counts = countIpam(collector, known);
    for (const [name, gauge] of Object.entries({ inUse, borrowed, candidates, blocks })) {
      gauge.reset();
      for (const { ippool, node, count } of counts[name as keyof IpamCounts].entries()) {
        gauge.set({ ippool, node }, count);
      }
    }
    for (const [name, gauge] of Object.entries(perNode)) {
      gauge.reset();
      for (const { node, count } of counts[name as keyof typeof perNode].entries()) gauge.inc({ node }, count);
    }
    const kept = [...reservations.values()]
      .flatMap(({ spec }) => spec.reservedCIDRs ?? [])
      .flatMap(text => parseCidr(text) ?? []);
    for (const gauge of [size, reserved]) gauge.reset();
    for (const { name, cidr } of known) {
      size.set({ ippool: name }, Number(cidrSize(cidr)));
      reserved.set({ ippool: name }, Number(reservedOf(cidr, kept)));
    }
  };
  // prom-client calls this before every scrape, metric by metric in the order of registration.
  Object.assign(inUse, { collect });

  return {
    reclaimed: ({ address, node }) => {
      reclamations.inc({ ippool: poolName(readPools([...pools.values()]), address), node });
    },
  };
}
