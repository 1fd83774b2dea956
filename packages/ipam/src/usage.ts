import type { IPAMBlock } from '@calico/api';
import { cidrCovers, cidrSize, printCidr } from '@calico/ip';
import { addressState, blockCidr } from './block.ts';
import type { Pool } from './pools.ts';

/** How much of a block is in use. The three add up to its size. */
export interface BlockUsage {
  readonly cidr: string;
  /** `host:node-1`; undefined for a block without owner. */
  readonly affinity: string | undefined;
  readonly allocated: number;
  readonly cooling: number;
  readonly free: number;
}

/** How much of a pool is in use. */
export interface PoolUsage {
  readonly name: string;
  readonly cidr: string;
  readonly size: bigint;
  readonly allocated: number;
  readonly cooling: number;
  /** What no block has, too. */
  readonly free: bigint;
  readonly blocks: readonly BlockUsage[];
}

/** Usage of all pools, in the order of their names, and of the blocks outside of them. */
export interface Usage {
  readonly pools: readonly PoolUsage[];
  readonly outOfPool: readonly BlockUsage[];
}

/** Counts addresses. Pure. */
export function usageOf(pools: readonly Pool[], blocks: readonly IPAMBlock[]): Usage {
  const inPool = (pool: Pool) => blocks.filter(block => cidrCovers(pool.cidr, blockCidr(block)));
  return {
    pools: pools.map(pool => {
      const own = inPool(pool).map(usageOfBlock);
      const allocated = own.reduce((sum, block) => sum + block.allocated, 0);
      const cooling = own.reduce((sum, block) => sum + block.cooling, 0);
      const size = cidrSize(pool.cidr);
      const free = size - BigInt(allocated + cooling);
      return { name: pool.name, cidr: printCidr(pool.cidr), size, allocated, cooling, free, blocks: own };
    }),
    outOfPool: blocks.filter(block => !pools.some(pool => cidrCovers(pool.cidr, blockCidr(block)))).map(usageOfBlock),
  };
}

function usageOfBlock(block: IPAMBlock): BlockUsage {
  const counts = { allocated: 0, cooling: 0, free: 0 };
  for (const ordinal of block.spec.allocations.keys()) counts[addressState(block, ordinal).state]++;
  return { cidr: block.spec.cidr, affinity: block.spec.affinity ?? undefined, ...counts };
}
