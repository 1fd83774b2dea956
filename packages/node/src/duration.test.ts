import { expect, test } from 'bun:test';
import { parseDuration } from '@calico/api';
import { durationOf } from './duration.ts';

test.each([
  ['0', 0],
  ['60s', 60_000],
  ['1m30s', 90_000],
  ['1.5h', 5_400_000],
  ['250ms', 250],
  ['.5s', 500],
  ['1h1m1s1ms', 3_661_001],
  ['60', undefined],
  ['', undefined],
  ['-5s', undefined],
  ['5 s', undefined],
  ['s', undefined],
] as const)('parseDuration reads "%s" as %p ms', (text, ms) => {
  expect(parseDuration(text)).toBe(ms as number);
});

test('durationOf takes what is set, else what is usual, and refuses what is neither', () => {
  expect(durationOf({ X: '2s' }, 'X', 7)).toBe(2_000);
  expect(durationOf({ X: '' }, 'X', 7)).toBe(7);
  expect(() => durationOf({ X: '60' }, 'X', 7)).toThrow('X is "60"; allowed: a duration above zero');
  expect(() => durationOf({ X: '0s' }, 'X', 7)).toThrow('X is "0s"');
});
