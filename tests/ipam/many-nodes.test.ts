import { expect, test } from 'bun:test';
import { fill, percentile } from './many-nodes.ts';

test('100 nodes that fill their pools to 98 % need at most 20 operations for any address, and two for most', async () => {
  const capacity = 5120;
  const filled = await fill({
    nodes: 100,
    podsPerNode: 50,
    pools: ['10.0.0.0/20', '10.1.0.0/22'],
    blockSize: 26,
    seed: 1,
    capacity,
  });
  expect({ failed: filled.failed, distinct: filled.distinct }).toEqual({ failed: 0, distinct: 5000 });
  expect(percentile(filled, 0.5)).toBe(2);
  expect(percentile(filled, 1)).toBeLessThanOrEqual(20);
});
