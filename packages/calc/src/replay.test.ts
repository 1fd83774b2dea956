import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { CalcGraph } from './graph.ts';
import { gone } from './testing/builders.ts';
import { NODE, plain, play, squash } from './testing/replay.ts';
import { REPLAYS, shuffler } from './testing/replays.ts';
import { SCENARIOS } from './testing/scenarios.ts';
import { histories } from './testing/variants.ts';

describe('what is said in the end depends on the resources alone', () => {
  for (const [name, replay] of Object.entries(REPLAYS)) {
    test(`for every named state: ${name}`, () => {
      for (const updates of SCENARIOS.values()) {
        const history = [...updates];
        expect(plain(play(replay(history, list => list.toReversed())))).toEqual(plain(play(squash(history))));
      }
    });

    test(`for random histories: ${name}`, () => {
      fc.assert(
        fc.property(histories, fc.integer(), (history, seed) => {
          const wanted = plain(play(squash(history)));
          expect(plain(play(replay(history, shuffler(seed))))).toEqual(wanted);
        }),
        { numRuns: 60 },
      );
    });
  }

  test('nothing is left of any history once all is removed', () => {
    fc.assert(
      fc.property(histories, history => {
        const graph = new CalcGraph({ nodeName: NODE });
        play(['inSync', ...history, 'flush', ...history.map(gone)], graph);
        for (const [part, count] of Object.entries(graph.counts())) expect(`${part} ${count}`).toBe(`${part} 0`);
      }),
      { numRuns: 100 },
    );
  });
});
