import { describe, expect, test } from 'bun:test';
import type { ResourceUpdate } from '@calico/api';
import fc from 'fast-check';
import { CalcGraph } from './graph.ts';
import { gone } from './testing/builders.ts';
import { NODE, plain, play, type Step, squash } from './testing/replay.ts';
import { SCENARIOS } from './testing/scenarios.ts';
import { histories } from './testing/variants.ts';

/** Other ways to the state that a history leads to; `order` puts a list in some order. */
const REPLAYS: Readonly<Record<string, (history: ResourceUpdate[], order: <T>(list: T[]) => T[]) => Step[]>> = {
  'as it came': history => history,
  'a flush after each update': history => ['inSync', 'flush', ...history.flatMap(update => [update, 'flush' as const])],
  'a flush after every third update': history => [
    'inSync',
    ...history.flatMap((update, index) => (index % 3 === 2 ? [update, 'flush' as const] : [update])),
  ],
  'in sync in the middle': history => [
    ...history.slice(0, history.length / 2),
    'inSync',
    'flush',
    ...history.slice(history.length / 2),
  ],
  reversed: history => squash(history).reverse(),
  'reversed, a flush after each update': history => [
    'inSync',
    ...squash(history)
      .reverse()
      .flatMap(update => [update, 'flush' as const]),
  ],
  shuffled: (history, order) => order(squash(history)),
  'shuffled, a flush after each update': (history, order) => [
    'inSync',
    ...order(squash(history)).flatMap(update => [update, 'flush' as const]),
  ],
  'each update twice': history => history.flatMap(update => [update, update]),
  'backwards in time first': history => ['inSync', ...history.toReversed(), 'flush', ...history.map(gone), ...history],
  'a resync afterwards': history => ['inSync', ...history, 'flush', ...history.map(gone), ...squash(history)],
  'each resource gone and back': history => [
    'inSync',
    ...history,
    'flush',
    ...squash(history).flatMap(update => [gone(update), update]),
  ],
  'a removal of everything in between': history => [
    'inSync',
    ...history,
    'flush',
    ...history.map(gone),
    'flush',
    ...squash(history),
  ],
};

function reversed<T>(list: T[]): T[] {
  return list.toReversed();
}

/** Sorts a list by pseudo-random keys made from `seed`. */
function shuffler(seed: number) {
  return <T>(list: T[]): T[] => {
    const keyed = list.map((item, index) => ({ item, key: Math.imul(index + 1, seed | 1) >>> 0 }));
    return keyed.sort((a, b) => a.key - b.key).map(({ item }) => item);
  };
}

describe('what is said in the end depends on the resources alone', () => {
  for (const [name, replay] of Object.entries(REPLAYS)) {
    test(`for every named state: ${name}`, () => {
      for (const updates of SCENARIOS.values()) {
        const history = [...updates];
        expect(plain(play(replay(history, reversed)))).toEqual(plain(play(squash(history))));
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
