import { describe, expect, test } from 'bun:test';
import type { Resource, ResourceUpdate } from '@calico/api';
import { CalcGraph } from '@calico/calc';
import { gone } from '../../packages/calc/src/testing/builders.ts';
import { keyText, NODE, plain, play, type Step, squash } from '../../packages/calc/src/testing/replay.ts';
import { REPLAYS } from '../../packages/calc/src/testing/replays.ts';
import { Dice } from './dice.ts';
import { assignAddresses, generateCase } from './generate.ts';
import { modelUpdate } from './model-update.ts';

/** How many pairs of clusters; `CALICO_REPLAYS=500 bun test tests/cases/replay.test.ts` for a long run. */
const count = Number(process.env.CALICO_REPLAYS ?? 6);

/** A generated cluster as the syncer tells it. */
function clusterOf(seed: number): ResourceUpdate[] {
  const given = generateCase(seed, { packets: 0 });
  const { resources } = given.bind(assignAddresses(given));
  return resources.flatMap(resource => modelUpdate(resource as unknown as Resource) ?? []);
}

function shuffled<T>(dice: Dice, list: readonly T[]): T[] {
  return list
    .map(item => ({ item, place: dice.next() }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item);
}

/** One cluster comes and becomes another, piece by piece; now and then something goes and comes back on the way. */
function historyOf(seed: number): ResourceUpdate[] {
  const dice = new Dice(seed);
  const before = clusterOf(seed);
  const after = clusterOf(seed + 1000);
  const staying = new Set(after.map(keyText));
  const ended = before.filter(update => !staying.has(keyText(update))).map(gone);
  const detours = dice.some(after, 3, 8).flatMap(update => [update, gone(update), update]);
  return [...shuffled(dice, before), ...shuffled(dice, [...ended, ...after]), ...detours];
}

/** The same history with flushes at random moments. */
function withFlushes(dice: Dice, history: readonly ResourceUpdate[]): Step[] {
  return ['inSync', ...history.flatMap(update => (dice.percent(20) ? [update, 'flush' as const] : [update]))];
}

describe('on generated clusters, what is said in the end depends on the resources alone', () => {
  const seeds = Array.from({ length: count }, (_, i) => 1 + i);
  const wanted = new Map(seeds.map(seed => [seed, plain(play(squash(historyOf(seed))))]));

  for (const [name, replay] of Object.entries(REPLAYS)) {
    test(name, () => {
      for (const seed of seeds) {
        const steps = replay(historyOf(seed), list => shuffled(new Dice(seed), list));
        expect({ seed, state: plain(play(steps)) }).toEqual({ seed, state: wanted.get(seed) ?? {} });
      }
    }, 60_000);
  }

  test('flushes at random moments', () => {
    for (const seed of seeds) {
      for (const chance of [1, 2, 3]) {
        const state = plain(play(withFlushes(new Dice(seed * 10 + chance), historyOf(seed))));
        expect({ seed, state }).toEqual({ seed, state: wanted.get(seed) ?? {} });
      }
    }
  }, 60_000);

  test('nothing is left once all is removed', () => {
    for (const seed of seeds) {
      const graph = new CalcGraph({ nodeName: NODE });
      const history = historyOf(seed);
      play(['inSync', ...history, 'flush', ...history.map(gone)], graph);
      const left = Object.entries(graph.counts()).filter(([, number]) => number > 0);
      expect({ seed, left }).toEqual({ seed, left: [] });
    }
  });
});
