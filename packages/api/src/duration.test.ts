import { expect, test } from 'bun:test';
import { parseDuration } from './duration.ts';

test.each([
  ['0', 0],
  ['0s', 0],
  ['90s', 90_000],
  ['1m30s', 90_000],
  ['1h', 3_600_000],
  ['1.5h', 5_400_000],
  ['500ms', 500],
  ['10us', 0.01],
  ['', undefined],
  ['5', undefined],
  ['-5s', undefined],
  ['5 s', undefined],
  ['forever', undefined],
])('a span of time: %p', (text, want) => {
  expect(parseDuration(text)).toBe(want);
});
