import { describe, expect, test } from 'bun:test';
import type { ModelKind, Resource, ResourceUpdate } from '@calico/api';
import { addr } from '@calico/ip';
import { ClusterView } from './cluster-view.ts';
import { enforceStaged } from './enforce-staged.ts';
import { judge } from './judge.ts';
import { placeAt } from './place.ts';
import { firstPacket, type Port } from './port.ts';
import { simulate } from './simulate.ts';

function given(kind: ModelKind, name: string, spec: object, namespace?: string, labels = {}): ResourceUpdate {
  const scope = namespace === undefined ? {} : { namespace };
  const resource: unknown = { apiVersion: 'projectcalico.org/v3', kind, metadata: { name, ...scope, labels }, spec };
  return { kind, name, ...scope, resource: resource as Resource };
}

function pod(name: string, node: string, ...addresses: string[]): ResourceUpdate {
  const spec = { node, pod: name, ipNetworks: addresses, profiles: ['kns.shop'], interfaceName: `cali${name}` };
  const labels = { app: name, 'projectcalico.org/namespace': 'shop' };
  return given(
    'WorkloadEndpoint',
    `${node}-${name}`,
    { ...spec, orchestrator: 'k8s', endpoint: 'eth0' },
    'shop',
    labels,
  );
}

const all = [{ action: 'Allow' }];
const cluster: readonly ResourceUpdate[] = [
  given('Profile', 'kns.shop', { ingress: all, egress: all }),
  given('CalicoNode', 'node-1', { bgp: { ipv4Address: '172.30.0.11/24' }, ipv4VXLANTunnelAddr: '10.244.0.1' }),
  given('CalicoNode', 'node-2', { bgp: { ipv4Address: '172.30.0.12/24' } }),
  pod('web', 'node-1', '10.244.0.10/32', 'fd00::10/128'),
  pod('db', 'node-2', '10.244.1.10/32', 'fd00::11/128'),
  pod('job', 'node-2', '10.244.1.11/32'),
];
const closed = (app: string, type: 'Ingress' | 'Egress') =>
  given('NetworkPolicy', `closed-${app}`, { selector: `app == '${app}'`, types: [type] }, 'shop');
const configured = (spec: object) => given('FelixConfiguration', 'default', spec);
const tcp80: Port = { protocol: 6, port: 80 };

function judged(updates: readonly ResourceUpdate[], from: string, to: string, port: Port = tcp80): string {
  const view = new ClusterView(updates);
  const [source, destination] = [addr(from), addr(to)];
  const { verdict, beside } = judge(
    view,
    placeAt(view, source),
    placeAt(view, destination),
    firstPacket(source, destination, port),
  );
  return beside === undefined ? verdict : `${verdict}: ${beside.reason}`;
}

describe('beside policy', () => {
  const closedWeb = [...cluster, closed('web', 'Ingress')];
  test.each([
    [
      'a node reaches its own pods',
      closedWeb,
      '172.30.0.11',
      '10.244.0.10',
      'allow: node node-1 always reaches its own pods',
    ],
    [
      'by its tunnel address too',
      closedWeb,
      '10.244.0.1',
      '10.244.0.10',
      'allow: node node-1 always reaches its own pods',
    ],
    ['another node is asked about', closedWeb, '172.30.0.12', '10.244.0.10', 'deny'],
    [
      'a pod talks to itself',
      closedWeb,
      '10.244.0.10',
      '10.244.0.10',
      'allow: what pod shop/web says to itself never leaves it',
    ],
    [
      'a pod does not reach its node',
      cluster,
      '10.244.0.10',
      '172.30.0.11',
      'deny: pod shop/web to its own node: defaultEndpointToHostAction is drop',
    ],
    ['but another one', cluster, '10.244.0.10', '172.30.0.12', 'allow'],
    ['strangers are not judged', cluster, '192.0.2.1', '198.51.100.1', 'allow'],
  ] as const)('%s', (_name, updates, from, to, wanted) => {
    expect(judged(updates, from, to)).toBe(wanted);
  });

  test("a pod reaches its node as the configuration says, the node's own before the default, once its egress allows it", () => {
    const accepts = [...cluster, configured({ defaultEndpointToHostAction: 'Accept' })];
    const answer = 'pod shop/web to its own node: defaultEndpointToHostAction is';
    expect(judged(accepts, '10.244.0.10', '172.30.0.11')).toBe(`allow: ${answer} accept`);
    const drops = given('FelixConfiguration', 'node.node-1', { defaultEndpointToHostAction: 'Drop' });
    expect(judged([...accepts, drops], '10.244.0.10', '172.30.0.11')).toBe(`deny: ${answer} drop`);
    expect(judged([...accepts, closed('web', 'Egress')], '10.244.0.10', '172.30.0.11')).toBe('deny');
  });

  test('a pod sends no tunnel packets, unless the configuration lets it', () => {
    const vxlan = { protocol: 17, port: 4789 };
    expect(judged(cluster, '10.244.0.10', '10.244.1.10', vxlan)).toBe(
      'deny: pod shop/web may not send VXLAN packets itself',
    );
    const allows = [...cluster, configured({ allowVXLANPacketsFromWorkloads: true })];
    expect(judged(allows, '10.244.0.10', '10.244.1.10', vxlan)).toBe('allow');
    const moved = [...cluster, configured({ vxlanPort: 4790 })];
    expect(judged(moved, '10.244.0.10', '10.244.1.10', vxlan)).toBe('allow');
    expect(judged(cluster, '10.244.0.10', '10.244.1.10', { protocol: 4 })).toBe(
      'deny: pod shop/web may not send IP-in-IP packets itself',
    );
  });
});

function simulated(then: readonly ResourceUpdate[], now: readonly ResourceUpdate[] = cluster, limit = 100) {
  const portsOf = (name: string) => (name === 'shop/db' ? [tcp80, { protocol: 6, port: 5432 }] : []);
  const ports = [{ protocol: 17, port: 53 }];
  const result = simulate(new ClusterView(now), new ClusterView(then), { portsOf, ports, limit });
  const lines = result.changes.map(
    ({ from, to, port, family, before, after, decidedBy }) =>
      `${from} ${to} ${port} ${family} ${before} ${after} ${decidedBy}`,
  );
  return { ...result, lines };
}

describe('simulate', () => {
  test('tells each pair, port and family that a policy would change, and who decides then', () => {
    const { lines, total, pods, withoutPorts } = simulated([...cluster, closed('db', 'Ingress')]);
    const by = 'allow deny ingress: end of tier default';
    expect(lines).toEqual([
      ...['53/udp', '80/tcp', '5432/tcp'].map(port => `shop/job shop/db ${port} 4 ${by}`),
      ...[4, 6].flatMap(family =>
        ['53/udp', '80/tcp', '5432/tcp'].map(port => `shop/web shop/db ${port} ${family} ${by}`),
      ),
    ]);
    expect({ total, pods, withoutPorts }).toEqual({ total: 9, pods: 3, withoutPorts: ['shop/job', 'shop/web'] });
  });

  test('keeps as many as asked for and counts the rest', () => {
    const { lines, total } = simulated([...cluster, closed('db', 'Ingress')], cluster, 2);
    expect([lines.length, total]).toEqual([2, 9]);
  });

  test('tells who allows what was denied', () => {
    const now = [...cluster, closed('job', 'Egress')];
    const { lines } = simulated(cluster, now);
    expect(lines[0]).toBe('shop/job shop/db 53/udp 4 deny allow egress: rule 0 of profile kns.shop');
    expect(lines.length).toBe(4);
  });

  test("finds nothing where nothing differs, or what differs decides nobody's packets", () => {
    expect(simulated(cluster).total).toBe(0);
    expect(simulated([...cluster, closed('nobody', 'Ingress')]).total).toBe(0);
  });

  test('notices members of sets that change while the policies stay', () => {
    const rule = { action: 'Allow', source: { selector: "trust == 'yes'" } };
    const policy = given('GlobalNetworkPolicy', 'trusted', {
      selector: "app == 'db'",
      types: ['Ingress'],
      ingress: [rule],
    });
    const nets = given('GlobalNetworkSet', 'trusted', { nets: ['10.244.0.0/24'] }, undefined, { trust: 'yes' });
    const { lines } = simulated([...cluster, policy, nets], [...cluster, policy]);
    expect(lines.map(line => line.split(' ').slice(0, 4).join(' '))).toEqual([
      'shop/web shop/db 53/udp 4',
      'shop/web shop/db 80/tcp 4',
      'shop/web shop/db 5432/tcp 4',
    ]);
  });

  test('takes staged policies as committed: set, deleted; those that learn or are ignored not', () => {
    const staged = (app: string, stagedAction?: string) => {
      const { resource } = closed(app, 'Ingress');
      const rest = stagedAction === 'Delete' ? {} : (resource?.spec as object);
      return given('StagedNetworkPolicy', `closed-${app}`, { ...rest, stagedAction }, 'shop');
    };
    const now = [
      ...cluster,
      closed('job', 'Ingress'),
      staged('db', 'Set'),
      staged('job', 'Delete'),
      staged('web', 'Ignore'),
    ];
    expect(simulated(now, now).total).toBe(0);
    const { lines } = simulated(enforceStaged(now), now);
    const ends = lines.map(line => line.split(' ').slice(1, 2).concat(line.split(' ').slice(4, 6)).join(' '));
    expect(new Set(ends)).toEqual(new Set(['shop/db allow deny', 'shop/job deny allow']));
  });

  test('is what judging every pair says', () => {
    const then = [...cluster, closed('db', 'Ingress'), closed('web', 'Egress'), configured({ vxlanPort: 53 })];
    const [before, after] = [new ClusterView(cluster), new ClusterView(then)];
    const wanted: string[] = [];
    for (const to of before.endpoints) {
      for (const from of before.endpoints) {
        if (from === to) continue;
        for (const address of to.addresses) {
          const source = from.addresses.find(({ family }) => family === address.family);
          if (source === undefined) continue;
          const packet = firstPacket(source, address, { protocol: 17, port: 53 });
          const [was, will] = [before, after].map(
            view => judge(view, placeAt(view, source), placeAt(view, address), packet).verdict,
          );
          if (was !== will) wanted.push(`${from.pod} ${to.pod} 53/udp ${address.family} ${was} ${will}`);
        }
      }
    }
    const found = simulated(then)
      .lines.filter(line => line.includes('53/udp'))
      .map(line => line.split(' ').slice(0, 6).join(' '));
    expect(wanted.length).toBeGreaterThan(5);
    expect(found.sort()).toEqual(wanted.sort());
  });
});
