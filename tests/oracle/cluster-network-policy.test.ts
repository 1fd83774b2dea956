import { describe, expect, test } from 'bun:test';
import { clusterWide, global, kubernetes, namespace, pod } from './fixture.ts';
import { oracleOf } from './oracle.ts';
import type { Packet } from './packet.ts';
import type { ClusterPeer, ClusterPolicySpec, RawResource } from './resources.ts';

/** Two namespaces; the web pod names TCP 8080 and UDP 8081 `http`. */
const cluster = [
  namespace('shop', { team: 'red' }),
  namespace('bank', { team: 'blue' }),
  pod(
    'shop/web',
    '10.1.0.1',
    { app: 'web' },
    {
      ports: [
        { name: 'http', containerPort: 8080 },
        { name: 'http', containerPort: 8081, protocol: 'UDP' },
      ],
    },
  ),
  pod('shop/client', '10.1.0.9', { app: 'client' }),
  pod('bank/client', '10.1.0.17', { app: 'client' }),
];

const place = (text: string) => (text.includes('/') ? { pod: text } : { ip: text });
const packet = (protocol: number, from: string, to: string, destinationPort: number): Packet => ({
  source: place(from),
  destination: place(to),
  protocol,
  sourcePort: 40000,
  destinationPort,
});
const tcp = (from: string, to: string, port = 80) => packet(6, from, to, port);
const udp = (from: string, to: string, port: number) => packet(17, from, to, port);

const web = { pods: { podSelector: { matchLabels: { app: 'web' } } } };
const clients = { pods: { podSelector: { matchLabels: { app: 'client' } } } };
const red: ClusterPeer = { namespaces: { matchLabels: { team: 'red' } } };
const anyone: ClusterPeer = { namespaces: {} };
const admin = { tier: 'Admin', priority: 10, subject: web } as const;
const baseline = { ...admin, tier: 'Baseline' } as const;
const one = (spec: ClusterPolicySpec) => [clusterWide('p', spec)];

const cases: { name: string; with: RawResource[]; allowed: Packet[]; denied: Packet[] }[] = [
  {
    name: 'a Deny rule stops its peers alone; what no rule matches goes on',
    with: one({ ...admin, ingress: [{ action: 'Deny', from: [red] }] }),
    allowed: [tcp('bank/client', 'shop/web'), tcp('203.0.113.5', 'shop/web'), tcp('shop/web', 'shop/client')],
    denied: [tcp('shop/client', 'shop/web')],
  },
  {
    name: 'a policy without rules does nothing',
    with: one(admin),
    allowed: [tcp('shop/client', 'shop/web'), tcp('shop/web', 'shop/client')],
    denied: [],
  },
  {
    name: 'the first rule that matches counts',
    with: one({
      ...admin,
      ingress: [
        { action: 'Accept', from: [red] },
        { action: 'Deny', from: [anyone] },
      ],
    }),
    allowed: [tcp('shop/client', 'shop/web'), tcp('203.0.113.5', 'shop/web')],
    denied: [tcp('bank/client', 'shop/web')],
  },
  {
    name: 'the subject may be all pods of namespaces',
    with: one({ ...admin, subject: red, egress: [{ action: 'Deny', to: [anyone] }] }),
    allowed: [tcp('bank/client', 'shop/web'), tcp('shop/web', '203.0.113.5')],
    denied: [tcp('shop/web', 'bank/client'), tcp('shop/client', 'shop/web')],
  },
  {
    name: 'pods are meant in the namespaces that are selected',
    with: one({
      ...admin,
      ingress: [
        { action: 'Deny', from: [{ pods: { ...clients.pods, namespaceSelector: { matchLabels: { team: 'blue' } } } }] },
      ],
    }),
    allowed: [tcp('shop/client', 'shop/web')],
    denied: [tcp('bank/client', 'shop/web')],
  },
  {
    name: 'networks hold for any address in them, be it a pod',
    with: one({
      ...admin,
      subject: clients,
      egress: [{ action: 'Deny', to: [{ networks: ['203.0.113.0/24', '10.1.0.0/30'] }] }],
    }),
    allowed: [tcp('shop/client', '198.51.100.1'), tcp('shop/client', 'bank/client')],
    denied: [tcp('shop/client', '203.0.113.5'), tcp('bank/client', 'shop/web')],
  },
  {
    name: 'ports: numbers and ranges of a protocol',
    with: one({
      ...admin,
      ingress: [
        {
          action: 'Deny',
          from: [anyone],
          protocols: [
            { tcp: { destinationPort: { number: 80 } } },
            { udp: { destinationPort: { range: { start: 53, end: 55 } } } },
          ],
        },
      ],
    }),
    allowed: [
      tcp('shop/client', 'shop/web', 81),
      tcp('shop/client', 'shop/web', 53),
      udp('shop/client', 'shop/web', 52),
      udp('shop/client', 'shop/web', 56),
      udp('shop/client', 'shop/web', 80),
    ],
    denied: [
      tcp('shop/client', 'shop/web', 80),
      udp('shop/client', 'shop/web', 53),
      udp('shop/client', 'shop/web', 55),
    ],
  },
  {
    name: 'a port by its name means that of the destination pod, of whatever protocol',
    with: one({
      ...admin,
      ingress: [{ action: 'Deny', from: [anyone], protocols: [{ destinationNamedPort: 'http' }] }],
    }),
    allowed: [tcp('shop/client', 'shop/web', 8081), udp('shop/client', 'shop/web', 8080)],
    denied: [tcp('shop/client', 'shop/web', 8080), udp('shop/client', 'shop/web', 8081)],
  },
  {
    name: 'Admin comes before the policies of namespaces and cannot be overruled',
    with: [
      clusterWide('p', { ...admin, ingress: [{ action: 'Deny', from: [red] }] }),
      kubernetes('shop/open', { podSelector: {}, ingress: [{}] }),
    ],
    allowed: [tcp('bank/client', 'shop/web')],
    denied: [tcp('shop/client', 'shop/web')],
  },
  {
    name: 'Admin accepts what a NetworkPolicy would not',
    with: [
      clusterWide('p', { ...admin, ingress: [{ action: 'Accept', from: [red] }] }),
      kubernetes('shop/closed', { podSelector: {} }),
    ],
    allowed: [tcp('shop/client', 'shop/web')],
    denied: [tcp('bank/client', 'shop/web')],
  },
  {
    name: 'Pass skips the rest of the tier',
    with: [
      clusterWide('a', { ...admin, priority: 1, ingress: [{ action: 'Pass', from: [red] }] }),
      clusterWide('b', { ...admin, priority: 2, ingress: [{ action: 'Deny', from: [anyone] }] }),
    ],
    allowed: [tcp('shop/client', 'shop/web')],
    denied: [tcp('bank/client', 'shop/web')],
  },
  {
    name: 'a lower priority is looked at first',
    with: [
      clusterWide('a', { ...admin, priority: 2, ingress: [{ action: 'Deny', from: [anyone] }] }),
      clusterWide('b', { ...admin, priority: 1, ingress: [{ action: 'Accept', from: [red] }] }),
    ],
    allowed: [tcp('shop/client', 'shop/web')],
    denied: [tcp('bank/client', 'shop/web')],
  },
  {
    name: 'Baseline counts only where no NetworkPolicy selects the pod',
    with: [
      clusterWide('p', { ...baseline, subject: anyone, ingress: [{ action: 'Deny', from: [anyone] }] }),
      kubernetes('shop/open', { podSelector: { matchLabels: { app: 'web' } }, ingress: [{}] }),
    ],
    allowed: [tcp('shop/client', 'shop/web')],
    denied: [tcp('shop/web', 'shop/client'), tcp('shop/web', 'bank/client')],
  },
  {
    name: 'policies of Calico may stand in the same tier and take part in its order',
    with: [
      clusterWide('p', { ...admin, ingress: [{ action: 'Deny', from: [anyone] }] }),
      global('g', {
        tier: 'kube-admin',
        order: 5,
        selector: "app == 'web'",
        types: ['Ingress'],
        ingress: [{ action: 'Allow', source: { namespaceSelector: "team == 'red'" } }],
      }),
    ],
    allowed: [tcp('shop/client', 'shop/web')],
    denied: [tcp('bank/client', 'shop/web')],
  },
];

describe('ClusterNetworkPolicy', () => {
  test.each(cases)('$name', ({ with: policies, allowed, denied }) => {
    const oracle = oracleOf([...cluster, ...policies]);
    const words = (packets: Packet[]) => packets.map(each => oracle.judge(each).verdict);
    expect(words(allowed)).toEqual(allowed.map(() => 'allow'));
    expect(words(denied)).toEqual(denied.map(() => 'deny'));
  });
});
