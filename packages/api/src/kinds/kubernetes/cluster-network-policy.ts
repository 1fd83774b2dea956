import type { Static } from 'typebox';
import { ageColumn, fieldColumn, nameColumn } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import type { Kind } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { cel, formatted, integer, lazy, list, object, oneOf, set, text } from '../../schema/build.ts';
import { conditions } from '../condition.ts';
import { clusterNetworkPolicyRules } from './cluster-network-policy-rules.ts';
import { labelSelector } from './label-selector.ts';

const ONE = { minProperties: 1, maxProperties: 1 };
/** The lists of this API are plain lists: it says nothing of how they are merged. */
const PLAIN = { 'x-kubernetes-list-type': undefined };

const portNumber = (description: string) => integer({ format: 'int32', minimum: 1, maximum: 65535, description });

const pods = () =>
  object(
    { podSelector: labelSelector() },
    { namespaceSelector: labelSelector() },
    { description: 'Pods with labels that match, in namespaces with labels that match (in all if not given).' },
  );

const transport = (name: string) =>
  object(
    {},
    {
      destinationPort: object(
        {},
        {
          number: portNumber('One port.'),
          range: object(
            { start: portNumber('The first port.'), end: portNumber('The last port.') },
            {},
            {
              description: 'Ports from start to end, both among them.',
              ...cel({ rule: 'self.start < self.end', message: 'end must be above start' }),
            },
          ),
        },
        { ...ONE, description: 'A port or a range of ports.' },
      ),
    },
    { minProperties: 1, description: `Ports of ${name}.` },
  );

const protocols = () =>
  list(
    object(
      {},
      {
        tcp: transport('TCP'),
        udp: transport('UDP'),
        sctp: transport('SCTP'),
        destinationNamedPort: text({ description: 'The name of a port of the pods, whatever its protocol.' }),
      },
      ONE,
    ),
    { ...PLAIN, minItems: 1, maxItems: 25, description: 'What is meant; all traffic if not given.' },
  );

const ruleFields = () => ({
  name: text({ maxLength: 100, description: 'A name for people.' }),
  protocols: protocols(),
});
const action = () =>
  oneOf(['Accept', 'Deny', 'Pass'], { description: 'What happens to traffic that matches; Pass leaves the tier.' });

const ingressPeer = lazy(() => object({}, { namespaces: labelSelector(), pods: pods() }, ONE));
const egressPeer = lazy(() =>
  object(
    {},
    {
      namespaces: labelSelector(),
      pods: pods(),
      networks: set(
        formatted('net-any', { maxLength: 43, ...cel({ rule: 'isCIDR(self)', message: 'must be a CIDR' }) }),
        {
          minItems: 1,
          maxItems: 25,
          description: 'Addresses in one of these CIDRs.',
        },
      ),
    },
    ONE,
  ),
);
const peers = { ...PLAIN, minItems: 1, maxItems: 25 };
const rules = { ...PLAIN, maxItems: 25 };

const spec = lazy(() =>
  object(
    {
      tier: oneOf(['Admin', 'Baseline'], {
        description: 'Whether it comes before (Admin) or after (Baseline) NetworkPolicies.',
      }),
      priority: integer({
        format: 'int32',
        minimum: 0,
        maximum: 1000,
        description: 'Lower is looked at first within the tier.',
      }),
      subject: object(
        {},
        { namespaces: labelSelector(), pods: pods() },
        { ...ONE, description: 'The pods it is for.' },
      ),
    },
    {
      ingress: list(object({ action: action(), from: list(ingressPeer(), peers) }, ruleFields()), {
        ...rules,
        description: 'What the pods may receive; the first match counts.',
      }),
      egress: list(object({ action: action(), to: list(egressPeer(), peers) }, ruleFields()), {
        ...rules,
        description: 'What the pods may send; the first match counts.',
      }),
    },
  ),
);
const status = lazy(() => object({ conditions: conditions() }));

export type ClusterNetworkPolicySpec = Static<ReturnType<typeof spec>>;
export type ClusterNetworkPolicyStatus = Static<ReturnType<typeof status>>;
export type ClusterNetworkPolicy = Resource<ClusterNetworkPolicySpec, ClusterNetworkPolicyStatus>;

/** Kubernetes' policy of the whole cluster, before or after the policies of namespaces. */
export const ClusterNetworkPolicy: Kind<ClusterNetworkPolicy> = defineKind<ClusterNetworkPolicy>({
  group: 'policy.networking.k8s.io',
  version: 'v1alpha2',
  kind: 'ClusterNetworkPolicy',
  plural: 'clusternetworkpolicies',
  shortNames: ['cnp'],
  namespaced: false,
  description: "Kubernetes' policy of the whole cluster, before or after the policies of namespaces.",
  spec,
  status,
  columns: [
    nameColumn(),
    fieldColumn('Tier', 'string', '.spec.tier'),
    fieldColumn('Priority', 'string', '.spec.priority'),
    ageColumn(),
  ],
  rules: clusterNetworkPolicyRules,
  example: () => ({
    apiVersion: 'policy.networking.k8s.io/v1alpha2',
    kind: 'ClusterNetworkPolicy',
    metadata: { name: 'deny-metadata-service' },
    spec: {
      tier: 'Admin',
      priority: 10,
      subject: { namespaces: { matchLabels: { team: 'checkout' } } },
      ingress: [
        {
          name: 'monitoring',
          action: 'Accept',
          from: [{ pods: { podSelector: { matchLabels: { app: 'prometheus' } }, namespaceSelector: {} } }],
          protocols: [{ tcp: { destinationPort: { number: 9090 } } }],
        },
      ],
      egress: [{ action: 'Deny', to: [{ networks: ['169.254.169.254/32'] }] }],
    },
  }),
});
