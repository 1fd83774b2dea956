import { expect, test } from 'bun:test';
import { printFieldError } from '../field-error.ts';
import { GlobalNetworkPolicy } from '../kinds/calico/global-network-policy.ts';
import { ClusterNetworkPolicy, type ClusterNetworkPolicySpec } from '../kinds/kubernetes/cluster-network-policy.ts';
import { untyped } from '../testing.ts';
import { clusterNetworkPolicyToPolicy } from './cluster-network-policy.ts';

const PODS = "projectcalico.org/orchestrator == 'k8s'";

function policy(spec: object): ClusterNetworkPolicy {
  const whole: ClusterNetworkPolicySpec = { tier: 'Admin', priority: 10, subject: { namespaces: {} } };
  return {
    apiVersion: 'policy.networking.k8s.io/v1alpha2',
    kind: 'ClusterNetworkPolicy',
    metadata: { name: 'p' },
    spec: untyped({ ...whole, ...spec }),
  };
}

const anyone = [{ namespaces: {} }];
const everyone = { selector: PODS, namespaceSelector: 'all()' };

test('the example becomes a valid global policy of the same name', () => {
  const { policy: converted, errors } = clusterNetworkPolicyToPolicy(ClusterNetworkPolicy.example());
  expect(errors).toEqual([]);
  expect(converted).toEqual({
    apiVersion: 'projectcalico.org/v3',
    kind: 'GlobalNetworkPolicy',
    metadata: { name: 'deny-metadata-service' },
    spec: {
      tier: 'kube-admin',
      order: 10,
      selector: PODS,
      namespaceSelector: "team == 'checkout'",
      types: ['Ingress', 'Egress'],
      ingress: [
        {
          action: 'Allow',
          protocol: 'TCP',
          source: { selector: `${PODS} && app == 'prometheus'`, namespaceSelector: 'all()' },
          destination: { ports: [9090] },
          metadata: { annotations: { name: 'monitoring' } },
        },
      ],
      egress: [{ action: 'Deny', destination: { nets: ['169.254.169.254/32'] } }],
    },
  });
  if (converted !== undefined) expect(GlobalNetworkPolicy.validate(converted).map(printFieldError)).toEqual([]);
});

test.each([
  { name: 'no rules restrict no direction', spec: {}, want: { types: [] } },
  {
    name: 'a direction counts when its rules are bad',
    spec: { egress: [{ action: 'Accept', to: [] }] },
    want: { types: ['Egress'] },
  },
  { name: 'Baseline comes after policies of namespaces', spec: { tier: 'Baseline' }, want: { tier: 'kube-baseline' } },
  {
    name: 'a subject of pods keeps both selectors',
    spec: { subject: { pods: { podSelector: { matchLabels: { a: 'b' } }, namespaceSelector: {} } } },
    want: { selector: `${PODS} && a == 'b'`, namespaceSelector: 'all()' },
  },
  {
    name: 'pods of any namespace need no namespace selector',
    spec: { subject: { pods: { podSelector: {} } } },
    want: { selector: PODS, namespaceSelector: undefined },
  },
  {
    name: 'ports are put together by protocol',
    spec: {
      ingress: [
        {
          action: 'Pass',
          from: anyone,
          protocols: [
            { tcp: { destinationPort: { number: 80 } } },
            { udp: { destinationPort: { range: { start: 53, end: 54 } } } },
            { tcp: { destinationPort: { number: 443 } } },
            { destinationNamedPort: 'metrics' },
          ],
        },
      ],
    },
    want: {
      ingress: [
        { action: 'Pass', protocol: 'TCP', source: everyone, destination: { ports: [80, 443] } },
        { action: 'Pass', protocol: 'UDP', source: everyone, destination: { ports: ['53:54'] } },
        { action: 'Pass', source: everyone, destination: { ports: ['metrics'] } },
      ],
    },
  },
  {
    name: 'every peer has rules of its own, networks one per family and masked',
    spec: { egress: [{ action: 'Deny', to: [...anyone, { networks: ['10.0.0.1/8', 'fd00::/8', '192.0.2.0/24'] }] }] },
    want: {
      egress: [
        { action: 'Deny', destination: everyone },
        { action: 'Deny', destination: { nets: ['10.0.0.0/8', '192.0.2.0/24'] } },
        { action: 'Deny', destination: { nets: ['fd00::/8'] } },
      ],
    },
  },
])('$name', ({ spec, want }) => {
  const { policy: converted } = clusterNetworkPolicyToPolicy(policy(spec));
  const got: Record<string, unknown> = { ...converted?.spec };
  expect(Object.fromEntries(Object.keys(want).map(field => [field, got[field]]))).toEqual(want);
});

const BAD_PARTS = [
  { name: 'no peer', rule: { from: [] } },
  { name: 'a peer without field', rule: { from: [{}] } },
  { name: 'a peer with two fields', rule: { from: [{ namespaces: {}, pods: { podSelector: {} } }] } },
  { name: 'a peer of a kind that is not known', rule: { from: [{ nodes: {} }] } },
  { name: 'networks in ingress', rule: { from: [{ networks: ['10.0.0.0/8'] }] } },
  { name: 'pods without selector', rule: { from: [{ pods: {} }] } },
  {
    name: 'an operator that is not known',
    rule: { from: [{ namespaces: { matchExpressions: [{ key: 'a', operator: 'Like', values: ['b'] }] } }] },
  },
  { name: 'an empty list of protocols', rule: { from: anyone, protocols: [] } },
  { name: 'a protocol that is not known', rule: { from: anyone, protocols: [{ icmp: {} }] } },
  { name: 'a protocol without port', rule: { from: anyone, protocols: [{ tcp: {} }] } },
  { name: 'port 0', rule: { from: anyone, protocols: [{ tcp: { destinationPort: { number: 0 } } }] } },
  {
    name: 'a range the wrong way',
    rule: { from: anyone, protocols: [{ udp: { destinationPort: { range: { start: 9, end: 8 } } } }] },
  },
  { name: 'a port without name', rule: { from: anyone, protocols: [{ destinationNamedPort: '' }] } },
];

test.each(BAD_PARTS)('a rule with $name denies everything, or is left out where it would accept', ({ rule }) => {
  const ingress = ['Deny', 'Pass', 'Accept'].map(action => ({ ...rule, action }));
  const { policy: converted, errors } = clusterNetworkPolicyToPolicy(policy({ ingress }));
  expect(converted?.spec.ingress).toEqual([{ action: 'Deny' }, { action: 'Deny' }]);
  expect(errors).toHaveLength(3);
  for (const error of errors) expect(error).toMatch(/^spec\.ingress\[\d\]\..*(allowed: )/);
});

test('a rule with an action that is not known denies everything, under its name', () => {
  const { policy: converted } = clusterNetworkPolicyToPolicy(
    policy({ egress: [{ name: 'r', action: 'Log', to: [{ networks: ['10.0.0.0/8'] }] }] }),
  );
  expect(converted?.spec.egress).toEqual([{ action: 'Deny', metadata: { annotations: { name: 'r' } } }]);
});

test('networks that are none make a bad rule', () => {
  const { policy: converted, errors } = clusterNetworkPolicyToPolicy(
    policy({ egress: [{ action: 'Accept', to: [{ networks: ['10.0.0.1'] }] }] }),
  );
  expect(converted?.spec.egress).toBeUndefined();
  expect(errors).toEqual(['spec.egress[0].to[0].networks[0] is "10.0.0.1"; allowed: a CIDR such as "10.0.0.0/8"']);
});

test.each([
  { name: 'a tier that is none', spec: { tier: 'default' } },
  { name: 'no subject', spec: { subject: undefined } },
  { name: 'an empty subject', spec: { subject: {} } },
  { name: 'two subjects', spec: { subject: { namespaces: {}, pods: { podSelector: {} } } } },
  {
    name: 'a subject with an operator that is not known',
    spec: { subject: { namespaces: { matchExpressions: [{ key: 'a', operator: 'Like' }] } } },
  },
])('there is no policy for $name', ({ spec }) => {
  const { policy: converted, errors } = clusterNetworkPolicyToPolicy(policy(spec));
  expect(converted).toBeUndefined();
  expect(errors).toHaveLength(1);
});
