import { expect, test } from 'bun:test';
import { untyped, validationCases } from '../../testing.ts';
import { GlobalNetworkPolicy } from './global-network-policy.ts';
import { NetworkPolicy } from './network-policy.ts';
import type { Rule } from './rule.ts';

const allow: Rule = { action: 'Allow' };

test.each([
  { name: 'no rules', spec: {}, want: ['Ingress'] },
  { name: 'ingress rules', spec: { ingress: [allow] }, want: ['Ingress'] },
  { name: 'egress rules', spec: { egress: [allow] }, want: ['Egress'] },
  { name: 'both', spec: { ingress: [allow], egress: [allow] }, want: ['Ingress', 'Egress'] },
  { name: 'an empty list of types', spec: { types: [], egress: [allow] }, want: ['Egress'] },
  { name: 'types that are given', spec: { types: ['Ingress' as const], egress: [allow] }, want: ['Ingress'] },
])('a policy with $name is for $want', ({ spec, want }) => {
  const policy = NetworkPolicy.default({ ...NetworkPolicy.example(), spec: untyped(spec) });
  expect(policy.spec.types).toEqual(untyped(want));
});

test('a policy gets its tier, and the label that tells it', () => {
  const policy = NetworkPolicy.default({ ...NetworkPolicy.example(), spec: {} });
  expect(policy.spec.tier).toBe('default');
  expect(policy.metadata.labels).toEqual({ 'projectcalico.org/tier': 'default' });
  const moved = NetworkPolicy.default({ ...policy, spec: { ...policy.spec, tier: 'security' } });
  expect(moved.metadata.labels).toEqual({ 'projectcalico.org/tier': 'security' });
});

const ingress = (rule: Partial<Rule>) => (p: { spec: { ingress?: Rule[]; types?: unknown } }) => {
  p.spec.ingress = [{ ...allow, ...rule }];
};
const egress = (rule: Partial<Rule>) => (p: { spec: { egress?: Rule[]; types?: ('Ingress' | 'Egress')[] } }) => {
  p.spec.egress = [{ ...allow, ...rule }];
  p.spec.types = ['Ingress', 'Egress'];
};
const named = (name: string) => (p: { metadata: { name: string } }) => {
  p.metadata.name = name;
};

test.each(
  validationCases<NetworkPolicy>(
    NetworkPolicy,
    [
      { name: 'the example', change: () => {} },
      { name: 'a name in two parts', change: named('security.allow-dns') },
      { name: 'a converted name', change: named('knp.default.a.b.c') },
      {
        name: 'a protocol by number with ports',
        change: ingress({ protocol: 132, destination: { ports: [1, '2:3'] } }),
      },
      { name: 'names of ports without a protocol', change: ingress({ destination: { ports: ['http', 'metrics'] } }) },
      { name: 'a ping', change: ingress({ protocol: 'ICMP', ipVersion: 4, icmp: { type: 8, code: 0 } }) },
      { name: 'neighbour discovery', change: ingress({ protocol: 58, ipVersion: 6, icmp: { type: 135 } }) },
      { name: 'all addresses in nets', change: ingress({ source: { nets: ['0.0.0.0/0'] } }) },
      { name: 'global() alone', change: ingress({ source: { namespaceSelector: ' global( ) ' } }) },
      { name: 'a service as source', change: ingress({ source: { services: { name: 'web' } } }) },
      {
        name: 'a service as destination',
        change: egress({ destination: { services: { name: 'web', namespace: 'a' } } }),
      },
      {
        name: 'HTTP',
        change: ingress({ protocol: 'TCP', http: { methods: ['GET'], paths: [{ exact: '/a' }, { prefix: '/b/' }] } }),
      },
      { name: 'numbers as text', change: ingress({ protocol: '6', destination: { ports: ['80'] } }) },
    ],
    [
      {
        name: 'a name in three parts',
        change: named('a.b.c'),
        path: 'metadata.name',
        value: 'a.b.c',
        allowed: 'two joined by one "."',
      },
      { name: 'a name in capitals', change: named('Web'), path: 'metadata.name', value: 'Web', allowed: 'lower-case' },
      {
        name: 'no namespace',
        change: p => Reflect.deleteProperty(p.metadata, 'namespace'),
        path: 'metadata.namespace',
        allowed: 'live in a namespace',
      },
      {
        name: 'a tier with a dot',
        change: p => (p.spec.tier = 'a.b'),
        path: 'spec.tier',
        value: 'a.b',
        allowed: 'at most 63',
      },
      {
        name: 'a selector that does not parse',
        change: p => (p.spec.selector = "app = 'x'"),
        path: 'spec.selector',
        value: "app = 'x'",
        allowed: 'must be a selector such as',
      },
      {
        name: 'a selector too long',
        change: p => (p.spec.selector = `app == '${'x'.repeat(1100)}'`),
        path: 'spec.selector',
        value: `app == '${'x'.repeat(1100)}'`,
        allowed: 'at most 1024 characters',
      },
      {
        name: 'global() as its subject',
        change: p => (p.spec.selector = 'global()'),
        path: 'spec.selector',
        value: 'global()',
        allowed: 'without global()',
      },
      {
        name: 'global() of service accounts',
        change: p => (p.spec.serviceAccountSelector = 'global()'),
        path: 'spec.serviceAccountSelector',
        value: 'global()',
        allowed: 'without global()',
      },
      {
        name: 'a type that is none',
        change: p => (p.spec.types = untyped(['ingress'])),
        path: 'spec.types[0]',
        value: 'ingress',
        allowed: '"Ingress", "Egress"',
      },
      {
        name: 'a type twice',
        change: p => (p.spec.types = ['Ingress', 'Ingress']),
        path: 'spec.types[1]',
        value: 'Ingress',
        allowed: 'only once',
      },
      {
        name: 'a hint that is none',
        change: p => (p.spec.performanceHints = untyped(['Fast'])),
        path: 'spec.performanceHints[0]',
        value: 'Fast',
        allowed: '"AssumeNeededOnEveryNode"',
      },
      {
        name: 'an order in words',
        change: p => (p.spec.order = untyped('first')),
        path: 'spec.order',
        value: 'first',
        allowed: 'a number',
      },
      {
        name: 'a rule without an action',
        change: p => (p.spec.ingress = untyped([{}])),
        path: 'spec.ingress[0].action',
        allowed: '"Allow", "Deny", "Log", "Pass"',
      },
      {
        name: 'too many rules',
        change: p => (p.spec.ingress = Array(1025).fill(allow)),
        path: 'spec.ingress',
        value: 1025,
        allowed: 'at most 1024',
      },
      {
        name: 'a protocol in small letters',
        change: ingress({ protocol: 'tcp' }),
        path: 'spec.ingress[0].protocol',
        value: 'tcp',
        allowed: 'TCP, UDP, ICMP',
      },
      {
        name: 'protocol 0',
        change: ingress({ protocol: 0 }),
        path: 'spec.ingress[0].protocol',
        value: 0,
        allowed: 'from 1 to 255',
      },
      {
        name: 'IP version 5',
        change: ingress({ ipVersion: 5 }),
        path: 'spec.ingress[0].ipVersion',
        value: 5,
        allowed: '4, 6',
      },
      {
        name: 'ICMP over IPv6',
        change: ingress({ protocol: 'ICMP', ipVersion: 6 }),
        path: 'spec.ingress[0].ipVersion',
        value: 6,
        allowed: 'must be 4 when protocol is "ICMP"',
      },
      {
        name: 'not ICMPv6 over IPv4',
        change: ingress({ notProtocol: 58, ipVersion: 4 }),
        path: 'spec.ingress[0].ipVersion',
        value: 4,
        allowed: 'must be 6 when notProtocol is 58',
      },
      {
        name: 'an ICMP code without a type',
        change: ingress({ protocol: 'ICMP', icmp: { code: 0 } }),
        path: 'spec.ingress[0].icmp.type',
        allowed: 'a code needs a type',
      },
      {
        name: 'a not-ICMP code without a type',
        change: ingress({ notICMP: { code: 0 } }),
        path: 'spec.ingress[0].notICMP.type',
        allowed: 'a code needs a type',
      },
      {
        name: 'ICMP type 255',
        change: ingress({ protocol: 'ICMP', icmp: { type: 255 } }),
        path: 'spec.ingress[0].icmp.type',
        value: 255,
        allowed: 'from 0 to 254',
      },
      {
        name: 'icmp of TCP',
        change: ingress({ protocol: 'TCP', icmp: { type: 8 } }),
        path: 'spec.ingress[0].protocol',
        value: 'TCP',
        allowed: 'must be ICMP or ICMPv6',
      },
      {
        name: 'a port number without a protocol',
        change: ingress({ destination: { ports: ['http', 80] } }),
        path: 'spec.ingress[0].destination.ports[1]',
        value: 80,
        allowed: 'TCP, UDP or SCTP',
      },
      {
        name: 'ports of ICMP',
        change: ingress({ protocol: 'ICMP', destination: { notPorts: ['http'] } }),
        path: 'spec.ingress[0].destination.notPorts',
        value: ['http'],
        allowed: 'TCP, UDP or SCTP; protocol is "ICMP"',
      },
      {
        name: 'a range the wrong way',
        change: ingress({ protocol: 'TCP', source: { ports: ['90:80'] } }),
        path: 'spec.ingress[0].source.ports[0]',
        value: '90:80',
        allowed: 'from 1 to 65535, a range "first:last"',
      },
      {
        name: 'port 65536',
        change: ingress({ protocol: 'TCP', source: { ports: [65536] } }),
        path: 'spec.ingress[0].source.ports[0]',
        value: 65536,
        allowed: 'from 1 to 65535',
      },
      {
        name: 'too many ports',
        change: ingress({ protocol: 'TCP', source: { ports: Array.from({ length: 51 }, (_, i) => i + 1) } }),
        path: 'spec.ingress[0].source.ports',
        value: 51,
        allowed: 'at most 50',
      },
      {
        name: 'a bare address in nets',
        change: ingress({ source: { nets: ['10.0.0.0/8', '10.0.0.1'] } }),
        path: 'spec.ingress[0].source.nets[1]',
        value: '10.0.0.1',
        allowed: 'as in "10.0.0.1/32"',
      },
      {
        name: 'host bits in nets',
        change: ingress({ source: { nets: ['10.0.0.1/8'] } }),
        path: 'spec.ingress[0].source.nets[0]',
        value: '10.0.0.1/8',
        allowed: 'as in "10.0.0.0/8"',
      },
      {
        name: 'everything in notNets',
        change: ingress({ source: { notNets: ['::/0'] } }),
        path: 'spec.ingress[0].source.notNets[0]',
        value: '::/0',
        allowed: 'a prefix length of at least 1',
      },
      {
        name: 'nets against ipVersion',
        change: ingress({ ipVersion: 6, destination: { nets: ['10.0.0.0/8'] } }),
        path: 'spec.ingress[0].destination.nets[0]',
        value: '10.0.0.0/8',
        allowed: 'must be IPv6',
      },
      {
        name: 'nets of both families',
        change: ingress({ source: { nets: ['10.0.0.0/8'] }, destination: { notNets: ['fd00::/8'] } }),
        path: 'spec.ingress[0].destination.notNets[0]',
        value: 'fd00::/8',
        allowed: 'must be IPv4 like "10.0.0.0/8"',
      },
      {
        name: 'global() inside a selector',
        change: ingress({ source: { selector: "global() || a == 'b'" } }),
        path: 'spec.ingress[0].source.selector',
        value: "global() || a == 'b'",
        allowed: 'without global()',
      },
      {
        name: 'global() among other terms',
        change: ingress({ source: { namespaceSelector: "global() || a == 'b'" } }),
        path: 'spec.ingress[0].source.namespaceSelector',
        value: "global() || a == 'b'",
        allowed: 'global() must be the whole selector',
      },
      {
        name: 'a service without a name',
        change: ingress({ source: { services: { name: '' } } }),
        path: 'spec.ingress[0].source.services.name',
        allowed: 'the name of a service',
      },
      {
        name: 'a service as destination of ingress',
        change: ingress({ destination: { services: { name: 'web' } } }),
        path: 'spec.ingress[0].destination.services',
        value: { name: 'web' },
        allowed: 'only in the source of ingress rules',
      },
      {
        name: 'a service as source of egress',
        change: egress({ source: { services: { name: 'web' } } }),
        path: 'spec.egress[0].source.services',
        value: { name: 'web' },
        allowed: 'only in the destination of egress rules',
      },
      ...(['selector', 'notSelector', 'namespaceSelector'] as const).map(field => ({
        name: `a service with ${field}`,
        change: ingress({ source: { services: { name: 'web' }, [field]: 'all()' } }),
        path: `spec.ingress[0].source.${field}`,
        value: 'all()',
        allowed: 'cannot be combined with services',
      })),
      ...(['nets', 'notNets'] as const).map(field => ({
        name: `a service with ${field}`,
        change: ingress({ source: { services: { name: 'web' }, [field]: ['10.0.0.0/8'] } }),
        path: `spec.ingress[0].source.${field}`,
        value: ['10.0.0.0/8'],
        allowed: 'cannot be combined with services',
      })),
      {
        name: 'a service with service accounts',
        change: ingress({ source: { services: { name: 'web' }, serviceAccounts: { names: ['a'] } } }),
        path: 'spec.ingress[0].source.serviceAccounts',
        value: { names: ['a'] },
        allowed: 'cannot be combined with services',
      },
      ...(['ports', 'notPorts'] as const).map(field => ({
        name: `a destination service with ${field}`,
        change: egress({ protocol: 'TCP', destination: { services: { name: 'web' }, [field]: [80] } }),
        path: `spec.egress[0].destination.${field}`,
        value: [80],
        allowed: 'cannot be combined with services',
      })),
      {
        name: 'HTTP in a Deny rule',
        change: ingress({ action: 'Deny', http: { methods: ['GET'] } }),
        path: 'spec.ingress[0].action',
        value: 'Deny',
        allowed: 'must be "Allow"',
      },
      {
        name: 'HTTP over UDP',
        change: ingress({ protocol: 'UDP', http: { methods: ['GET'] } }),
        path: 'spec.ingress[0].protocol',
        value: 'UDP',
        allowed: 'must be TCP',
      },
      {
        name: 'HTTP in egress',
        change: egress({ http: { methods: ['GET'] } }),
        path: 'spec.egress[0].http',
        value: { methods: ['GET'] },
        allowed: 'ingress rules only',
      },
      {
        name: 'a method twice',
        change: ingress({ http: { methods: ['GET', 'GET'] } }),
        path: 'spec.ingress[0].http.methods[1]',
        value: 'GET',
        allowed: 'only once',
      },
      {
        name: 'a path both exact and prefix',
        change: ingress({ http: { paths: [{ exact: '/a', prefix: '/a' }] } }),
        path: 'spec.ingress[0].http.paths[0]',
        value: { exact: '/a', prefix: '/a' },
        allowed: 'exactly one of exact and prefix',
      },
      {
        name: 'a path with a query',
        change: ingress({ http: { paths: [{ prefix: '/a?b' }] } }),
        path: 'spec.ingress[0].http.paths[0].prefix',
        value: '/a?b',
        allowed: 'must start with "/"',
      },
      {
        name: 'a path twice',
        change: ingress({ http: { paths: [{ prefix: '/a' }, { prefix: '/a' }] } }),
        path: 'spec.ingress[0].http.paths[1]',
        value: { prefix: '/a' },
        allowed: 'only once',
      },
    ],
  ),
)('$name', ({ got, want }) => {
  expect(got()).toEqual(want);
});

test.each(
  validationCases<GlobalNetworkPolicy>(
    GlobalNetworkPolicy,
    [
      { name: 'the example', change: () => {} },
      { name: 'an untracked policy', change: p => Object.assign(p.spec, { doNotTrack: true, applyOnForward: true }) },
      {
        name: 'a policy before DNAT',
        change: p => Object.assign(p.spec, { preDNAT: true, applyOnForward: true, egress: [], types: ['Ingress'] }),
      },
      {
        name: 'a service with its namespace',
        change: egress({ destination: { services: { name: 'web', namespace: 'a' } } }),
      },
    ],
    [
      {
        name: 'a converted name',
        change: named('knp.default.web'),
        path: 'metadata.name',
        value: 'knp.default.web',
        allowed: 'two joined by one "."',
      },
      {
        name: 'global() of namespaces',
        change: p => (p.spec.namespaceSelector = 'global()'),
        path: 'spec.namespaceSelector',
        value: 'global()',
        allowed: 'without global()',
      },
      {
        name: 'both untracked and before DNAT',
        change: p =>
          Object.assign(p.spec, {
            doNotTrack: true,
            preDNAT: true,
            applyOnForward: true,
            egress: [],
            types: ['Ingress'],
          }),
        path: 'spec.preDNAT',
        value: true,
        allowed: 'must be false when doNotTrack is true',
      },
      {
        name: 'egress rules before DNAT',
        change: p =>
          Object.assign(p.spec, { preDNAT: true, applyOnForward: true, egress: [allow], types: ['Ingress'] }),
        path: 'spec.egress',
        value: [allow],
        allowed: 'no egress rules',
      },
      {
        name: 'egress before DNAT',
        change: p => Object.assign(p.spec, { preDNAT: true, applyOnForward: true, egress: [] }),
        path: 'spec.types',
        value: ['Egress'],
        allowed: '["Ingress"] when preDNAT is true',
      },
      {
        name: 'an untracked policy not on forward',
        change: p => Object.assign(p.spec, { doNotTrack: true }),
        path: 'spec.applyOnForward',
        allowed: 'must be true when doNotTrack is true',
      },
      {
        name: 'a service without its namespace',
        change: egress({ destination: { services: { name: 'web' } } }),
        path: 'spec.egress[0].destination.services.namespace',
        allowed: 'must name the namespace',
      },
    ],
  ),
)('$name', ({ got, want }) => {
  expect(got()).toEqual(want);
});
