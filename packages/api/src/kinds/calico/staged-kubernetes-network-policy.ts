import type { Static } from 'typebox';
import { ageColumn, column, heading, nameColumn } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import type { Kind } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { lazy, object } from '../../schema/build.ts';
import { printLabelSelector } from '../kubernetes/label-selector.ts';
import { defaultPolicyTypes, kubernetesPolicyFields } from '../kubernetes/network-policy.ts';
import { kubernetesPolicySpecRules } from '../kubernetes/network-policy-rules.ts';
import { CALICO_API_VERSION, CALICO_GROUP, CALICO_VERSION } from './group.ts';
import { isStagedDelete, stagedAction, stagedDeleteRules } from './staged.ts';

const spec = lazy(() => object({}, { ...kubernetesPolicyFields({ minItems: 1 }), stagedAction: stagedAction() }));

export type StagedKubernetesNetworkPolicySpec = Static<ReturnType<typeof spec>>;
export type StagedKubernetesNetworkPolicy = Resource<StagedKubernetesNetworkPolicySpec>;

const name = heading<StagedKubernetesNetworkPolicy>('NAME', policy => policy.metadata.name);

/** A policy of Kubernetes' own form as it may be one day: it is judged, and changes nothing. */
export const StagedKubernetesNetworkPolicy: Kind<StagedKubernetesNetworkPolicy> =
  defineKind<StagedKubernetesNetworkPolicy>({
    group: CALICO_GROUP,
    version: CALICO_VERSION,
    kind: 'StagedKubernetesNetworkPolicy',
    plural: 'stagedkubernetesnetworkpolicies',
    shortNames: ['sknp'],
    aliases: ['sknp', 'skpol'],
    namespaced: true,
    description:
      "A policy of Kubernetes' own form that is tried out: flow logs say what it would do, and it changes nothing.",
    spec,
    columns: [
      nameColumn(),
      column('Pod-Selector', 'string', policy => printLabelSelector(policy.spec.podSelector)),
      ageColumn(),
    ],
    calicoctl: {
      narrow: [name],
      wide: [name, heading('PODSELECTOR', policy => printLabelSelector(policy.spec.podSelector))],
    },
    defaults: policy => {
      if (!isStagedDelete(policy)) defaultPolicyTypes(policy.spec);
      return policy;
    },
    rules: (policy, errors) => {
      kubernetesPolicySpecRules(policy.spec, errors);
      stagedDeleteRules(policy, [], errors);
    },
    example: () => ({
      apiVersion: CALICO_API_VERSION,
      kind: 'StagedKubernetesNetworkPolicy',
      metadata: { name: 'cart', namespace: 'shop' },
      spec: {
        stagedAction: 'Set',
        podSelector: { matchLabels: { app: 'cart' } },
        ingress: [{ from: [{ podSelector: { matchLabels: { app: 'frontend' } } }], ports: [{ port: 7070 }] }],
        policyTypes: ['Ingress'],
      },
    }),
  });
