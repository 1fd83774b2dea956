import type { Resource } from '@calico/api';

/** A pod of the test's node: its addresses, whether the API server knows it, and with which address. */
export interface WorldPod {
  readonly name: string;
  readonly ip: string;
  readonly ip6: string;
  /** What the API server says its addresses are; undefined: it knows no such pod. */
  readonly known: readonly string[] | undefined;
  readonly labels: Readonly<Record<string, string>>;
}

/** Packets from one machine to another, and what must become of them; `watched` ones may change their fate. */
export interface Flow {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly source: string;
  readonly destination: string;
  readonly port: number;
  readonly expected: 'allowed' | 'denied' | 'watched';
}

export const nodeName = 'node-1';
/** The machine that the pods are on, where flows end that go to it. */
export const nodeMachine = 'node';
export const nodeAddress = '172.31.7.1';
export const nodeAddress6 = 'fd00:172:31:7::1';
/** The port of the flow whose fate tests change, from client to web. */
export const watchedPort = 9999;
const v3 = 'projectcalico.org/v3';
const namespace = 'default';

function pod(number: number, name: string, known: 'as it is' | 'elsewhere' | 'not', role = name): WorldPod {
  const addresses = (n: number) => [`10.65.0.${n}`, `fd00:10:65::${n.toString(16)}`] as const;
  const [ip, ip6] = addresses(number);
  const seen = { 'as it is': [ip, ip6], elsewhere: addresses(number + 100), not: undefined }[known];
  return { name, ip, ip6, known: seen, labels: { role } };
}

/** `liar` has addresses that are not its own; of `stray` nobody knows anything. */
export const pods: readonly WorldPod[] = [
  pod(10, 'web', 'as it is'),
  pod(11, 'client', 'as it is'),
  pod(12, 'other', 'as it is'),
  pod(13, 'db', 'as it is'),
  pod(14, 'stray', 'not'),
  pod(15, 'liar', 'elsewhere'),
];

/** A pod as the API server has it, running. */
export function podObject({ name, labels, known = [] }: WorldPod): Resource {
  const ports = [{ name: 'metrics', containerPort: 9100, protocol: 'UDP' }];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels },
    spec: { nodeName, containers: [{ name: 'main', image: 'none', ports }] },
    status: { phase: 'Running', podIP: known[0], podIPs: known.map(ip => ({ ip })) },
  } as unknown as Resource;
}

function networkPolicy(name: string, spec: Record<string, unknown>): Resource {
  return { apiVersion: v3, kind: 'NetworkPolicy', metadata: { name, namespace }, spec } as unknown as Resource;
}

/** What `client` may do at `web`, besides; tests add and remove it. */
export const watchedPolicy: Resource = networkPolicy('watched', {
  selector: "role == 'web'",
  types: ['Ingress'],
  ingress: [
    {
      action: 'Allow',
      protocol: 'UDP',
      source: { selector: "role == 'client'" },
      destination: { ports: [watchedPort] },
    },
  ],
});

/** How many policies there are that decide nothing. */
export const idlePolicies = 5;

/** A policy that decides nothing for any flow; `i` gives it other content. */
export function idlePolicy(i: number): Resource {
  const name = `idle-${i % idlePolicies}`;
  const order = 10 + (i % 7);
  // Only of directions in which the pods are asked by other policies too.
  if (i % 2 === 0) {
    // Every time another selector, so that clients are in another set than before, and addresses have another identity.
    const source =
      i % 4 === 0 ? { selector: `role in {'client', 'web', 'none-${i}'}` } : { nets: [`192.0.2.${i % 250}/32`] };
    const ingress = [{ action: 'Deny', protocol: 'UDP', source, destination: { ports: [1 + (i % 1000)] } }];
    return networkPolicy(name, { order, selector: "role in {'web', 'db'}", types: ['Ingress'], ingress });
  }
  const egress = [{ action: 'Pass', protocol: 'TCP', destination: { ports: [1 + (i % 1000)] } }];
  return networkPolicy(name, { order, selector: "role == 'other'", types: ['Egress'], egress });
}

/** All that the flows below are decided by: policies of every shape, in both their forms. */
export const resources: readonly Resource[] = [
  {
    apiVersion: v3,
    kind: 'Tier',
    metadata: { name: 'security' },
    spec: { order: 100, defaultAction: 'Pass' },
  } as unknown as Resource,
  {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'web', namespace },
    spec: {
      podSelector: { matchLabels: { role: 'web' } },
      policyTypes: ['Ingress'],
      ingress: [
        { from: [{ podSelector: { matchLabels: { role: 'client' } } }], ports: [{ protocol: 'UDP', port: 8080 }] },
      ],
    },
  } as unknown as Resource,
  {
    apiVersion: v3,
    kind: 'GlobalNetworkPolicy',
    metadata: { name: 'security.db' },
    spec: {
      tier: 'security',
      selector: "role == 'db'",
      types: ['Ingress'],
      ingress: [
        { action: 'Deny', protocol: 'UDP', source: { selector: "role == 'web'" }, destination: { ports: [6666] } },
        { action: 'Pass' },
      ],
    },
  } as unknown as Resource,
  networkPolicy('other', {
    selector: "role == 'other'",
    types: ['Egress'],
    egress: [
      ['10.65.0.0/24', '10.65.0.13/32'],
      ['fd00:10:65::/64', 'fd00:10:65::d/128'],
    ].map(([net, except]) => ({
      action: 'Allow',
      protocol: 'UDP',
      destination: { nets: [net], notNets: [except], ports: [7000, 8080] },
    })),
  }),
  // So many rules that they become lookups.
  networkPolicy('db', {
    selector: "role == 'db'",
    types: ['Ingress'],
    ingress: [
      ...Array.from({ length: 60 }, (_, i) => ({
        action: 'Allow',
        protocol: 'UDP',
        source: { selector: `has(p${i})` },
        destination: { ports: [`${20_000 + i * 10}:${20_004 + i * 10}`] },
      })),
      {
        action: 'Allow',
        protocol: 'UDP',
        source: { selector: "role == 'client'" },
        destination: { ports: ['10050:10060'] },
      },
      {
        action: 'Allow',
        protocol: 'UDP',
        source: { notSelector: "role == 'other'" },
        destination: { ports: ['metrics'] },
      },
      { action: 'Allow', protocol: 'UDP', source: { selector: "role == 'web'" }, destination: { ports: [5353, 6666] } },
    ],
  }),
];

/** Every flow in both families. */
export const flows: readonly Flow[] = [
  ...both('allowed', 'client', 'web', 8080, 'a peer selector'),
  ...both('allowed', 'client', 'db', 10_052, 'a port range, by lookups'),
  ...both('allowed', 'client', 'db', 9100, 'a named port, by lookups'),
  ...both('allowed', 'other', 'client', 7000, 'egress to networks'),
  ...both('allowed', 'web', 'db', 5353, 'passed by a tier'),
  ...both('allowed', 'web', 'client', 7000, 'a profile'),
  ...both('denied', 'other', 'web', 8080, 'no peer of ingress'),
  ...both('denied', 'client', 'web', 8081, 'no port of ingress'),
  ...both('denied', 'client', 'db', 10_061, 'beyond a port range, by lookups'),
  ...both('denied', 'web', 'db', 6666, 'denied in a tier'),
  ...both('denied', 'other', 'client', 7001, 'no port of egress'),
  ...both('denied', 'client', nodeMachine, 7000, 'a pod to its node'),
  ...both('denied', 'stray', 'client', 7000, 'from an unknown interface'),
  ...both('denied', 'client', 'stray', 7000, 'to an unknown interface'),
  ...both('denied', 'liar', 'client', 7000, 'a false source'),
  ...both('watched', 'client', 'web', watchedPort, 'watched'),
];

function both(expected: Flow['expected'], from: string, to: string, port: number, why: string): Flow[] {
  const addressOf = (name: string, family: 4 | 6) => {
    const found = pods.find(each => each.name === name);
    if (found === undefined) return family === 4 ? nodeAddress : nodeAddress6;
    return family === 4 ? found.ip : found.ip6;
  };
  return ([4, 6] as const).map(family => ({
    name: `${from} → ${to} ${port} IPv${family} (${why})`,
    ...{ from, to, port, expected },
    source: addressOf(from, family),
    destination: addressOf(to, family),
  }));
}
