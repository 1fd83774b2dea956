// Part: how quickly selectors are read and evaluated.
import { parseSelector } from '@calico/selector';
import { answer } from './part.ts';

const ROUNDS = 10;
const EVALUATIONS = 1_000_000;
const PARSES = 20_000;

const text = (index: number) =>
  `projectcalico.org/namespace == "shop-${index}" && app in {"frontend", "checkout"} && !has(quarantine)`;

const crowd = Array.from({ length: 1000 }, (_, i) => ({
  'projectcalico.org/namespace': `shop-${i % 3}`,
  app: ['frontend', 'checkout', 'cart'][i % 7] ?? 'other',
  tier: `tier-${i % 5}`,
  ...(i % 11 === 0 ? { quarantine: 'yes' } : {}),
}));

function evaluationsPerSecond(): number {
  const selector = parseSelector(text(1));
  let matches = 0;
  const startedAt = performance.now();
  for (let i = 0; i < EVALUATIONS / crowd.length; i++) {
    for (const labels of crowd) if (selector.evaluate(labels)) matches++;
  }
  const seconds = (performance.now() - startedAt) / 1000;
  if (matches === 0) throw new Error('Cannot measure: the selector matches nothing');
  return EVALUATIONS / seconds;
}

let parsed = 0;

/** Microseconds for one text that was never read before; `named` with its normal form and id. */
function parseMicroseconds(named: boolean): number {
  const texts = Array.from({ length: PARSES }, () => text(parsed++));
  let length = 0;
  const startedAt = performance.now();
  for (const each of texts) {
    const selector = parseSelector(each);
    length += named ? selector.id.length : 1;
  }
  const us = ((performance.now() - startedAt) * 1000) / PARSES;
  if (length === 0) throw new Error('Cannot measure: no selector was read');
  return us;
}

const rounds = <T>(measure: () => T): T[] => Array.from({ length: ROUNDS }, measure);
await answer({
  evaluations: rounds(evaluationsPerSecond),
  parse: rounds(() => parseMicroseconds(false)),
  parseAndName: rounds(() => parseMicroseconds(true)),
});
