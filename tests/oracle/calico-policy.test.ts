import { describe, expect, test } from 'bun:test';
import { calico, global, namespace, networkSet, pod, serviceAccount } from './fixture.ts';
import { oracleOf } from './oracle.ts';
import type { Packet, Place } from './packet.ts';
import type { CalicoRule, RawResource } from './resources.ts';

/**
 * Three namespaces; accounts `ops` (senior) and `dev` (junior) in shop. `shop/db` is the pod that the policies guard.
 * Sets: partners 203.0.113.0/25 in the shop, suppliers 203.0.113.128/25 in the bank, attackers 198.51.100.0/24 global.
 */
const cluster: RawResource[] = [
  namespace('shop', { team: 'red' }),
  namespace('bank', { team: 'blue' }),
  namespace('lab'),
  serviceAccount('shop/ops', { rank: 'senior' }),
  serviceAccount('shop/dev', { rank: 'junior' }),
  serviceAccount('bank/ops', { rank: 'senior' }),
  pod(
    'shop/db',
    '10.1.0.1,fd00::1',
    { app: 'db' },
    {
      account: 'ops',
      ports: [
        { name: 'sql', containerPort: 5432 },
        { name: 'dns', containerPort: 53, protocol: 'UDP' },
        { name: 'dns', containerPort: 5353, protocol: 'TCP' },
        { containerPort: 9000 },
      ],
    },
  ),
  pod('shop/web', '10.1.0.2,fd00::2', { app: 'web', zone: 'eu-1' }, { account: 'ops' }),
  pod('shop/job', '10.1.0.3', { app: 'job', 'pcns.team': 'blue' }, { account: 'dev' }),
  pod('bank/web', '10.1.0.17', { app: 'web' }, { account: 'ops' }),
  pod('lab/web', '10.1.0.33', { app: 'web' }),
  pod('shop/robot', '10.1.0.70', { app: 'robot' }),
  networkSet('shop/range', { kind: 'range' }, ['10.1.0.64/28']),
  networkSet('bank/range', { kind: 'range' }, ['10.1.0.64/28']),
  networkSet('shop/db-range', { kind: 'db-range' }, ['10.1.0.1/32']),
  networkSet('shop/partners', { trust: 'yes' }, ['203.0.113.0/25']),
  networkSet('bank/suppliers', { trust: 'yes' }, ['203.0.113.128/25']),
  networkSet('attackers', { trust: 'no' }, ['198.51.100.0/24', '198.18.0.7']),
];

const place = (text: string): Place => (text.includes('/') ? { pod: text } : { ip: text });
const to = (source: string, port: number, more: Partial<Packet> = {}): Packet => ({
  source: place(source),
  destination: place('shop/db'),
  protocol: 6,
  sourcePort: 40000,
  destinationPort: port,
  ...more,
});
const ping = (source: string, type: number, code = 0): Packet => ({
  source: place(source),
  destination: place('shop/db'),
  protocol: 1,
  icmpType: type,
  icmpCode: code,
});
const web = (more: Partial<Packet> = {}): Packet => to('shop/web', 80, more);
const partner = '203.0.113.5';
const supplier = '203.0.113.200';
const attacker = '198.51.100.9';
const stranger = '192.0.2.9';

interface Case {
  name: string;
  rule: Omit<CalicoRule, 'action'>;
  matched: Packet[];
  unmatched: Packet[];
}

/** Rules of a policy in namespace shop that guards shop/db's ingress: what they match, what they do not. */
const namespaced: Case[] = [
  {
    name: 'a rule without criteria matches everything',
    rule: {},
    matched: [web(), to(stranger, 1), ping('lab/web', 8)],
    unmatched: [],
  },
  {
    name: 'a selector means pods and network sets of the policy namespace',
    rule: { source: { selector: `app == 'web' || trust == 'yes'` } },
    matched: [web(), to(partner, 80)],
    unmatched: [to('shop/job', 80), to('bank/web', 80), to(supplier, 80), to(stranger, 80)],
  },
  {
    name: 'the selector all() means no unknown address',
    rule: { source: { selector: 'all()' } },
    matched: [web(), to('shop/job', 80), to(partner, 80)],
    unmatched: [to('bank/web', 80), to(attacker, 80), to(stranger, 80)],
  },
  {
    name: 'a namespaceSelector widens it to the namespaces selected',
    rule: { source: { selector: `app == 'web'`, namespaceSelector: `team in {'red', 'blue'}` } },
    matched: [web(), to('bank/web', 80)],
    unmatched: [to('shop/job', 80), to('lab/web', 80), to(supplier, 80)],
  },
  {
    name: 'a namespaceSelector alone means everything in these namespaces',
    rule: { source: { namespaceSelector: `projectcalico.org/name == 'bank'` } },
    matched: [to('bank/web', 80), to(supplier, 80)],
    unmatched: [web(), to(partner, 80), to(attacker, 80), to(stranger, 80)],
  },
  {
    name: 'namespaceSelector all() means everything that has a namespace',
    rule: { source: { namespaceSelector: 'all()' } },
    matched: [web(), to('lab/web', 80), to(partner, 80), to(supplier, 80)],
    unmatched: [to(attacker, 80), to(stranger, 80)],
  },
  {
    name: 'namespaceSelector global() means what has none',
    rule: { source: { selector: 'has(trust)', namespaceSelector: 'global()' } },
    matched: [to(attacker, 80), to('198.18.0.7', 80)],
    unmatched: [web(), to(partner, 80), to(supplier, 80), to(stranger, 80)],
  },
  {
    name: 'a negative namespaceSelector holds of what has no namespace labels at all',
    rule: { source: { namespaceSelector: `team != 'red'` } },
    matched: [to('bank/web', 80), to('lab/web', 80), to(attacker, 80)],
    unmatched: [web(), to(partner, 80), to(stranger, 80)],
  },
  {
    name: 'a notSelector alone stays in the policy namespace',
    rule: { source: { notSelector: `app == 'web'` } },
    matched: [to('shop/job', 80), to(partner, 80)],
    unmatched: [web(), to('bank/web', 80), to(stranger, 80)],
  },
  {
    name: 'selector and notSelector must both hold',
    rule: { source: { selector: 'has(app)', notSelector: `app == 'web'` } },
    matched: [to('shop/job', 80)],
    unmatched: [web(), to(partner, 80)],
  },
  {
    name: 'selector and notSelector speak of one thing: a network set around a pod neither lends nor takes labels',
    rule: { source: { selector: `app == 'robot'`, notSelector: '!has(app)' } },
    matched: [to('shop/robot', 80)],
    unmatched: [to('198.51.100.1', 80)],
  },
  {
    name: 'selectors of one end must hold of one thing, not of several that share the address',
    rule: { source: { selector: `app == 'robot'`, namespaceSelector: `team == 'blue'` } },
    matched: [],
    unmatched: [to('shop/robot', 80)],
  },
  {
    name: 'nets know no namespaces',
    rule: { source: { nets: ['10.1.0.16/28', '192.0.2.0/24'] } },
    matched: [to('bank/web', 80), to(stranger, 80)],
    unmatched: [web(), to('lab/web', 80), to(partner, 80)],
  },
  {
    name: 'nets and selector must both hold',
    rule: { source: { nets: ['10.1.0.2/31'], selector: `app == 'web'` } },
    matched: [web()],
    unmatched: [to('shop/job', 80), to('bank/web', 80)],
  },
  {
    name: 'notNets exclude every listed block',
    rule: { source: { notNets: ['10.1.0.0/28', '192.0.2.0/25'] } },
    matched: [to('bank/web', 80), to('192.0.2.128', 80)],
    unmatched: [web(), to(stranger, 80)],
  },
  {
    name: 'service accounts by name, in the policy namespace',
    rule: { source: { serviceAccounts: { names: ['ops'] } } },
    matched: [web()],
    unmatched: [to('shop/job', 80), to('bank/web', 80), to(partner, 80)],
  },
  {
    name: 'service accounts by label, in namespaces selected',
    rule: { source: { serviceAccounts: { selector: `rank == 'senior'` }, namespaceSelector: 'all()' } },
    matched: [web(), to('bank/web', 80)],
    unmatched: [to('shop/job', 80), to('lab/web', 80)],
  },
  {
    name: 'service accounts by name and label must both hold',
    rule: { source: { serviceAccounts: { names: ['ops', 'dev'], selector: `rank == 'junior'` } } },
    matched: [to('shop/job', 80)],
    unmatched: [web()],
  },
  {
    name: 'selectors see the automatic labels and those of the namespace and account',
    rule: {
      source: {
        selector: `projectcalico.org/serviceaccount == 'ops' && pcns.team == 'red' && pcsa.rank == 'senior' && projectcalico.org/orchestrator == 'k8s'`,
      },
    },
    matched: [web()],
    unmatched: [to('shop/job', 80), to(partner, 80)],
  },
  {
    name: 'a pod cannot claim a label of its namespace',
    rule: { source: { selector: `pcns.team == 'blue'` } },
    matched: [],
    unmatched: [to('shop/job', 80), web()],
  },
  {
    name: 'protocol by name or number',
    rule: { protocol: 'UDP' },
    matched: [web({ protocol: 17 })],
    unmatched: [web(), web({ protocol: 132 }), ping('shop/web', 8)],
  },
  { name: 'protocol by number', rule: { protocol: 132 }, matched: [web({ protocol: 132 })], unmatched: [web()] },
  {
    name: 'notProtocol',
    rule: { notProtocol: 'TCP' },
    matched: [web({ protocol: 17 }), ping('shop/web', 8)],
    unmatched: [web()],
  },
  {
    name: 'ports: numbers and ranges with both ends, any of them',
    rule: { protocol: 'TCP', destination: { ports: [80, '8000:8002'] } },
    matched: [80, 8000, 8001, 8002].map(port => to('shop/web', port)),
    unmatched: [...[79, 81, 7999, 8003].map(port => to('shop/web', port)), web({ protocol: 17 })],
  },
  {
    name: 'notPorts: none of them',
    rule: { protocol: 'TCP', destination: { notPorts: [80, '8000:8002'] } },
    matched: [to('shop/web', 79), to('shop/web', 8003)],
    unmatched: [to('shop/web', 80), to('shop/web', 8001), to('shop/web', 79, { protocol: 17 })],
  },
  {
    name: 'source ports',
    rule: { protocol: 'TCP', source: { ports: ['1:1023'] } },
    matched: [web({ sourcePort: 1023 })],
    unmatched: [web({ sourcePort: 1024 })],
  },
  {
    name: 'a named port is the pod port of that name and protocol',
    rule: { protocol: 'TCP', destination: { ports: ['sql', 'dns'] } },
    matched: [to('shop/web', 5432), to('shop/web', 5353)],
    unmatched: [to('shop/web', 53), to('shop/web', 5353, { protocol: 17 }), to('shop/web', 9000)],
  },
  {
    name: 'a named port is looked up on pods that the selectors mean, not on others that share the address',
    rule: { protocol: 'TCP', destination: { selector: `kind == 'db-range'`, ports: ['sql', 443] } },
    matched: [to('shop/web', 443)],
    unmatched: [to('shop/web', 5432)],
  },
  {
    name: 'a named port without protocol brings its own',
    rule: { destination: { ports: ['dns'] } },
    matched: [to('shop/web', 5353), to('shop/web', 53, { protocol: 17 })],
    unmatched: [to('shop/web', 53), to('shop/web', 5353, { protocol: 17 }), ping('shop/web', 8)],
  },
  {
    name: 'a named port among notPorts',
    rule: { protocol: 'TCP', destination: { notPorts: ['sql'] } },
    matched: [to('shop/web', 5433)],
    unmatched: [to('shop/web', 5432)],
  },
  {
    name: 'ICMP by type',
    rule: { protocol: 'ICMP', icmp: { type: 8 } },
    matched: [ping('shop/web', 8), ping('shop/web', 8, 3)],
    unmatched: [ping('shop/web', 0), web()],
  },
  {
    name: 'ICMP by type and code',
    rule: { protocol: 'ICMP', icmp: { type: 3, code: 4 } },
    matched: [ping('shop/web', 3, 4)],
    unmatched: [ping('shop/web', 3, 1)],
  },
  {
    name: 'notICMP',
    rule: { protocol: 'ICMP', notICMP: { type: 8 } },
    matched: [ping('shop/web', 13)],
    unmatched: [ping('shop/web', 8), web()],
  },
  {
    name: 'ipVersion',
    rule: { ipVersion: 6 },
    matched: [web({ ipVersion: 6 })],
    unmatched: [web()],
  },
  {
    name: 'nets of one family make it a rule of that family',
    rule: { source: { notNets: ['fd00::ff00/120'] } },
    matched: [web({ ipVersion: 6 })],
    unmatched: [web()],
  },
  {
    name: 'criteria of both ends must hold',
    rule: { source: { selector: `app == 'web'` }, destination: { selector: `app == 'db'`, nets: ['10.1.0.1/32'] } },
    matched: [web()],
    unmatched: [to('shop/job', 80)],
  },
];

/** Rules of a GlobalNetworkPolicy that guards shop/db's ingress. */
const global_: Case[] = [
  {
    name: 'a selector means pods and network sets of every namespace and of none',
    rule: { source: { selector: `app == 'web' || has(trust)` } },
    matched: [web(), to('bank/web', 80), to('lab/web', 80), to(partner, 80), to(supplier, 80), to(attacker, 80)],
    unmatched: [to('shop/job', 80), to(stranger, 80)],
  },
  {
    name: 'a notSelector holds of unknown addresses',
    rule: { source: { notSelector: `app == 'web'` } },
    matched: [to(stranger, 80), to('shop/job', 80), to(attacker, 80)],
    unmatched: [web(), to('bank/web', 80)],
  },
  {
    name: 'a notSelector alone asks everything that has the address',
    rule: { source: { notSelector: `kind == 'range'` } },
    matched: [web(), to(stranger, 80)],
    unmatched: [to('shop/robot', 80), to('10.1.0.71', 80)],
  },
  {
    name: 'service account names in every namespace',
    rule: { source: { serviceAccounts: { names: ['ops'] } } },
    matched: [web(), to('bank/web', 80)],
    unmatched: [to('shop/job', 80), to('lab/web', 80), to(stranger, 80)],
  },
  {
    name: 'a namespace by its label on the pod',
    rule: { source: { selector: `projectcalico.org/namespace == 'bank'` } },
    matched: [to('bank/web', 80), to(supplier, 80)],
    unmatched: [web(), to(attacker, 80)],
  },
];

describe('a rule of a Calico NetworkPolicy', () => {
  for (const { name, rule, matched, unmatched } of namespaced) {
    test(name, () => {
      const spec = { selector: `app == 'db'`, types: ['Ingress' as const] };
      expectMatches(rule, r => calico('shop/policy', { ...spec, ingress: [r] }), matched, unmatched);
    });
  }
});

describe('a rule of a GlobalNetworkPolicy', () => {
  for (const { name, rule, matched, unmatched } of global_) {
    test(name, () => {
      const spec = { selector: `app == 'db'`, types: ['Ingress' as const] };
      expectMatches(rule, r => global('policy', { ...spec, ingress: [r] }), matched, unmatched);
    });
  }
});

/** The rule with Allow lets through what it matches and nothing else. */
function expectMatches(
  rule: Omit<CalicoRule, 'action'>,
  policy: (rule: CalicoRule) => RawResource,
  matched: Packet[],
  unmatched: Packet[],
): void {
  const allowing = oracleOf([...cluster, policy({ ...rule, action: 'Allow' })]);
  const verdicts = (packets: Packet[]) => packets.map(packet => allowing.judge(packet).verdict);
  expect(verdicts(matched)).toEqual(matched.map(() => 'allow'));
  expect(verdicts(unmatched)).toEqual(unmatched.map(() => 'deny'));
}

describe('services in rules', () => {
  const slice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { namespace: 'shop', name: 'sql-1', labels: { 'kubernetes.io/service-name': 'sql' } },
    endpoints: [{ addresses: ['10.1.0.1'], conditions: { ready: false } }],
    ports: [{ port: 5432 }, { name: 'nothing' }],
  };

  test('as an egress destination they mean address, port and protocol, ready or not', () => {
    const egress: CalicoRule[] = [{ action: 'Allow', destination: { services: { name: 'sql' } } }];
    const oracle = oracleOf([
      ...cluster,
      slice,
      calico('shop/p', { selector: `app == 'web'`, types: ['Egress'], egress }),
    ]);
    expect(oracle.judge(to('shop/web', 5432)).verdict).toBe('allow');
    expect(oracle.judge(to('shop/web', 5433)).verdict).toBe('deny');
    expect(oracle.judge(to('shop/web', 5432, { protocol: 17 })).verdict).toBe('deny');
  });

  test('as an ingress source they mean addresses', () => {
    const ingress: CalicoRule[] = [{ action: 'Allow', source: { services: { name: 'sql', namespace: 'shop' } } }];
    const oracle = oracleOf([
      ...cluster,
      slice,
      global('p', { selector: `app == 'web'`, types: ['Ingress'], ingress }),
    ]);
    const packet = { ...web(), source: place('shop/db'), destination: place('shop/web') };
    expect(oracle.judge(packet).verdict).toBe('allow');
    expect(oracle.judge({ ...packet, source: place('shop/job') }).verdict).toBe('deny');
  });
});
