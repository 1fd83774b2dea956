import type { Static } from 'typebox';
import { fieldColumn, nameColumn } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import type { Kind } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { lazy, object } from '../../schema/build.ts';
import { CALICO_API_VERSION, CALICO_GROUP, CALICO_VERSION } from './group.ts';
import { defaultPolicy, globalNetworkPolicyRules, globalPolicyName, policyTable } from './policy-rules.ts';
import { globalPolicyFields, globalPolicyValidations } from './rule.ts';
import { stagedAction, stagedDeleteRules } from './staged.ts';

const spec = lazy(() =>
  object({}, { ...globalPolicyFields(), stagedAction: stagedAction() }, globalPolicyValidations()),
);

export type StagedGlobalNetworkPolicySpec = Static<ReturnType<typeof spec>>;
export type StagedGlobalNetworkPolicy = Resource<StagedGlobalNetworkPolicySpec>;

/** A policy for endpoints of the whole cluster as it may be one day: it is judged, and changes nothing. */
export const StagedGlobalNetworkPolicy: Kind<StagedGlobalNetworkPolicy> = defineKind<StagedGlobalNetworkPolicy>({
  group: CALICO_GROUP,
  version: CALICO_VERSION,
  kind: 'StagedGlobalNetworkPolicy',
  plural: 'stagedglobalnetworkpolicies',
  shortNames: ['sgnp'],
  aliases: ['sgnp', 'stagedglobalpolicy'],
  namespaced: false,
  description:
    'A policy of the whole cluster that is tried out: flow logs say what it would do, and it changes nothing.',
  nameRule: globalPolicyName,
  spec,
  columns: [nameColumn(), fieldColumn('Tier', 'string', '.spec.tier'), fieldColumn('Order', 'number', '.spec.order')],
  calicoctl: policyTable(),
  fieldLabels: { 'spec.tier': { value: policy => policy.spec.tier ?? '' } },
  defaults: defaultPolicy,
  rules: (policy, errors) => {
    globalNetworkPolicyRules(policy, errors);
    stagedDeleteRules(policy, ['tier'], errors);
  },
  example: () => ({
    apiVersion: CALICO_API_VERSION,
    kind: 'StagedGlobalNetworkPolicy',
    metadata: { name: 'deny-metadata-service' },
    spec: {
      stagedAction: 'Set',
      tier: 'default',
      order: 10,
      selector: 'all()',
      egress: [{ action: 'Deny', destination: { nets: ['169.254.169.254/32'] } }],
      types: ['Egress'],
    },
  }),
});
