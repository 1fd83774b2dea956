import type { Evaluation } from '@calico/policy';

/** What decided, in one line: the last step of the trace. Policies are named as in the rule program. */
export function decidedBy({ trace }: Evaluation): string {
  const last = trace.at(-1);
  if (last === undefined || last.kind === 'end') return 'no tier or profile';
  if (last.kind === 'tierEnd') return `end of tier ${last.tier}`;
  const index = last.rules.at(-1)?.index ?? 0;
  if (last.kind === 'profile') return `rule ${index} of profile ${last.profile}`;
  return `rule ${index} of policy ${last.policy} in tier ${last.tier}`;
}
