import { expect, test } from 'bun:test';
import { FieldErrors } from '../../field-error.ts';
import { untyped, validationCases } from '../../testing.ts';
import { EndpointSlice } from './endpoint-slice.ts';
import { labelSelectorRules } from './label-selector.ts';
import { KubernetesNetworkPolicy } from './network-policy.ts';
import { Service } from './service.ts';

const from =
  (...peers: object[]) =>
  (p: KubernetesNetworkPolicy) => {
    p.spec = { podSelector: {}, ingress: [{ from: peers }] };
  };
const ports =
  (...list: object[]) =>
  (p: KubernetesNetworkPolicy) => {
    p.spec = { podSelector: {}, egress: [{ ports: list }] };
  };

test.each([
  ...validationCases<Service>(
    Service,
    [
      { name: 'the example', change: () => {} },
      { name: 'a headless one without ports', change: s => (s.spec = { clusterIP: 'None', selector: { a: 'b' } }) },
      { name: 'a name elsewhere', change: s => (s.spec = { type: 'ExternalName', externalName: 'example.com' }) },
    ],
    [
      {
        name: 'a name with a dot',
        change: s => (s.metadata.name = 'a.b'),
        path: 'metadata.name',
        value: 'a.b',
        allowed: 'starting with a letter',
      },
      { name: 'no ports', change: s => (s.spec = {}), path: 'spec.ports', allowed: 'at least one port' },
      {
        name: 'two ports without names',
        change: s => (s.spec.ports = [{ name: 'a', port: 1 }, { port: 2 }]),
        path: 'spec.ports[1].name',
        allowed: 'every port has a name',
      },
      {
        name: 'a name twice',
        change: s =>
          (s.spec.ports = [
            { name: 'a', port: 1 },
            { name: 'a', port: 2 },
          ]),
        path: 'spec.ports[1].name',
        value: 'a',
        allowed: 'its own name',
      },
      {
        name: 'a port twice',
        change: s =>
          (s.spec.ports = [
            { name: 'a', port: 1 },
            { name: 'b', port: 1 },
          ]),
        path: 'spec.ports[1]',
        value: [1, 'TCP'],
        allowed: 'only once',
      },
      {
        name: 'target port 0',
        change: s => (s.spec.ports = [{ port: 1, targetPort: 0 }]),
        path: 'spec.ports[0].targetPort',
        value: 0,
        allowed: 'from 1 to 65535',
      },
      {
        name: 'another address',
        change: s => (s.spec.clusterIP = '10.96.0.2'),
        old: s => (s.spec.clusterIP = '10.96.0.1'),
        path: 'spec.clusterIP',
        value: '10.96.0.2',
        allowed: 'it is "10.96.0.1"',
      },
      {
        name: 'a name that leads nowhere',
        change: s => (s.spec = { type: 'ExternalName' }),
        path: 'spec.externalName',
        allowed: 'a DNS name',
      },
    ],
  ),
  ...validationCases<KubernetesNetworkPolicy>(
    KubernetesNetworkPolicy,
    [
      { name: 'the example', change: () => {} },
      { name: 'everything closed', change: p => (p.spec = { podSelector: {}, policyTypes: ['Ingress', 'Egress'] }) },
      { name: 'anybody', change: p => (p.spec = { podSelector: {}, ingress: [{}] }) },
      {
        name: 'pods of namespaces',
        change: from({
          podSelector: {},
          namespaceSelector: { matchExpressions: [{ key: 'a', operator: 'NotIn', values: ['b'] }] },
        }),
      },
      { name: 'names of ports', change: ports({ port: 'http' }, { protocol: 'SCTP' }) },
    ],
    [
      {
        name: 'an empty peer',
        change: from({}),
        path: 'spec.ingress[0].from[0]',
        allowed: 'podSelector, namespaceSelector or ipBlock',
      },
      {
        name: 'a block and pods',
        change: from({ podSelector: {}, ipBlock: { cidr: '10.0.0.0/8' } }),
        path: 'spec.ingress[0].from[0].ipBlock',
        value: { cidr: '10.0.0.0/8' },
        allowed: 'not allowed together',
      },
      {
        name: 'a block that is none',
        change: from({ ipBlock: { cidr: '10.0.0.1' } }),
        path: 'spec.ingress[0].from[0].ipBlock.cidr',
        value: '10.0.0.1',
        allowed: 'a CIDR',
      },
      {
        name: 'an exception outside',
        change: from({ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16', '11.0.0.0/16'] } }),
        path: 'spec.ingress[0].from[0].ipBlock.except[1]',
        value: '11.0.0.0/16',
        allowed: 'a smaller part of cidr, 10.0.0.0/8',
      },
      {
        name: 'an exception of everything',
        change: from({ ipBlock: { cidr: '10.0.0.0/8', except: ['10.0.0.0/8'] } }),
        path: 'spec.ingress[0].from[0].ipBlock.except[0]',
        value: '10.0.0.0/8',
        allowed: 'a smaller part',
      },
      {
        name: 'ICMP',
        change: ports({ protocol: 'ICMP' }),
        path: 'spec.egress[0].ports[0].protocol',
        value: 'ICMP',
        allowed: '"TCP", "UDP", "SCTP"',
      },
      {
        name: 'port 70000',
        change: ports({ port: 70000 }),
        path: 'spec.egress[0].ports[0].port',
        value: 70000,
        allowed: 'from 1 to 65535',
      },
      {
        name: 'a port in capitals',
        change: ports({ port: 'HTTP' }),
        path: 'spec.egress[0].ports[0].port',
        value: 'HTTP',
        allowed: 'at most 15',
      },
      {
        name: 'an end without a start',
        change: ports({ endPort: 5 }),
        path: 'spec.egress[0].ports[0].port',
        allowed: 'the start of the range',
      },
      {
        name: 'a range from a name',
        change: ports({ port: 'http', endPort: 5 }),
        path: 'spec.egress[0].ports[0].endPort',
        value: 5,
        allowed: 'not allowed when port is a name',
      },
      {
        name: 'a range the wrong way',
        change: ports({ port: 9, endPort: 5 }),
        path: 'spec.egress[0].ports[0].endPort',
        value: 5,
        allowed: 'at least port, 9',
      },
      {
        name: 'a type that is none',
        change: p => (p.spec.policyTypes = untyped(['Both'])),
        path: 'spec.policyTypes[0]',
        value: 'Both',
        allowed: '"Ingress", "Egress"',
      },
      {
        name: 'an operator that is none',
        change: p => (p.spec.podSelector = { matchExpressions: untyped([{ key: 'a', operator: 'Is' }]) }),
        path: 'spec.podSelector.matchExpressions[0].operator',
        value: 'Is',
        allowed: '"In", "NotIn", "Exists", "DoesNotExist"',
      },
    ],
  ),
  ...validationCases<EndpointSlice>(
    EndpointSlice,
    [{ name: 'the example', change: () => {} }],
    [
      {
        name: 'an address of the other family',
        change: s => (s.endpoints = [{ addresses: ['fd00::1'] }]),
        path: 'endpoints[0].addresses[0]',
        value: 'fd00::1',
        allowed: 'an IPv4 address',
      },
    ],
  ),
])('$name', ({ got, want }) => {
  expect(got()).toEqual(want);
});

test.each([
  { name: 'In without values', term: { key: 'a', operator: 'In' as const }, path: 's.matchExpressions[0].values' },
  {
    name: 'Exists with values',
    term: { key: 'a', operator: 'Exists' as const, values: ['b'] },
    path: 's.matchExpressions[0].values',
  },
  { name: 'a bad key', term: { key: 'a b', operator: 'Exists' as const }, path: 's.matchExpressions[0].key' },
  {
    name: 'a bad value',
    term: { key: 'a', operator: 'In' as const, values: ['b c'] },
    path: 's.matchExpressions[0].values[0]',
  },
])('a label selector with $name is refused', ({ term, path }) => {
  const errors = new FieldErrors();
  labelSelectorRules({ matchExpressions: [untyped(term)] }, 's', errors);
  expect(errors.list.map(error => error.path)).toEqual([path]);
});

test('a service gets its target ports and policies', () => {
  const { spec } = Service.default({ ...Service.example(), spec: { ports: [{ port: 80 }] } });
  expect(spec).toEqual({
    type: 'ClusterIP',
    sessionAffinity: 'None',
    internalTrafficPolicy: 'Cluster',
    ipFamilyPolicy: 'SingleStack',
    ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
  });
});

test('a Kubernetes policy is for egress only if it has egress rules', () => {
  const types = (spec: KubernetesNetworkPolicy['spec']) =>
    KubernetesNetworkPolicy.default({ ...KubernetesNetworkPolicy.example(), spec }).spec.policyTypes;
  expect(types({ podSelector: {} })).toEqual(['Ingress']);
  expect(types({ podSelector: {}, egress: [] })).toEqual(['Ingress']);
  expect(types({ podSelector: {}, egress: [{}] })).toEqual(['Ingress', 'Egress']);
});
