import type { Static } from 'typebox';
import { fieldColumn, nameColumn } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import type { Kind } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { lazy, object } from '../../schema/build.ts';
import { CALICO_API_VERSION, CALICO_GROUP, CALICO_VERSION } from './group.ts';
import { defaultPolicy, networkPolicyName, networkPolicyRules, policyTable } from './policy-rules.ts';
import { policyFields, policyValidations } from './rule.ts';
import { stagedAction, stagedDeleteRules } from './staged.ts';

const spec = lazy(() => object({}, { ...policyFields(), stagedAction: stagedAction() }, policyValidations()));

export type StagedNetworkPolicySpec = Static<ReturnType<typeof spec>>;
export type StagedNetworkPolicy = Resource<StagedNetworkPolicySpec>;

/** A policy for the endpoints of one namespace as it may be one day: it is judged, and changes nothing. */
export const StagedNetworkPolicy: Kind<StagedNetworkPolicy> = defineKind<StagedNetworkPolicy>({
  group: CALICO_GROUP,
  version: CALICO_VERSION,
  kind: 'StagedNetworkPolicy',
  plural: 'stagednetworkpolicies',
  shortNames: ['scnp', 'snp'],
  aliases: ['snp', 'stagedpolicy', 'stagedpolicies', 'spol'],
  namespaced: true,
  description: 'A policy of one namespace that is tried out: flow logs say what it would do, and it changes nothing.',
  nameRule: networkPolicyName,
  spec,
  columns: [nameColumn(), fieldColumn('Tier', 'string', '.spec.tier'), fieldColumn('Order', 'number', '.spec.order')],
  calicoctl: policyTable(),
  fieldLabels: { 'spec.tier': { value: policy => policy.spec.tier ?? '' } },
  defaults: defaultPolicy,
  rules: (policy, errors) => {
    networkPolicyRules(policy, errors);
    stagedDeleteRules(policy, ['tier'], errors);
  },
  example: () => ({
    apiVersion: CALICO_API_VERSION,
    kind: 'StagedNetworkPolicy',
    metadata: { name: 'allow-frontend', namespace: 'shop' },
    spec: {
      stagedAction: 'Set',
      tier: 'default',
      order: 100,
      selector: "app == 'cart'",
      ingress: [{ action: 'Allow', protocol: 'TCP', source: { selector: "app == 'frontend'" } }],
      types: ['Ingress'],
    },
  }),
});
