import type { Static } from 'typebox';
import { ageColumn, fieldColumn, nameColumn } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import type { Kind } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { lazy, object } from '../../schema/build.ts';
import { CALICO_API_VERSION, CALICO_GROUP, CALICO_VERSION } from './group.ts';
import { defaultPolicy, globalNetworkPolicyRules, globalPolicyName, policyTable } from './policy-rules.ts';
import { globalPolicyFields, globalPolicyValidations } from './rule.ts';

const spec = lazy(() => object({}, globalPolicyFields(), globalPolicyValidations()));

export type GlobalNetworkPolicySpec = Static<ReturnType<typeof spec>>;
export type GlobalNetworkPolicy = Resource<GlobalNetworkPolicySpec>;

/** Calico's policy for endpoints of the whole cluster. */
export const GlobalNetworkPolicy: Kind<GlobalNetworkPolicy> = defineKind<GlobalNetworkPolicy>({
  group: CALICO_GROUP,
  version: CALICO_VERSION,
  kind: 'GlobalNetworkPolicy',
  plural: 'globalnetworkpolicies',
  shortNames: ['gnp', 'cgnp'],
  aliases: ['gnp', 'globalpolicy'],
  namespaced: false,
  description: 'What endpoints of the whole cluster, pods and hosts, may send and receive.',
  nameRule: globalPolicyName,
  spec,
  columns: [
    nameColumn(),
    fieldColumn('Tier', 'string', '.spec.tier'),
    fieldColumn('Order', 'number', '.spec.order'),
    ageColumn(),
  ],
  calicoctl: policyTable(),
  fieldLabels: { 'spec.tier': { value: policy => policy.spec.tier ?? '' } },
  defaults: defaultPolicy,
  rules: globalNetworkPolicyRules,
  example: () => ({
    apiVersion: CALICO_API_VERSION,
    kind: 'GlobalNetworkPolicy',
    metadata: { name: 'deny-metadata-service' },
    spec: {
      tier: 'default',
      order: 10,
      selector: 'all()',
      namespaceSelector: "team != 'platform'",
      egress: [{ action: 'Deny', destination: { nets: ['169.254.169.254/32'] } }],
      types: ['Egress'],
    },
  }),
});
