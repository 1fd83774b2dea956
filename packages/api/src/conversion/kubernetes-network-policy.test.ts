import { describe, expect, test } from 'bun:test';
import type { NetworkPolicy } from '../kinds/calico/network-policy.ts';
import type { KubernetesNetworkPolicy } from '../kinds/kubernetes/network-policy.ts';
import { kubernetesNetworkPolicyToPolicy } from './kubernetes-network-policy.ts';

type Spec = NonNullable<KubernetesNetworkPolicy['spec']>;
type Want = Partial<NetworkPolicy['spec']>;

const ORCHESTRATOR = "projectcalico.org/orchestrator == 'k8s'";

function policy(spec: Partial<Spec>): KubernetesNetworkPolicy {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'p', namespace: 'shop' },
    spec: { podSelector: {}, ...spec },
  };
}

test('kubernetesNetworkPolicyToPolicy keeps the name and converts the uid', () => {
  const given = policy({ policyTypes: ['Ingress'] });
  given.metadata = {
    name: 'isolate',
    namespace: 'shop',
    uid: '00000000-0000-4000-8000-000000000001',
    resourceVersion: '5',
    labels: { a: 'b' },
  };
  expect(kubernetesNetworkPolicyToPolicy(given)).toEqual({
    errors: [],
    policy: {
      apiVersion: 'projectcalico.org/v3',
      kind: 'NetworkPolicy',
      metadata: {
        name: 'isolate',
        namespace: 'shop',
        uid: '00000000-0000-4000-8000-000000000080',
        resourceVersion: '5',
        labels: { a: 'b' },
      },
      spec: { tier: 'default', order: 1000, selector: ORCHESTRATOR, types: ['Ingress'] },
    },
  });
});

const cases: { name: string; spec: Partial<Spec>; want: Want }[] = [
  { name: 'no policyTypes means Ingress', spec: { egress: [{}] }, want: { types: ['Ingress'] } },
  {
    name: 'both types are kept',
    spec: { policyTypes: ['Ingress', 'Egress'] },
    want: { types: ['Ingress', 'Egress'] },
  },
  {
    name: 'labels of the subject are sorted, expressions follow',
    spec: {
      podSelector: {
        matchLabels: { b: '2', a: '1' },
        matchExpressions: [
          { key: 'x', operator: 'In', values: ['p', 'q'] },
          { key: 'y', operator: 'NotIn', values: ['r'] },
          { key: 'z', operator: 'Exists' },
          { key: 'w', operator: 'DoesNotExist' },
        ],
      },
    },
    want: {
      selector: `${ORCHESTRATOR} && a == '1' && b == '2' && x in { 'p', 'q' } && y not in { 'r' } && has(z) && ! has(w)`,
    },
  },
  { name: 'an empty rule allows everything', spec: { ingress: [{}] }, want: { ingress: [{ action: 'Allow' }] } },
  {
    name: 'ports without peers go to the destination',
    spec: { ingress: [{ ports: [{ port: 80 }] }] },
    want: { ingress: [{ action: 'Allow', protocol: 'TCP', destination: { ports: [80] } }] },
  },
  {
    name: 'one rule per protocol, sorted, and peer',
    spec: {
      ingress: [
        {
          from: [{ podSelector: { matchLabels: { a: '1' } } }, { namespaceSelector: {} }],
          ports: [{ protocol: 'UDP', port: 53 }, { port: 53 }],
        },
      ],
    },
    want: {
      ingress: (['TCP', 'UDP'] as const).flatMap(protocol =>
        [{ selector: `${ORCHESTRATOR} && a == '1'` }, { selector: ORCHESTRATOR, namespaceSelector: 'all()' }].map(
          source => ({ action: 'Allow' as const, protocol, source, destination: { ports: [53] } }),
        ),
      ),
    },
  },
  {
    name: 'names come first, numbers become ranges',
    spec: {
      ingress: [
        {
          ports: [
            { port: 82 },
            { port: 80 },
            { port: 'web' },
            { port: 81 },
            { port: 90, endPort: 95 },
            { port: 93, endPort: 99 },
          ],
        },
      ],
    },
    want: { ingress: [{ action: 'Allow', protocol: 'TCP', destination: { ports: ['web', '80:82', '90:99'] } }] },
  },
  {
    name: 'an entry without port is all ports of its protocol',
    spec: { ingress: [{ ports: [{ protocol: 'SCTP' }, { protocol: 'SCTP', port: 7 }] }] },
    want: { ingress: [{ action: 'Allow', protocol: 'SCTP' }] },
  },
  {
    name: 'a block is masked, its exceptions too',
    spec: { ingress: [{ from: [{ ipBlock: { cidr: '10.1.2.3/8', except: ['10.1.2.3/16'] } }] }] },
    want: { ingress: [{ action: 'Allow', source: { nets: ['10.0.0.0/8'], notNets: ['10.1.0.0/16'] } }] },
  },
  {
    name: 'egress has peers and ports in the destination',
    spec: {
      policyTypes: ['Egress'],
      egress: [
        {
          to: [{ namespaceSelector: { matchLabels: { team: 'a' } }, podSelector: { matchLabels: { app: 'db' } } }],
          ports: [{ protocol: 'TCP', port: 5432 }],
        },
      ],
    },
    want: {
      types: ['Egress'],
      egress: [
        {
          action: 'Allow',
          protocol: 'TCP',
          destination: {
            selector: `${ORCHESTRATOR} && app == 'db'`,
            namespaceSelector: "team == 'a'",
            ports: [5432],
          },
        },
      ],
    },
  },
];

describe('kubernetesNetworkPolicyToPolicy', () => {
  for (const { name, spec, want } of cases) {
    test(name, () => {
      const { policy: converted, errors } = kubernetesNetworkPolicyToPolicy(policy(spec));
      expect(errors).toEqual([]);
      expect(converted.spec).toMatchObject(want);
      if (want.ingress !== undefined) expect(converted.spec.ingress).toEqual(want.ingress);
      if (want.egress !== undefined) expect(converted.spec.egress).toEqual(want.egress);
    });
  }
});

const refused: { name: string; rule: NonNullable<Spec['ingress']>[number]; error: string }[] = [
  {
    name: 'a bad block',
    rule: { from: [{ ipBlock: { cidr: '10.0.0.0/33' } }] },
    error: 'spec.ingress[1].from[0].ipBlock.cidr is "10.0.0.0/33"; allowed: a CIDR such as 10.0.0.0/8',
  },
  {
    name: 'an empty peer, which must not become everybody',
    rule: { from: [{}] },
    error: 'spec.ingress[1].from[0] is empty; allowed: podSelector, namespaceSelector or ipBlock',
  },
  {
    name: 'an end before the start',
    rule: { ports: [{ port: 90, endPort: 80 }] },
    error: 'spec.ingress[1].ports[0].endPort is 80; allowed: a number from port (a number too) to 65535',
  },
  {
    name: 'a port out of range',
    rule: { ports: [{ port: 70000 }] },
    error: 'spec.ingress[1].ports[0].port is 70000; allowed: 1 to 65535',
  },
];

describe('kubernetesNetworkPolicyToPolicy leaves out a rule with', () => {
  for (const { name, rule, error } of refused) {
    test(name, () => {
      const { policy: converted, errors } = kubernetesNetworkPolicyToPolicy(
        policy({ ingress: [{ ports: [{ port: 1 }] }, rule] }),
      );
      expect(errors).toEqual([error]);
      expect(converted.spec.ingress).toHaveLength(1);
    });
  }
});
