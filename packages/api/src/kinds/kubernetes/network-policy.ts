import type { Static } from 'typebox';
import { ageColumn, column, nameColumn } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import type { Kind } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import {
  formatted,
  int32OrString,
  integer,
  type Keywords,
  lazy,
  list,
  object,
  oneOf,
  set,
} from '../../schema/build.ts';
import { labelSelector, printLabelSelector } from './label-selector.ts';
import { kubernetesNetworkPolicyRules } from './network-policy-rules.ts';

const peer = lazy(() =>
  object(
    {},
    {
      podSelector: labelSelector(),
      namespaceSelector: labelSelector(),
      ipBlock: object(
        { cidr: formatted('net-any', { description: 'The addresses.' }) },
        { except: list(formatted('net-any'), { description: 'Those of them that are not meant.' }) },
      ),
    },
  ),
);
const ports = () =>
  list(
    object(
      {},
      {
        protocol: oneOf(['TCP', 'UDP', 'SCTP'], { default: 'TCP' }),
        port: int32OrString({ description: 'A number or the name of a port of the pods; all ports if not given.' }),
        endPort: integer({ format: 'int32', minimum: 1, maximum: 65535, description: 'The end of a range.' }),
      },
    ),
  );

/** The fields of a policy; `types` are further keywords of its list of directions. */
export const kubernetesPolicyFields = (types: Keywords = {}) => ({
  podSelector: labelSelector(),
  ingress: list(object({}, { from: list(peer()), ports: ports() }), { description: 'What the pods may receive.' }),
  egress: list(object({}, { to: list(peer()), ports: ports() }), { description: 'What the pods may send.' }),
  policyTypes: set(oneOf(['Ingress', 'Egress']), {
    ...types,
    maxItems: 2,
    description: 'The directions that are restricted.',
  }),
});

const spec = lazy(() => object({}, kubernetesPolicyFields()));

export type KubernetesNetworkPolicySpec = Static<ReturnType<typeof spec>>;
export type KubernetesNetworkPolicyPeer = Static<ReturnType<typeof peer>>;
export type KubernetesNetworkPolicy = Resource<KubernetesNetworkPolicySpec>;

/** Fills in the directions that a policy restricts: ingress always, egress where it has rules for it. */
export function defaultPolicyTypes(spec: KubernetesNetworkPolicySpec): void {
  if (typeof spec !== 'object' || spec === null) return;
  if (spec.policyTypes !== undefined && !(Array.isArray(spec.policyTypes) && spec.policyTypes.length === 0)) return;
  const egress = Array.isArray(spec.egress) && spec.egress.length > 0;
  spec.policyTypes = egress ? ['Ingress', 'Egress'] : ['Ingress'];
}

/** Kubernetes' own policy: what pods may send and receive; everything else is denied them. */
export const KubernetesNetworkPolicy: Kind<KubernetesNetworkPolicy> = defineKind<KubernetesNetworkPolicy>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'NetworkPolicy',
  plural: 'networkpolicies',
  shortNames: ['netpol'],
  namespaced: true,
  description: 'What pods may send and receive; everything else is denied them.',
  spec,
  columns: [
    nameColumn(),
    column('Pod-Selector', 'string', policy => printLabelSelector(policy.spec.podSelector)),
    ageColumn(),
  ],
  defaults: policy => {
    const { spec } = policy;
    if (typeof spec !== 'object' || spec === null) return policy;
    spec.podSelector ??= {};
    defaultPolicyTypes(spec);
    return policy;
  },
  rules: kubernetesNetworkPolicyRules,
  example: () => ({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'cart', namespace: 'shop' },
    spec: {
      podSelector: { matchLabels: { app: 'cart' } },
      ingress: [
        {
          from: [
            { podSelector: { matchLabels: { app: 'frontend' } } },
            { ipBlock: { cidr: '192.0.2.0/24', except: ['192.0.2.0/28'] } },
          ],
          ports: [{ port: 7070 }, { port: 8000, endPort: 8010, protocol: 'UDP' }],
        },
      ],
      policyTypes: ['Ingress'],
    },
  }),
});
