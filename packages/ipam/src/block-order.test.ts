import { expect, test } from 'bun:test';
import { cidr, cidrCovers, printCidr } from '@calico/ip';
import { seededRandom } from '@calico/reconcile';
import fc from 'fast-check';
import { blockCount, blockIndex, blocksFrom, nthBlock, startIndex } from './block-order.ts';
import { type Pool, readPools } from './pools.ts';

function pool(text: string, blockSize?: number): Pool {
  const spec = blockSize === undefined ? { cidr: text } : { cidr: text, blockSize };
  const [read] = readPools([{ apiVersion: 'projectcalico.org/v3', kind: 'IPPool', metadata: { name: 'p' }, spec }]);
  if (read === undefined) throw new Error(`no pool: ${text}`);
  return read;
}

test.each([
  ['10.0.0.0/16', undefined, 1024n],
  ['10.0.0.0/26', undefined, 1n],
  ['10.0.0.0/28', undefined, 0n],
  ['10.0.0.0/24', 32, 256n],
  ['fd00::/64', undefined, 1n << 58n],
])('blockCount of %s with blocks of %p', (text, blockSize, count) => {
  expect(blockCount(pool(text, blockSize))).toBe(count);
});

test('blocksFrom gives every block once, upwards from its start and then from the beginning', () => {
  expect([...blocksFrom(pool('10.0.0.0/24'), 2n)].map(printCidr)).toEqual([
    '10.0.0.128/26',
    '10.0.0.192/26',
    '10.0.0.0/26',
    '10.0.0.64/26',
  ]);
  expect([...blocksFrom(pool('10.0.0.0/28'), 0n)]).toEqual([]);
});

test('startIndex is the same for a host always, inside the pool, and differs between hosts', () => {
  const p = pool('10.0.0.0/16');
  const starts = Array.from({ length: 100 }, (_, i) => startIndex(p, `node-${i}`, seededRandom(i)));
  expect(starts).toEqual(Array.from({ length: 100 }, (_, i) => startIndex(p, `node-${i}`, seededRandom(1))));
  expect(starts.every(start => start >= 0n && start < 1024n)).toBe(true);
  expect(new Set(starts).size).toBeGreaterThan(85);
  expect(startIndex(pool('10.0.0.0/28'), 'node', seededRandom(1))).toBe(0n);
});

test('startIndex is left to chance for blocks of one address', () => {
  const p = pool('10.0.0.0/16', 32);
  const random = seededRandom(1);
  expect(startIndex(p, 'node', random)).not.toBe(startIndex(p, 'node', random));
});

test('blockIndex is the inverse of nthBlock', () => {
  const p = pool('fd00::/64');
  fc.assert(
    fc.property(fc.bigInt(0n, blockCount(p) - 1n), index => {
      const block = nthBlock(p, index);
      expect(blockIndex(p, block)).toBe(index);
      expect(cidrCovers(cidr('fd00::/64'), block)).toBe(true);
    }),
  );
});
