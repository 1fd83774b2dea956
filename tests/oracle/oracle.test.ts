import { describe, expect, test } from 'bun:test';
import { calico, global, kubernetes, namespace, node, pod, serviceAccount, tier } from './fixture.ts';
import { oracleOf } from './oracle.ts';
import type { Packet, Place } from './packet.ts';
import type { CalicoPolicySpec, CalicoRule, RawResource } from './resources.ts';

const cluster: RawResource[] = [
  namespace('shop', { team: 'red' }),
  namespace('bank', { team: 'blue' }),
  serviceAccount('shop/ops', { rank: 'senior' }),
  pod('shop/web', '10.1.0.1', { app: 'web' }, { account: 'ops' }),
  pod('shop/job', '10.1.0.2', { app: 'job' }),
  pod('bank/web', '10.1.0.17', { app: 'web' }, { node: 'node-2' }),
  node('node-1', '172.16.0.1', { 'projectcalico.org/IPv4VXLANTunnelAddr': '10.1.0.0' }),
  node('node-2', '172.16.0.2', { 'projectcalico.org/IPv4Address': '172.17.0.2/24' }),
];
const place = (text: string): Place => (text.includes('/') ? { pod: text } : { ip: text });
const packet = (from: string, to: string, more: Partial<Packet> = {}): Packet => ({
  source: place(from),
  destination: place(to),
  protocol: 6,
  sourcePort: 40000,
  destinationPort: 80,
  ...more,
});
const intoWeb = packet('shop/job', 'shop/web');
const allow: CalicoRule = { action: 'Allow' };
const deny: CalicoRule = { action: 'Deny' };
const pass: CalicoRule = { action: 'Pass' };
const log: CalicoRule = { action: 'Log' };
const onWeb = (ingress: CalicoRule[], more: CalicoPolicySpec = {}): CalicoPolicySpec => ({
  selector: `app == 'web'`,
  types: ['Ingress'],
  ingress,
  ...more,
});

describe('tiers, orders and actions', () => {
  const first = tier('first', 1);
  const soft = tier('soft', 2, 'Pass');
  const cases: { name: string; with: RawResource[]; verdict: 'allow' | 'deny'; by: string }[] = [
    { name: 'no policy at all allows', with: [], verdict: 'allow', by: 'no policy governs it' },
    {
      name: 'a policy without a matching rule denies by its tier',
      with: [global('a', onWeb([]))],
      verdict: 'deny',
      by: 'tier default governs it',
    },
    {
      name: 'the first matching rule settles',
      with: [global('a', onWeb([deny, allow]))],
      verdict: 'deny',
      by: 'rule 0 of GlobalNetworkPolicy a',
    },
    {
      name: 'Log goes on to the next rule',
      with: [global('a', onWeb([log, allow]))],
      verdict: 'allow',
      by: 'rule 1 of',
    },
    {
      name: 'Log alone settles nothing',
      with: [global('a', onWeb([log]))],
      verdict: 'deny',
      by: 'tier default governs it',
    },
    {
      name: 'lower order first',
      with: [global('a', onWeb([allow], { order: 2 })), global('b', onWeb([deny], { order: 1.5 }))],
      verdict: 'deny',
      by: 'GlobalNetworkPolicy b',
    },
    {
      name: 'no order goes last',
      with: [global('a', onWeb([deny])), global('b', onWeb([allow], { order: 1e9 }))],
      verdict: 'allow',
      by: 'GlobalNetworkPolicy b',
    },
    {
      name: 'equal orders by name',
      with: [global('b', onWeb([deny], { order: 5 })), global('a', onWeb([allow], { order: 5 }))],
      verdict: 'allow',
      by: 'GlobalNetworkPolicy a',
    },
    {
      name: 'equal orders and names by namespace: none before some',
      with: [calico('shop/a', onWeb([deny], { order: 5 })), global('a', onWeb([allow], { order: 5 }))],
      verdict: 'allow',
      by: 'GlobalNetworkPolicy a',
    },
    {
      name: 'a Kubernetes policy at order 1000 allows before a later Calico policy denies',
      with: [global('a', onWeb([deny], { order: 1001 })), kubernetes('shop/k', { podSelector: {}, ingress: [{}] })],
      verdict: 'allow',
      by: 'KubernetesNetworkPolicy shop/k',
    },
    {
      name: 'a Calico policy at a lower order denies before a Kubernetes policy allows',
      with: [global('z', onWeb([deny], { order: 999 })), kubernetes('shop/k', { podSelector: {}, ingress: [{}] })],
      verdict: 'deny',
      by: 'GlobalNetworkPolicy z',
    },
    {
      name: 'a Calico policy after a Kubernetes policy may still allow what that one does not',
      with: [global('z', onWeb([allow], { order: 1001 })), kubernetes('shop/k', { podSelector: {} })],
      verdict: 'allow',
      by: 'GlobalNetworkPolicy z',
    },
    {
      name: 'at order 1000 too, names decide between Calico and Kubernetes policies',
      with: [global('z', onWeb([deny], { order: 1000 })), kubernetes('shop/k', { podSelector: {}, ingress: [{}] })],
      verdict: 'allow',
      by: 'KubernetesNetworkPolicy shop/k',
    },
    {
      name: 'an earlier tier settles before a later one',
      with: [first, global('a', onWeb([deny], { tier: 'first' })), global('b', onWeb([allow], { order: 0 }))],
      verdict: 'deny',
      by: 'tier first',
    },
    {
      name: 'the end of an earlier tier denies',
      with: [first, global('a', onWeb([], { tier: 'first' })), global('b', onWeb([allow]))],
      verdict: 'deny',
      by: 'tier first governs it',
    },
    {
      name: 'a tier none of whose policies governs the pod is skipped',
      with: [first, global('a', onWeb([], { tier: 'first', selector: `app == 'job'` })), global('b', onWeb([allow]))],
      verdict: 'allow',
      by: 'GlobalNetworkPolicy b',
    },
    {
      name: 'Pass skips the rest of the tier, other policies included',
      with: [
        first,
        global('a', onWeb([pass, deny], { tier: 'first', order: 1 })),
        global('b', onWeb([deny], { tier: 'first', order: 2 })),
        global('c', onWeb([allow])),
      ],
      verdict: 'allow',
      by: 'GlobalNetworkPolicy c',
    },
    {
      name: 'Pass in the last tier that governs the pod allows',
      with: [first, global('a', onWeb([pass], { tier: 'first' }))],
      verdict: 'allow',
      by: 'every tier passed it on',
    },
    {
      name: 'the end of a tier with default action Pass goes on',
      with: [soft, global('a', onWeb([], { tier: 'soft' })), global('b', onWeb([deny]))],
      verdict: 'deny',
      by: 'GlobalNetworkPolicy b',
    },
    {
      name: 'the end of a tier with default action Pass, and nothing after it, allows',
      with: [soft, global('a', onWeb([], { tier: 'soft' }))],
      verdict: 'allow',
      by: 'every tier passed it on',
    },
    {
      name: 'kube-baseline comes after default and passes at its end',
      with: [global('a', onWeb([deny], { tier: 'kube-baseline', order: 1 })), global('b', onWeb([pass], { order: 2 }))],
      verdict: 'deny',
      by: 'GlobalNetworkPolicy a',
    },
    {
      name: 'staged policies change nothing',
      with: [{ ...global('a', onWeb([deny])), kind: 'StagedGlobalNetworkPolicy' }],
      verdict: 'allow',
      by: 'no policy governs it',
    },
    {
      name: 'untracked and pre-DNAT policies do not concern pods',
      with: [
        global('a', onWeb([deny], { doNotTrack: true, applyOnForward: true })),
        global('b', onWeb([deny], { preDNAT: true, applyOnForward: true })),
      ],
      verdict: 'allow',
      by: 'no policy governs it',
    },
    {
      name: 'a policy for forwarded traffic still concerns pods',
      with: [global('a', onWeb([deny], { applyOnForward: true }))],
      verdict: 'deny',
      by: 'GlobalNetworkPolicy a',
    },
  ];
  for (const { name, with: policies, verdict, by } of cases) {
    test(name, () => {
      for (const order of [policies, [...policies].reverse()]) {
        const answer = oracleOf([...cluster, ...order]).judge(intoWeb);
        expect(answer.verdict).toBe(verdict);
        expect(answer.reason).toContain(by);
      }
    });
  }

  test('a policy in a tier that does not exist is refused', () => {
    expect(() => oracleOf([global('a', onWeb([], { tier: 'gone' }))])).toThrow('tier is "gone"');
  });
});

describe('whom a policy governs', () => {
  const into = (name: string): Packet => packet('shop/job', name);
  const cases: { name: string; policy: RawResource; governed: Packet[]; free: Packet[] }[] = [
    {
      name: 'a namespaced policy only its own namespace',
      policy: calico('shop/a', { selector: 'all()' }),
      governed: [intoWeb],
      free: [into('bank/web')],
    },
    {
      name: 'a global policy every namespace',
      policy: global('a', { selector: `app == 'web'` }),
      governed: [intoWeb, into('bank/web')],
      free: [],
    },
    {
      name: 'a namespaceSelector narrows it',
      policy: global('a', { namespaceSelector: `team == 'blue'` }),
      governed: [into('bank/web')],
      free: [intoWeb],
    },
    {
      name: 'a serviceAccountSelector narrows it',
      policy: global('a', { serviceAccountSelector: `rank == 'senior'` }),
      governed: [intoWeb],
      free: [into('bank/web')],
    },
    {
      name: 'serviceAccountSelector all() means pods that run as some account',
      policy: global('a', { serviceAccountSelector: 'all()' }),
      governed: [intoWeb],
      free: [into('bank/web')],
    },
    {
      name: 'selectors must hold together',
      policy: calico('shop/a', { selector: `app == 'job'`, serviceAccountSelector: `projectcalico.org/name == 'ops'` }),
      governed: [],
      free: [intoWeb, packet('shop/web', 'shop/job')],
    },
    {
      name: 'no types and no rules: ingress',
      policy: calico('shop/a', {}),
      governed: [intoWeb],
      free: [packet('shop/web', 'bank/web')],
    },
    {
      name: 'no types and egress rules: egress alone',
      policy: calico('shop/a', { egress: [deny] }),
      governed: [packet('shop/web', 'bank/web')],
      free: [packet('bank/web', 'shop/web')],
    },
    {
      name: 'no types and both kinds of rules: both',
      policy: calico('shop/a', { ingress: [deny], egress: [deny] }),
      governed: [packet('shop/web', 'bank/web'), packet('bank/web', 'shop/web')],
      free: [],
    },
    {
      name: 'types Egress: ingress rules are idle',
      policy: calico('shop/a', { types: ['Egress'], ingress: [deny], egress: [] }),
      governed: [packet('shop/web', 'bank/web')],
      free: [packet('bank/web', 'shop/web')],
    },
  ];
  for (const { name, policy, governed, free } of cases) {
    test(name, () => {
      const oracle = oracleOf([...cluster, policy]);
      expect(governed.map(each => oracle.judge(each).verdict)).toEqual(governed.map(() => 'deny'));
      expect(free.map(each => oracle.judge(each).verdict)).toEqual(free.map(() => 'allow'));
    });
  }
});

describe('ends that are not pods', () => {
  const closed = global('closed', { types: ['Ingress'], selector: 'all()' });
  const open = global('open', { types: ['Ingress', 'Egress'], selector: 'all()', ingress: [allow], egress: [allow] });
  const felix = (spec: object): RawResource => ({
    apiVersion: 'projectcalico.org/v3',
    kind: 'FelixConfiguration',
    metadata: { name: 'default' },
    spec,
  });
  const cases: { name: string; with: RawResource[]; packet: Packet; verdict: 'allow' | 'deny' }[] = [
    {
      name: 'a node reaches its own pods past every policy',
      with: [closed],
      packet: packet('172.16.0.1', 'shop/web'),
      verdict: 'allow',
    },
    {
      name: 'so it does from its tunnel address',
      with: [closed],
      packet: packet('10.1.0.0', 'shop/web'),
      verdict: 'allow',
    },
    {
      name: 'a node reaches pods of other nodes by policy',
      with: [closed],
      packet: packet('172.16.0.1', 'bank/web'),
      verdict: 'deny',
    },
    {
      name: 'a node address in the annotation counts',
      with: [closed],
      packet: packet('172.17.0.2', 'bank/web'),
      verdict: 'allow',
    },
    {
      name: 'an outside address reaches pods by policy',
      with: [closed],
      packet: packet('192.0.2.1', 'shop/web'),
      verdict: 'deny',
    },
    {
      name: 'a pod reaches its own node only if the configuration says so',
      with: [open],
      packet: packet('shop/web', '172.16.0.1'),
      verdict: 'deny',
    },
    {
      name: 'a pod reaches its own node with defaultEndpointToHostAction Accept',
      with: [felix({ defaultEndpointToHostAction: 'Accept' })],
      packet: packet('shop/web', '172.16.0.1'),
      verdict: 'allow',
    },
    {
      name: 'and with Return',
      with: [felix({ defaultEndpointToHostAction: 'Return' })],
      packet: packet('shop/web', '172.16.0.1'),
      verdict: 'allow',
    },
    {
      name: 'but never past its egress policy',
      with: [felix({ defaultEndpointToHostAction: 'Accept' }), global('a', { types: ['Egress'] })],
      packet: packet('shop/web', '172.16.0.1'),
      verdict: 'deny',
    },
    {
      name: 'a pod reaches another node by its egress policy alone',
      with: [],
      packet: packet('shop/web', '172.16.0.2'),
      verdict: 'allow',
    },
    {
      name: 'a pod reaches an outside address by its egress policy alone',
      with: [closed],
      packet: packet('shop/web', '192.0.2.1'),
      verdict: 'allow',
    },
    {
      name: 'a pod sends no VXLAN packets',
      with: [],
      packet: packet('shop/web', 'bank/web', { protocol: 17, destinationPort: 4789 }),
      verdict: 'deny',
    },
    {
      name: 'unless that is configured',
      with: [felix({ allowVXLANPacketsFromWorkloads: true })],
      packet: packet('shop/web', 'bank/web', { protocol: 17, destinationPort: 4789 }),
      verdict: 'allow',
    },
    {
      name: 'a pod sends no IP-in-IP packets',
      with: [],
      packet: { source: place('shop/web'), destination: place('bank/web'), protocol: 4 },
      verdict: 'deny',
    },
    {
      name: 'a pod reaches itself past every policy',
      with: [closed],
      packet: packet('shop/web', 'shop/web'),
      verdict: 'allow',
    },
    { name: 'no end is a pod: no say', with: [closed], packet: packet('192.0.2.1', '192.0.2.2'), verdict: 'allow' },
  ];
  for (const { name, with: more, packet: sent, verdict } of cases) {
    test(name, () => expect(oracleOf([...cluster, ...more]).judge(sent).verdict).toBe(verdict));
  }

  test('a host-network pod is no endpoint: its traffic is its node’s', () => {
    const hosted = {
      ...pod('shop/agent', '172.16.0.1', { app: 'web' }),
      spec: { nodeName: 'node-1', hostNetwork: true },
    };
    const oracle = oracleOf([...cluster, hosted, closed]);
    expect(oracle.judge(packet('172.16.0.1', 'shop/web')).verdict).toBe('allow');
    expect(() => oracle.judge(packet('shop/agent', 'shop/web'))).toThrow('pod is "shop/agent"');
  });

  test('ends without a common family are refused', () => {
    expect(() => oracleOf(cluster).judge(packet('fd00::1', 'shop/web'))).toThrow('no two addresses of one family');
  });
});
