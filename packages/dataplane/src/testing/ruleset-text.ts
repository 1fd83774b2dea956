import type { TableDump } from '@calico/kernel';
import { bytesKey } from '../policy/address-sets.ts';
import type { Ruleset } from '../policy/ruleset.ts';

/** A ruleset as text that is equal for equal rulesets, in whatever order they were built. */
export function rulesetText(ruleset: Ruleset): string[] {
  return [
    ...[...ruleset.counters].map(name => `counter ${name}`),
    ...[...ruleset.sets.values()].map(({ spec, elements }) => `set ${JSON.stringify([spec, [...elements].sort()])}`),
    ...[...ruleset.chains.values()].map(chain => `chain ${JSON.stringify(chain, bytesAsText)}`),
  ].sort();
}

/** A table as text that is equal for equal tables, in whatever order they were written; without handles and counts. */
export function tableText(dump: TableDump | undefined): string[] {
  if (dump === undefined) return [];
  return [
    ...dump.counters.map(({ name }) => `counter ${name}`),
    ...dump.sets.map(({ set, elements }) => {
      return `set ${JSON.stringify([set, elements.map(e => JSON.stringify(e, bytesAsText)).sort()])}`;
    }),
    ...dump.chains.map(({ chain, rules }) => {
      return `chain ${JSON.stringify([chain, rules.map(({ exprs }) => exprs)], bytesAsText)}`;
    }),
  ].sort();
}

function bytesAsText(_: string, value: unknown): unknown {
  return value instanceof Uint8Array ? bytesKey(value) : value;
}
