import { type Cidr, cidrSize, firstAddr } from '@calico/ip';
import { type Random, randomInt } from '@calico/reconcile';
import type { Pool } from './pools.ts';

/** How many blocks a pool has; none when it is smaller than a block. */
export function blockCount(pool: Pool): bigint {
  return cidrSize(pool.cidr) >> (bitsPerBlock(pool) > 0n ? bitsPerBlock(pool) : 0n);
}

function bitsPerBlock(pool: Pool): bigint {
  return BigInt((pool.cidr.addr.family === 4 ? 32 : 128) - pool.blockSize);
}

/** The block of a pool by its number, from 0. */
export function nthBlock(pool: Pool, index: bigint): Cidr {
  const first = firstAddr(pool.cidr);
  return {
    addr: { family: first.family, value: first.value + (index << bitsPerBlock(pool)) },
    length: pool.blockSize,
  };
}

/** The number of a block in its pool. */
export function blockIndex(pool: Pool, block: Cidr): bigint {
  return (block.addr.value - firstAddr(pool.cidr).value) >> bitsPerBlock(pool);
}

/**
 * The number of the block with which a host begins its search, so that hosts begin apart: by FNV-1a of the host's name;
 * by chance for blocks of one address, of which every host needs many.
 */
export function startIndex(pool: Pool, host: string, random: Random): bigint {
  const count = blockCount(pool);
  if (count === 0n) return 0n;
  return bitsPerBlock(pool) === 0n ? randomIndex(pool, random) : fnv64(host) % count;
}

/** The number of any block. */
export function randomIndex(pool: Pool, random: Random): bigint {
  const count = blockCount(pool);
  return count === 0n ? 0n : BigInt(randomInt(random, 2 ** 32)) % count;
}

/** FNV-1a with 64 bits (draft-eastlake-fnv) over UTF-16 units, for names that are ASCII. */
function fnv64(text: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (let i = 0; i < text.length; i++) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(text.charCodeAt(i))) * 0x100000001b3n);
  }
  return hash ^ (hash >> 32n);
}

/** All blocks of a pool, each once: from a number upwards, then from the beginning. */
export function* blocksFrom(pool: Pool, start: bigint): Generator<Cidr> {
  const count = blockCount(pool);
  for (let i = 0n; i < count; i++) yield nthBlock(pool, (start + i) % count);
}
