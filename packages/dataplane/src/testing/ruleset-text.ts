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

/** The part of a table that packets can meet, as text: the chains that the kernel calls, and what these lead to. */
export function reachableText(dump: TableDump | undefined): string[] {
  const chains = new Map(dump?.chains.map(each => [each.chain.name, each]));
  const sets = new Map(dump?.sets.map(each => [each.set.name, each]));
  const lines = new Map<string, string>();
  const waiting = [...chains.values()].filter(({ chain }) => chain.hook !== undefined).map(({ chain }) => chain.name);
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    const found = chains.get(name);
    if (found === undefined || lines.has(`chain ${name}`)) continue;
    const exprs = found.rules.map(rule => rule.exprs);
    lines.set(`chain ${name}`, JSON.stringify([found.chain, exprs], bytesAsText));
    for (const expr of exprs.flat()) {
      if (expr.kind === 'verdict' && 'chain' in expr.verdict) waiting.push(expr.verdict.chain);
      const set = expr.kind === 'lookup' ? sets.get(expr.set) : undefined;
      if (set === undefined) continue;
      lines.set(
        `set ${set.set.name}`,
        set.elements
          .map(e => JSON.stringify(e, bytesAsText))
          .sort()
          .join(),
      );
      for (const { data } of set.elements) if (data !== undefined && 'chain' in data) waiting.push(data.chain);
    }
  }
  return [...lines].map(line => line.join(' ')).sort();
}

function bytesAsText(_: string, value: unknown): unknown {
  return value instanceof Uint8Array ? bytesKey(value) : value;
}
