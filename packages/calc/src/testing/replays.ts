import type { ResourceUpdate } from '@calico/api';
import { gone } from './builders.ts';
import { type Step, squash } from './replay.ts';

/** Other ways to the state that a history leads to; `order` puts a list in some order. */
export const REPLAYS: Readonly<Record<string, (history: ResourceUpdate[], order: <T>(list: T[]) => T[]) => Step[]>> = {
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

/** Sorts a list by pseudo-random keys made from `seed`. */
export function shuffler(seed: number) {
  return <T>(list: T[]): T[] => {
    const keyed = list.map((item, index) => ({ item, key: Math.imul(index + 1, seed | 1) >>> 0 }));
    return keyed.sort((a, b) => a.key - b.key).map(({ item }) => item);
  };
}
