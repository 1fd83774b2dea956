import type { BoundCase } from './generate.ts';

/** How often one kind of criterion was asked and answered, and what became of the packets for which it held. */
export interface Tally {
  held: number;
  failed: number;
  /** Packets that passed in the end, and those that did not. */
  allowed: number;
  denied: number;
}

/** What a run of cases has tried. */
export interface Coverage {
  readonly criteria: Map<string, Tally>;
  /** How often a pod’s say on a packet came from a rule that allowed or denied, from the end of a tier, or from no rule. */
  readonly decisions: Map<string, number>;
  readonly verdicts: Record<'allow' | 'deny', number>;
}

/** A run that has tried nothing yet. */
export function emptyCoverage(): Coverage {
  return { criteria: new Map(), decisions: new Map(), verdicts: { allow: 0, deny: 0 } };
}

/** Judges every packet of the cases and counts what was looked at. */
export function measureCoverage(cases: readonly BoundCase[]): Coverage {
  const coverage = emptyCoverage();
  for (const each of cases) addToCoverage(coverage, each);
  return coverage;
}

/** Judges the packets of one more case, and counts. */
export function addToCoverage({ criteria, decisions, verdicts }: Coverage, { oracle, packets }: BoundCase): void {
  const tally = (field: string): Tally => {
    const known = criteria.get(field) ?? { held: 0, failed: 0, allowed: 0, denied: 0 };
    criteria.set(field, known);
    return known;
  };
  for (const packet of packets) {
    const met = new Set<string>();
    const answer = oracle.judge(packet, ([field, held]) => {
      tally(field)[held ? 'held' : 'failed']++;
      if (held) met.add(field);
    });
    verdicts[answer.verdict]++;
    for (const field of met) tally(field)[answer.verdict === 'allow' ? 'allowed' : 'denied']++;
    for (const decision of [answer.egress, answer.ingress]) {
      if (decision?.action !== undefined) decisions.set(decision.action, (decisions.get(decision.action) ?? 0) + 1);
    }
  }
}

/** The coverage as a table: a line per kind of criterion, then how packets were decided. */
export function printCoverage({ criteria, decisions, verdicts }: Coverage): string {
  const line = (name: string, numbers: readonly (number | string)[]): string =>
    name.padEnd(38) + numbers.map(number => String(number).padStart(8)).join('');
  const fields = [...criteria.keys()].sort();
  return [
    line('met by packets', ['held', 'failed', 'allowed', 'denied']),
    ...fields.map(field => {
      const { held = 0, failed = 0, allowed = 0, denied = 0 } = criteria.get(field) ?? {};
      return line(field, [held, failed, allowed, denied]);
    }),
    '',
    ...[...decisions.entries()].sort().map(([decision, count]) => line(`decided by ${decision}`, [count])),
    line('packets allowed', [verdicts.allow]),
    line('packets denied', [verdicts.deny]),
  ].join('\n');
}
