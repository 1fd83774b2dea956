import { heading, printOrder } from '../../columns.ts';
import type { FieldErrors } from '../../field-error.ts';
import type { CalicoctlTable } from '../../kind.ts';
import { isDnsLabel, isDnsSubdomain } from '../../names.ts';
import type { Resource } from '../../resource.ts';
import { setLabel } from '../../set-label.ts';
import type { GlobalNetworkPolicy } from './global-network-policy.ts';
import { DEFAULT_TIER, TIER_LABEL } from './group.ts';
import type { NetworkPolicy } from './network-policy.ts';
import type { Rule } from './rule.ts';
import { rulesRules } from './rule-rules.ts';
import { isStagedDelete } from './staged.ts';

type AnyPolicy = Resource<{
  tier?: string;
  order?: number;
  types?: string[];
  ingress?: Rule[];
  egress?: Rule[];
  selector?: string;
}>;

/** Fills in the directions from the rules, and the label that tells the tier. */
export function defaultPolicy<P extends AnyPolicy>(policy: P): P {
  const { spec, metadata } = policy;
  if (typeof spec !== 'object' || spec === null || typeof metadata !== 'object' || metadata === null) return policy;
  const untyped = spec.types === undefined || (Array.isArray(spec.types) && spec.types.length === 0);
  if (untyped && !isStagedDelete(policy)) spec.types = directions(isFilled(spec.ingress), isFilled(spec.egress));
  if (spec.tier === '') spec.tier = DEFAULT_TIER;
  if (typeof spec.tier === 'string') setLabel(metadata, TIER_LABEL, spec.tier);
  return policy;
}

/** Egress rules alone make an egress policy, both kinds of rules both, anything else an ingress policy. */
function directions(ingress: boolean, egress: boolean): ('Ingress' | 'Egress')[] {
  if (!egress) return ['Ingress'];
  return ingress ? ['Ingress', 'Egress'] : ['Egress'];
}

function isFilled(rules: Rule[] | undefined): boolean {
  return Array.isArray(rules) && rules.length > 0;
}

const POLICY_NAME =
  'must be a DNS label (lower-case letters, digits, "-", at most 63 characters), or two joined by one "."';

/** Names of namespaced policies: a label, `label.label`, or those that conversions make. */
export function networkPolicyName(name: string): string | undefined {
  const converted = /^(?:knp|ossg)\.default\.(.+)$/.exec(name)?.[1];
  if (converted !== undefined) return isDnsSubdomain(converted) && name.length <= 253 ? undefined : POLICY_NAME;
  return globalPolicyName(name);
}

/** Names of global policies: a label or `label.label`. */
export function globalPolicyName(name: string): string | undefined {
  const parts = name.split('.');
  return parts.length <= 2 && parts.every(isDnsLabel) ? undefined : POLICY_NAME;
}

/** The cross-field rules of a namespaced policy. */
export function networkPolicyRules(policy: NetworkPolicy, errors: FieldErrors): void {
  tierRule(policy.spec.tier, errors);
  rulesRules(policy.spec.ingress, { path: 'spec.ingress', direction: 'ingress', namespaced: true }, errors);
  rulesRules(policy.spec.egress, { path: 'spec.egress', direction: 'egress', namespaced: true }, errors);
}

/** The cross-field rules of a global policy. */
export function globalNetworkPolicyRules(policy: GlobalNetworkPolicy, errors: FieldErrors): void {
  const { spec } = policy;
  tierRule(spec.tier, errors);
  rulesRules(spec.ingress, { path: 'spec.ingress', direction: 'ingress', namespaced: false }, errors);
  rulesRules(spec.egress, { path: 'spec.egress', direction: 'egress', namespaced: false }, errors);
  if (spec.doNotTrack === true && spec.preDNAT === true) {
    errors.invalid('spec.preDNAT', true, 'must be false when doNotTrack is true');
  }
  if (spec.preDNAT === true && isFilled(spec.egress)) {
    errors.forbidden('spec.egress', spec.egress, 'a preDNAT policy has no egress rules');
  }
  if (spec.preDNAT === true && spec.types?.includes('Egress') === true) {
    errors.invalid('spec.types', spec.types, 'must be ["Ingress"] when preDNAT is true');
  }
  if ((spec.preDNAT === true || spec.doNotTrack === true) && spec.applyOnForward !== true) {
    const cause = spec.preDNAT === true ? 'preDNAT' : 'doNotTrack';
    errors.invalid('spec.applyOnForward', spec.applyOnForward, `must be true when ${cause} is true`);
  }
}

function tierRule(tier: string | undefined, errors: FieldErrors): void {
  if (tier === undefined || isDnsLabel(tier)) return;
  errors.invalid(
    'spec.tier',
    tier,
    'must be the name of a tier: lower-case letters, digits and "-", at most 63 characters',
  );
}

/** calicoctl's table of policies that live in a tier. */
export function policyTable<P extends AnyPolicy>(): CalicoctlTable<P> {
  const narrow = [heading<P>('NAME', p => p.metadata.name), heading<P>('TIER', p => p.spec.tier ?? '')];
  return {
    narrow,
    wide: [...narrow, heading('ORDER', p => printOrder(p.spec.order)), heading('SELECTOR', p => p.spec.selector ?? '')],
  };
}
