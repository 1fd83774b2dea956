import type { BoundCase } from './generate.ts';

/** How often one kind of criterion was asked and answered, and what the rules that it belonged to decided. */
export interface Tally {
  held: number;
  failed: number;
  Allow: number;
  Deny: number;
}

/** What a run of cases has tried. */
export interface Coverage {
  readonly criteria: ReadonlyMap<string, Tally>;
  /** How often a pod’s say on a packet came from a rule that allowed or denied, from the end of a tier, or from no rule. */
  readonly decisions: ReadonlyMap<string, number>;
  readonly verdicts: Readonly<Record<'allow' | 'deny', number>>;
}

/** Judges every packet of the cases and counts what was looked at. */
export function measureCoverage(cases: readonly BoundCase[]): Coverage {
  const criteria = new Map<string, Tally>();
  const decisions = new Map<string, number>();
  const verdicts = { allow: 0, deny: 0 };
  const tally = (field: string): Tally => {
    const known = criteria.get(field) ?? { held: 0, failed: 0, Allow: 0, Deny: 0 };
    criteria.set(field, known);
    return known;
  };
  for (const { oracle, packets } of cases) {
    for (const packet of packets) {
      const answer = oracle.judge(packet, ([field, held]) => tally(field)[held ? 'held' : 'failed']++);
      verdicts[answer.verdict]++;
      for (const decision of [answer.egress, answer.ingress]) {
        if (decision?.action === undefined) continue;
        decisions.set(decision.action, (decisions.get(decision.action) ?? 0) + 1);
        for (const field of decision.criteria ?? []) {
          if (decision.action === 'Allow' || decision.action === 'Deny') tally(field)[decision.action]++;
        }
      }
    }
  }
  return { criteria, decisions, verdicts };
}

/** The coverage as a table: a line per kind of criterion, then how packets were decided. */
export function printCoverage({ criteria, decisions, verdicts }: Coverage): string {
  const line = (name: string, numbers: readonly (number | string)[]): string =>
    name.padEnd(34) + numbers.map(number => String(number).padStart(8)).join('');
  const fields = [...criteria.keys()].sort();
  return [
    line('criterion', ['held', 'failed', 'Allow', 'Deny']),
    ...fields.map(field => {
      const { held = 0, failed = 0, Allow = 0, Deny = 0 } = criteria.get(field) ?? {};
      return line(field, [held, failed, Allow, Deny]);
    }),
    '',
    ...[...decisions.entries()].sort().map(([decision, count]) => line(`decided by ${decision}`, [count])),
    line('packets allowed', [verdicts.allow]),
    line('packets denied', [verdicts.deny]),
  ].join('\n');
}
