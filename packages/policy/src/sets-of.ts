import type { Match, Rule, SetId } from './program.ts';
import { type MatchVisitor, visitMatch } from './visitor.ts';

const SETS: MatchVisitor<readonly SetId[]> = {
  protocol: () => [],
  icmp: () => [],
  nets: () => [],
  ipSet: match => [match.set],
  ports: match => match.sets,
  ipPortSet: match => [match.set],
};

/** The sets that one match asks. */
export function setsOfMatch(match: Match): readonly SetId[] {
  return visitMatch(match, SETS);
}

/** The sets that the rules of a policy or profile ask, each once, in the order of their first use. */
export function setsOf(program: { readonly ingress: readonly Rule[]; readonly egress: readonly Rule[] }): Set<SetId> {
  const ids = new Set<SetId>();
  for (const rules of [program.ingress, program.egress]) {
    for (const rule of rules) {
      for (const match of rule.matches) for (const id of setsOfMatch(match)) ids.add(id);
    }
  }
  return ids;
}
