import { expect, test } from 'bun:test';
import { durationSeconds } from './duration.ts';

test('durationSeconds reads spans as Go writes them, to the second', () => {
  const cases: [string | undefined, number | undefined][] = [
    ['90s', 90],
    ['1m30s', 90],
    ['1h0m0.4s', 3600],
    ['1500ms', 2],
    ['0', 0],
    ['90', undefined],
    ['', undefined],
    ['-1s', undefined],
    [undefined, undefined],
  ];
  for (const [text, seconds] of cases) expect([text, durationSeconds(text)]).toEqual([text, seconds]);
});
