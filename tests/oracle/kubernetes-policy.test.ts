import { describe, expect, test } from 'bun:test';
import { kubernetes, namespace, pod } from './fixture.ts';
import { oracleOf } from './oracle.ts';
import type { Packet } from './packet.ts';
import type { KubernetesPolicySpec } from './resources.ts';

/** Two namespaces; the shop's web pod names port 8080 `http`, its second replica gives that name to 9090. */
const cluster = [
  namespace('shop', { team: 'red' }),
  namespace('bank', { team: 'blue' }),
  pod('shop/web', '10.1.0.1', { app: 'web' }, { ports: [{ name: 'http', containerPort: 8080 }] }),
  pod('shop/web-b', '10.1.0.2', { app: 'web' }, { ports: [{ name: 'http', containerPort: 9090 }] }),
  pod('shop/client', '10.1.0.9', { app: 'client', tier: 'front' }),
  pod('bank/client', '10.1.0.17', { app: 'client' }),
  pod('bank/other', '10.1.0.18', { app: 'other' }),
];

const web = { podSelector: { matchLabels: { app: 'web' } } };
const tcp = (from: string, to: string, port: number): Packet => ({
  source: place(from),
  destination: place(to),
  protocol: 6,
  sourcePort: 40000,
  destinationPort: port,
});
const place = (text: string) => (text.includes('/') ? { pod: text } : { ip: text });
const client = 'shop/client';

const cases: { name: string; spec: KubernetesPolicySpec; allowed: Packet[]; denied: Packet[] }[] = [
  {
    name: 'a policy without rules isolates the pods it selects, and only those',
    spec: web,
    allowed: [tcp('shop/web', client, 80), tcp('bank/client', client, 80)],
    denied: [tcp(client, 'shop/web', 80), tcp('bank/client', 'shop/web-b', 80), tcp('203.0.113.5', 'shop/web', 80)],
  },
  {
    name: 'an empty podSelector selects every pod of its own namespace',
    spec: { podSelector: {}, policyTypes: ['Egress'] },
    allowed: [tcp('bank/client', 'shop/web', 80)],
    denied: [tcp('shop/web', client, 80), tcp(client, '203.0.113.5', 443)],
  },
  {
    name: 'without policyTypes, egress rules make the policy govern both directions',
    spec: { ...web, egress: [{}] },
    allowed: [tcp('shop/web', client, 80)],
    denied: [tcp(client, 'shop/web', 80)],
  },
  {
    name: 'policyTypes Ingress leaves egress open even where egress rules are written',
    spec: { ...web, policyTypes: ['Ingress'], egress: [{ ports: [{ port: 1 }] }] },
    allowed: [tcp('shop/web', client, 80)],
    denied: [tcp(client, 'shop/web', 80)],
  },
  {
    name: 'an empty rule allows everything',
    spec: { ...web, ingress: [{}] },
    allowed: [tcp(client, 'shop/web', 80), tcp('203.0.113.5', 'shop/web', 80)],
    denied: [],
  },
  {
    name: 'a podSelector peer means pods of the policy namespace',
    spec: { ...web, ingress: [{ from: [{ podSelector: { matchLabels: { app: 'client' } } }] }] },
    allowed: [tcp(client, 'shop/web', 80)],
    denied: [tcp('bank/client', 'shop/web', 80), tcp('shop/web-b', 'shop/web', 80), tcp('203.0.113.5', 'shop/web', 80)],
  },
  {
    name: 'a namespaceSelector peer means every pod of the namespaces it selects',
    spec: { ...web, ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: 'blue' } } }] }] },
    allowed: [tcp('bank/client', 'shop/web', 80), tcp('bank/other', 'shop/web', 80)],
    denied: [tcp(client, 'shop/web', 80)],
  },
  {
    name: 'both selectors in one peer must hold together',
    spec: {
      ...web,
      ingress: [
        {
          from: [
            {
              namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'bank' } },
              podSelector: { matchLabels: { app: 'client' } },
            },
          ],
        },
      ],
    },
    allowed: [tcp('bank/client', 'shop/web', 80)],
    denied: [tcp('bank/other', 'shop/web', 80), tcp(client, 'shop/web', 80)],
  },
  {
    name: 'two peers are alternatives',
    spec: {
      ...web,
      ingress: [
        {
          from: [
            { namespaceSelector: { matchLabels: { team: 'blue' } } },
            { podSelector: { matchLabels: { app: 'client' } } },
          ],
        },
      ],
    },
    allowed: [tcp('bank/other', 'shop/web', 80), tcp(client, 'shop/web', 80)],
    denied: [tcp('shop/web-b', 'shop/web', 80)],
  },
  {
    name: 'an empty namespaceSelector means all namespaces, but no address outside the cluster',
    spec: { ...web, ingress: [{ from: [{ namespaceSelector: {} }] }] },
    allowed: [tcp('bank/other', 'shop/web', 80), tcp(client, 'shop/web', 80)],
    denied: [tcp('203.0.113.5', 'shop/web', 80)],
  },
  {
    name: 'an ipBlock means addresses, less its exceptions, pods included',
    spec: {
      ...web,
      ingress: [
        {
          from: [
            { ipBlock: { cidr: '203.0.113.0/24', except: ['203.0.113.64/26'] } },
            { ipBlock: { cidr: '10.1.0.16/31' } },
          ],
        },
      ],
    },
    allowed: [
      tcp('203.0.113.63', 'shop/web', 80),
      tcp('203.0.113.128', 'shop/web', 80),
      tcp('bank/client', 'shop/web', 80),
    ],
    denied: [
      tcp('203.0.113.64', 'shop/web', 80),
      tcp('203.0.113.127', 'shop/web', 80),
      tcp('bank/other', 'shop/web', 80),
    ],
  },
  {
    name: 'a port alone is a TCP port',
    spec: { ...web, ingress: [{ ports: [{ port: 80 }] }] },
    allowed: [tcp(client, 'shop/web', 80)],
    denied: [
      tcp(client, 'shop/web', 81),
      { ...tcp(client, 'shop/web', 80), protocol: 17 },
      { source: place(client), destination: place('shop/web'), protocol: 1, icmpType: 8, icmpCode: 0 },
    ],
  },
  {
    name: 'endPort makes a range with both its ends',
    spec: { ...web, ingress: [{ ports: [{ protocol: 'UDP', port: 5000, endPort: 5002 }] }] },
    allowed: [5000, 5001, 5002].map(port => ({ ...tcp(client, 'shop/web', port), protocol: 17 })),
    denied: [
      { ...tcp(client, 'shop/web', 4999), protocol: 17 },
      { ...tcp(client, 'shop/web', 5003), protocol: 17 },
      tcp(client, 'shop/web', 5001),
    ],
  },
  {
    name: 'a protocol without port means all its ports',
    spec: { ...web, ingress: [{ ports: [{ protocol: 'SCTP' }] }] },
    allowed: [{ ...tcp(client, 'shop/web', 7), protocol: 132 }],
    denied: [tcp(client, 'shop/web', 7)],
  },
  {
    name: 'a named port is the number that each destination pod gives to the name',
    spec: { ...web, ingress: [{ ports: [{ port: 'http' }] }] },
    allowed: [tcp(client, 'shop/web', 8080), tcp(client, 'shop/web-b', 9090)],
    denied: [tcp(client, 'shop/web', 9090), tcp(client, 'shop/web-b', 8080)],
  },
  {
    name: 'an egress rule names ports of the destination',
    spec: {
      podSelector: { matchLabels: { app: 'client' } },
      policyTypes: ['Egress'],
      egress: [{ to: [{ podSelector: { matchLabels: { app: 'web' } } }], ports: [{ port: 'http' }] }],
    },
    allowed: [tcp(client, 'shop/web', 8080), tcp('shop/web', client, 1)],
    denied: [tcp(client, 'shop/web', 80), tcp(client, '203.0.113.5', 8080)],
  },
  {
    name: 'peers and ports of one rule must hold together',
    spec: { ...web, ingress: [{ from: [{ podSelector: { matchLabels: { app: 'client' } } }], ports: [{ port: 80 }] }] },
    allowed: [tcp(client, 'shop/web', 80)],
    denied: [tcp(client, 'shop/web', 81), tcp('shop/web-b', 'shop/web', 80)],
  },
  {
    name: 'matchExpressions: all four operators',
    spec: {
      podSelector: {
        matchExpressions: [
          { key: 'app', operator: 'In', values: ['web', 'client'] },
          { key: 'app', operator: 'NotIn', values: ['client'] },
          { key: 'app', operator: 'Exists' },
          { key: 'tier', operator: 'DoesNotExist' },
        ],
      },
    },
    allowed: [tcp('shop/web', client, 80)],
    denied: [tcp(client, 'shop/web', 80)],
  },
  {
    name: 'a pod always reaches itself',
    spec: { ...web, policyTypes: ['Ingress', 'Egress'] },
    allowed: [tcp('shop/web', 'shop/web', 80), tcp('10.1.0.1', 'shop/web', 80)],
    denied: [tcp('shop/web-b', 'shop/web', 80)],
  },
];

describe('a Kubernetes NetworkPolicy', () => {
  for (const { name, spec, allowed, denied } of cases) {
    test(name, () => {
      const oracle = oracleOf([...cluster, kubernetes('shop/policy', spec)]);
      const verdicts = (packets: Packet[]) => packets.map(packet => oracle.judge(packet).verdict);
      expect(verdicts(allowed)).toEqual(allowed.map(() => 'allow'));
      expect(verdicts(denied)).toEqual(denied.map(() => 'deny'));
    });
  }

  test('two policies on one pod add up', () => {
    const from = (app: string) => ({ ...web, ingress: [{ from: [{ podSelector: { matchLabels: { app } } }] }] });
    const oracle = oracleOf([...cluster, kubernetes('shop/a', from('client')), kubernetes('shop/b', from('web'))]);
    expect(oracle.judge(tcp(client, 'shop/web', 80)).verdict).toBe('allow');
    expect(oracle.judge(tcp('shop/web-b', 'shop/web', 80)).verdict).toBe('allow');
    expect(oracle.judge(tcp('bank/client', 'shop/web', 80)).verdict).toBe('deny');
  });

  test('both ends must allow: an open destination does not help an isolated source', () => {
    const oracle = oracleOf([
      ...cluster,
      kubernetes('shop/no-egress', { podSelector: { matchLabels: { app: 'client' } }, policyTypes: ['Egress'] }),
      kubernetes('shop/open', { ...web, ingress: [{}] }),
    ]);
    const answer = oracle.judge(tcp(client, 'shop/web', 80));
    expect(answer).toMatchObject({ verdict: 'deny', egress: { action: 'Tier default' } });
    expect(answer.ingress).toBeUndefined();
  });
});
