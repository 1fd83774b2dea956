import { expect, test } from 'bun:test';
import { stagedKubernetesNetworkPolicyToPolicy } from '../../conversion/index.ts';
import { untyped, validationCases } from '../../testing.ts';
import { StagedGlobalNetworkPolicy } from './staged-global-network-policy.ts';
import { StagedKubernetesNetworkPolicy } from './staged-kubernetes-network-policy.ts';
import { StagedNetworkPolicy } from './staged-network-policy.ts';

test.each([
  ...validationCases<StagedNetworkPolicy>(
    StagedNetworkPolicy,
    [
      { name: 'the example', change: () => {} },
      { name: 'a policy to be learned', change: p => (p.spec.stagedAction = 'Learn') },
      { name: 'the end of a policy of a tier', change: p => (p.spec = { stagedAction: 'Delete', tier: 'security' }) },
      {
        name: 'the end of a policy, everything else empty',
        change: p => (p.spec = { stagedAction: 'Delete', ingress: [], selector: '' }),
      },
    ],
    [
      {
        name: 'an action that is none',
        change: p => (p.spec.stagedAction = untyped('Remove')),
        path: 'spec.stagedAction',
        value: 'Remove',
        allowed: '"Set", "Delete", "Learn", "Ignore"',
      },
      {
        name: 'the end of a policy with an order',
        change: p => (p.spec = { stagedAction: 'Delete', order: 0 }),
        path: 'spec.order',
        value: 0,
        allowed: 'left out when stagedAction is "Delete"',
      },
      {
        name: 'a bad rule',
        change: p => (p.spec.ingress = [{ action: 'Allow', icmp: { type: 8 } }]),
        path: 'spec.ingress[0].protocol',
        allowed: 'ICMP or ICMPv6',
      },
    ],
  ),
  ...validationCases<StagedGlobalNetworkPolicy>(
    StagedGlobalNetworkPolicy,
    [
      { name: 'the example', change: () => {} },
      { name: 'the end of a policy', change: p => (p.spec = { stagedAction: 'Delete' }) },
    ],
    [
      {
        name: 'the end of an untracked policy',
        change: p => (p.spec = { stagedAction: 'Delete', applyOnForward: true }),
        path: 'spec.applyOnForward',
        value: true,
        allowed: 'left out when stagedAction is "Delete"',
      },
      {
        name: 'egress before NAT',
        change: p => (p.spec = { preDNAT: true, applyOnForward: true, types: ['Egress'] }),
        path: 'spec.types',
        value: ['Egress'],
        allowed: '["Ingress"]',
      },
    ],
  ),
  ...validationCases<StagedKubernetesNetworkPolicy>(
    StagedKubernetesNetworkPolicy,
    [
      { name: 'the example', change: () => {} },
      { name: 'the end of a policy', change: p => (p.spec = { stagedAction: 'Delete' }) },
      {
        name: 'the end of a policy for no pod in particular',
        change: p => (p.spec = { stagedAction: 'Delete', podSelector: {} }),
      },
    ],
    [
      {
        name: 'the end of a policy for some pods',
        change: p => (p.spec = { stagedAction: 'Delete', podSelector: { matchLabels: { a: 'b' } } }),
        path: 'spec.podSelector',
        value: { matchLabels: { a: 'b' } },
        allowed: 'left out when stagedAction is "Delete"',
      },
      {
        name: 'a peer that is none',
        change: p => (p.spec.ingress = [{ from: [{}] }]),
        path: 'spec.ingress[0].from[0]',
        allowed: 'podSelector, namespaceSelector or ipBlock',
      },
    ],
  ),
])('$name', ({ got, want }) => {
  expect(got()).toEqual([...want]);
});

test('staged policies get action, tier, label and directions', () => {
  const policy = StagedNetworkPolicy.default({
    ...StagedNetworkPolicy.example(),
    spec: { egress: [{ action: 'Allow' }] },
  });
  expect(policy.spec).toEqual({
    egress: [{ action: 'Allow' }],
    types: ['Egress'],
    tier: 'default',
    stagedAction: 'Set',
  });
  expect(policy.metadata.labels).toEqual({ 'projectcalico.org/tier': 'default' });
  const kubernetes = StagedKubernetesNetworkPolicy.default({
    ...StagedKubernetesNetworkPolicy.example(),
    spec: { egress: [{}] },
  });
  expect(kubernetes.spec).toEqual({ egress: [{}], policyTypes: ['Ingress', 'Egress'], stagedAction: 'Set' });
});

test('a staged Kubernetes policy becomes the staged policy with the meaning that it would have', () => {
  const staged = StagedKubernetesNetworkPolicy.default(StagedKubernetesNetworkPolicy.example());
  const { policy, errors } = stagedKubernetesNetworkPolicyToPolicy(staged);
  expect(errors).toEqual([]);
  expect(policy.kind).toBe('StagedNetworkPolicy');
  expect(policy.spec).toEqual({
    stagedAction: 'Set',
    tier: 'default',
    order: 1000,
    selector: "projectcalico.org/orchestrator == 'k8s' && app == 'cart'",
    types: ['Ingress'],
    ingress: [
      {
        action: 'Allow',
        protocol: 'TCP',
        source: { selector: "projectcalico.org/orchestrator == 'k8s' && app == 'frontend'" },
        destination: { ports: [7070] },
      },
    ],
  });
  expect(StagedNetworkPolicy.validate(policy)).toEqual([]);
});
