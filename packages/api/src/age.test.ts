import { expect, test } from 'bun:test';
import { parseTime, printAge, printSpan } from './age.ts';

const S = 1000;
const M = 60 * S;
const H = 60 * M;
const D = 24 * H;

test.each([
  [-5 * S, '<invalid>'],
  [-1, '0s'],
  [0, '0s'],
  [119 * S, '119s'],
  [120 * S, '2m'],
  [4 * M + 7 * S, '4m7s'],
  [10 * M + 7 * S, '10m'],
  [179 * M, '179m'],
  [3 * H, '3h'],
  [7 * H + 59 * M, '7h59m'],
  [8 * H + 59 * M, '8h'],
  [47 * H, '47h'],
  [2 * D, '2d'],
  [7 * D + 23 * H, '7d23h'],
  [8 * D + 5 * H, '8d'],
  [729 * D, '729d'],
  [730 * D, '2y'],
  [3 * 365 * D + 12 * D, '3y12d'],
  [9 * 365 * D + 12 * D, '9y'],
])('a span of %d ms is %s', (ms, text) => {
  expect(printSpan(ms)).toBe(text);
});

test('an age is the time since, or unknown', () => {
  expect(printAge('2026-01-02T03:04:05Z', Date.parse('2026-01-02T03:04:47Z'))).toBe('42s');
  expect(printAge(undefined, 0)).toBe('<unknown>');
  expect(printAge('yesterday', 0)).toBe('<unknown>');
  expect(parseTime('2026-01-02T03:04:05.000001Z')).toBe(Date.parse('2026-01-02T03:04:05Z'));
});
