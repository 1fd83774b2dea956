import { parseCidr } from '@calico/ip';
import type { FieldErrors } from '../../field-error.ts';
import type { BGPFilter, BGPFilterRule } from './bgp-filter.ts';

const LISTS = [
  ['exportV4', 4],
  ['importV4', 4],
  ['exportV6', 6],
  ['importV6', 6],
] as const;

/** The cross-field rules of a filter. */
export function bgpFilterRules({ spec }: BGPFilter, errors: FieldErrors): void {
  for (const [field, family] of LISTS) {
    for (const [i, rule] of (spec[field] ?? []).entries()) ruleRules(rule, family, `spec.${field}[${i}]`, errors);
  }
}

function ruleRules(rule: BGPFilterRule, family: 4 | 6, path: string, errors: FieldErrors): void {
  const { cidr = '', matchOperator, prefixLength, operations = [], action } = rule;
  if (cidr !== '' && matchOperator === undefined) {
    errors.required(`${path}.matchOperator`, 'Equal, NotEqual, In or NotIn, as cidr is given');
  }
  if (cidr === '' && matchOperator !== undefined) errors.required(`${path}.cidr`, 'a CIDR, as matchOperator is given');
  if (cidr === '' && prefixLength !== undefined) errors.required(`${path}.cidr`, 'a CIDR, as prefixLength is given');
  if (cidr !== '' && parseCidr(cidr)?.addr.family !== family) {
    errors.invalid(`${path}.cidr`, cidr, `must be an IPv${family} CIDR, as the list is for IPv${family} routes`);
  }
  if (operations.length > 0 && action !== 'Accept') {
    errors.forbidden(`${path}.operations`, operations, 'only a rule with action Accept changes routes');
  }
}
