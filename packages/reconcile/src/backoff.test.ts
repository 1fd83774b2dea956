import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { backoff } from './backoff.ts';
import { randomInt, seededRandom } from './random.ts';

test('backoff grows by its factor to its limit and starts again after reset', () => {
  const delays = backoff({ base: 100, max: 1000, jitter: 0 }, seededRandom(1));
  expect(Array.from({ length: 6 }, () => delays.next())).toEqual([100, 200, 400, 800, 1000, 1000]);
  expect(delays.failures).toBe(6);
  delays.reset();
  expect(delays.next()).toBe(100);
});

test('backoff takes away at most the share of jitter', () => {
  fc.assert(
    fc.property(fc.integer(), fc.double({ min: 0, max: 1, noNaN: true }), (seed, jitter) => {
      const delays = backoff({ base: 100, max: 300, factor: 3, jitter }, seededRandom(seed));
      for (const full of [100, 300, 300, 300]) {
        const delay = delays.next();
        expect(delay).toBeLessThanOrEqual(full);
        expect(delay).toBeGreaterThanOrEqual(full * (1 - jitter));
      }
    }),
  );
});

test('backoff stays at its limit after any number of failures', () => {
  const delays = backoff({ base: 1, max: 50, jitter: 0 }, seededRandom(1));
  for (let i = 0; i < 5000; i++) delays.next();
  expect(delays.next()).toBe(50);
});

test('seededRandom repeats itself for a seed and spreads over the interval', () => {
  const draw = (seed: number) => {
    const random = seededRandom(seed);
    return Array.from({ length: 2000 }, () => random.next());
  };
  expect(draw(7)).toEqual(draw(7));
  expect(draw(7)).not.toEqual(draw(8));
  expect(draw(7).every(n => n >= 0 && n < 1)).toBe(true);
  const mean = draw(7).reduce((sum, n) => sum + n, 0) / 2000;
  expect(mean).toBeGreaterThan(0.47);
  expect(mean).toBeLessThan(0.53);
});

test('randomInt draws every whole number below its bound', () => {
  const random = seededRandom(3);
  expect([...new Set(Array.from({ length: 200 }, () => randomInt(random, 4)))].sort()).toEqual([0, 1, 2, 3]);
});
