import { describe, expect, test } from 'bun:test';
import { addressIn, blockAround } from './block.ts';
import { Dice } from './dice.ts';

const throws = (seed: number, count: number): number[] => {
  const dice = new Dice(seed);
  return dice.times(count, () => dice.whole(1, 6));
};

describe('Dice', () => {
  test('a seed gives the same throws for ever', () => {
    expect(throws(2026, 12)).toEqual(throws(2026, 12));
    expect(throws(2026, 12)).not.toEqual(throws(2027, 12));
  });

  test('every face comes up about as often', () => {
    const counts = [1, 2, 3, 4, 5, 6].map(face => throws(5, 6000).filter(each => each === face).length);
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });

  test('some takes items once and keeps their order', () => {
    const dice = new Dice(3);
    for (const chosen of dice.times(50, () => dice.some(['a', 'b', 'c', 'd'], 1, 3))) {
      expect(chosen.length).toBeGreaterThanOrEqual(1);
      expect(chosen.length).toBeLessThanOrEqual(3);
      expect([...new Set(chosen)].sort()).toEqual(chosen);
    }
  });

  test('weighted never takes what has no weight', () => {
    const dice = new Dice(4);
    expect(
      dice.times(200, () =>
        dice.weighted([
          [0, 'never'],
          [1, 'one'],
          [3, 'three'],
        ]),
      ),
    ).not.toContain('never');
  });

  test('pick refuses an empty list', () => {
    expect(() => new Dice(1).pick([])).toThrow('items is empty');
  });
});

describe('blocks', () => {
  test('blockAround clears the host bits', () => {
    expect(blockAround('10.0.0.77', 26)).toBe('10.0.0.64/26');
    expect(blockAround('10.0.0.77', 32)).toBe('10.0.0.77/32');
    expect(blockAround('10.0.0.77', 0)).toBe('0.0.0.0/0');
    expect(blockAround('fd00::1234', 120)).toBe('fd00::1200/120');
  });

  test('addressIn counts from the first address', () => {
    expect(addressIn('10.244.0.0/16', 0)).toBe('10.244.0.0');
    expect(addressIn('10.244.0.0/16', 257)).toBe('10.244.1.1');
    expect(addressIn('fd00::/64', 65536)).toBe('fd00::1:0');
  });
});
