import type { Static } from 'typebox';
import { fieldColumn, nameColumn } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import type { Kind } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { lazy, object } from '../../schema/build.ts';
import { CALICO_API_VERSION, CALICO_GROUP, CALICO_VERSION } from './group.ts';
import { defaultPolicy, networkPolicyName, networkPolicyRules, policyTable } from './policy-rules.ts';
import { policyFields, policyValidations } from './rule.ts';

const spec = lazy(() => object({}, policyFields(), policyValidations()));

export type NetworkPolicySpec = Static<ReturnType<typeof spec>>;
export type NetworkPolicy = Resource<NetworkPolicySpec>;

/** Calico's policy for the endpoints of one namespace. */
export const NetworkPolicy: Kind<NetworkPolicy> = defineKind<NetworkPolicy>({
  group: CALICO_GROUP,
  version: CALICO_VERSION,
  kind: 'NetworkPolicy',
  plural: 'networkpolicies',
  shortNames: ['cnp', 'caliconetworkpolicy'],
  aliases: ['np', 'policy', 'policies', 'pol'],
  namespaced: true,
  description: 'What the endpoints of one namespace may send and receive.',
  nameRule: networkPolicyName,
  spec,
  columns: [nameColumn(), fieldColumn('Tier', 'string', '.spec.tier'), fieldColumn('Order', 'number', '.spec.order')],
  calicoctl: policyTable(),
  fieldLabels: { 'spec.tier': { value: policy => policy.spec.tier ?? '' } },
  defaults: defaultPolicy,
  rules: networkPolicyRules,
  example: () => ({
    apiVersion: CALICO_API_VERSION,
    kind: 'NetworkPolicy',
    metadata: { name: 'allow-frontend', namespace: 'shop' },
    spec: {
      tier: 'default',
      order: 100,
      selector: "app == 'cart'",
      ingress: [
        {
          action: 'Allow',
          protocol: 'TCP',
          source: { selector: "app == 'frontend'" },
          destination: { ports: [6379, '8000:8010', 'metrics'] },
        },
      ],
      types: ['Ingress'],
    },
  }),
});
