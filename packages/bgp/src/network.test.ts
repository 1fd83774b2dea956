import { afterEach, beforeEach, expect, test } from 'bun:test';
import type { ResourceUpdate } from '@calico/api';
import { type BirdHost, eventually, openBirdHost, withBird } from '@calico/bird/testing';
import { addr, cidr, printAddr, printCidr } from '@calico/ip';
import type { Kernel, Route } from '@calico/kernel';
import { openKernel } from '@calico/kernel/linux';
import { BgpModel } from './bgp-model.ts';

/** A node with our configuration and a top-of-rack router that reflects routes, joined by a veth. */
interface Rack {
  readonly node: BirdHost;
  readonly router: BirdHost;
  readonly nodeKernel: Kernel;
  readonly routerKernel: Kernel;
}

const MAIN = 254;
const STATIC = 4;
const BIRD = 12;
const FELIX = 80;

const routerConfig = `router id 172.30.1.1;
log stderr all;
protocol device {
}
protocol direct {
  ipv4;
  ipv6;
}
protocol kernel {
  learn;
  ipv4 { import all; export where source != RTS_DEVICE; };
}
protocol kernel {
  learn;
  ipv6 { import all; export where source != RTS_DEVICE; };
}
protocol bgp node1 {
  local 172.30.1.1 as 64512;
  neighbor 172.30.1.11 as 64512;
  rr client;
  connect delay time 1;
  connect retry time 1;
  error wait time 1, 5;
  ipv4 { import all; export where net ~ 10.244.0.0/16; };
}
protocol bgp node1v6 {
  local fd30::1 as 64512;
  neighbor fd30::11 as 64512;
  rr client;
  connect delay time 1;
  connect retry time 1;
  error wait time 1, 5;
  ipv6 { import all; export where net ~ fd44::/48; };
}
`;

function resource(kind: ResourceUpdate['kind'], name: string, spec: object): ResourceUpdate {
  return { kind, name, resource: { apiVersion: 'projectcalico.org/v3', kind, metadata: { name }, spec } };
}

function nodeModel(): BgpModel {
  const model = new BgpModel({ nodeName: 'node1' });
  for (const update of [
    resource('CalicoNode', 'node1', { bgp: { ipv4Address: '172.30.1.11/24', ipv6Address: 'fd30::11/64' } }),
    resource('BGPConfiguration', 'default', { nodeToNodeMeshEnabled: false, asNumber: 64512 }),
    resource('BGPPeer', 'router', { peerIP: '172.30.1.1', asNumber: 64512 }),
    resource('BGPPeer', 'router-v6', { peerIP: 'fd30::1', asNumber: 64512 }),
    resource('IPPool', 'pods', { cidr: '10.244.0.0/16' }),
    resource('IPPool', 'pods-v6', { cidr: 'fd44::/48' }),
    resource('BlockAffinity', 'block', { state: 'confirmed', node: 'node1', cidr: '10.244.7.0/26', type: 'host' }),
    resource('BlockAffinity', 'block-v6', { state: 'confirmed', node: 'node1', cidr: 'fd44::7:0/122', type: 'host' }),
  ]) {
    model.update(update);
  }
  return model;
}

/** A route of the main table as text: `10.244.7.0/26 via 172.30.1.11 proto 12 metric 0`. */
function printRoute(route: Route): string {
  const way = route.type === 'unicast' ? (route.gateway ? `via ${printAddr(route.gateway)}` : 'direct') : route.type;
  return `${printCidr(route.destination)} ${way} proto ${route.protocol} metric ${route.metric ?? 0}`;
}

function routes(kernel: Kernel, protocol: number): string[] {
  return kernel
    .routes({ table: MAIN })
    .filter(route => route.protocol === protocol)
    .map(printRoute)
    .sort();
}

async function routesBecome(kernel: Kernel, expected: readonly string[]): Promise<void> {
  const same = () => (Bun.deepEquals(routes(kernel, BIRD), expected) ? true : undefined);
  await eventually(`routes ${expected.join(', ')}`, same).catch(error => {
    expect(routes(kernel, BIRD)).toEqual([...expected]);
    throw error;
  });
}

function connect(kernel: Kernel, name: string, addresses: readonly string[]): void {
  const link = kernel.link(name);
  if (link === undefined) throw new Error(`no link ${name}`);
  for (const text of addresses) {
    kernel.replaceAddress({ link: link.index, address: cidr(text), scope: 'universe', noDad: text.includes(':') });
  }
  for (const up of [kernel.link('lo'), link]) if (up !== undefined) kernel.setLink(up.index, { up: true });
}

withBird(import.meta.path, () => {
  let rack: Rack;

  beforeEach(() => {
    const node = openBirdHost();
    const router = openBirdHost();
    const nodeKernel = openKernel({ namespace: node.namespace });
    const routerKernel = openKernel({ namespace: router.namespace });
    nodeKernel.createLink({ kind: 'veth', name: 'eth0', peer: { name: 'port1', namespace: router.namespace } });
    connect(nodeKernel, 'eth0', ['172.30.1.11/24', 'fd30::11/64']);
    connect(routerKernel, 'port1', ['172.30.1.1/24', 'fd30::1/64']);
    rack = { node, router, nodeKernel, routerKernel };
  });

  afterEach(async () => {
    await Promise.all([rack.node.close(), rack.router.close()]);
    rack.nodeKernel.close();
    rack.routerKernel.close();
  });

  /** What another node's block looks like at the router. */
  function addRemoteBlock(destination: string, gateway: string): void {
    const link = rack.routerKernel.link('port1')?.index ?? 0;
    const way = { gateway: addr(gateway), link };
    rack.routerKernel.replaceRoute({
      destination: cidr(destination),
      table: MAIN,
      protocol: STATIC,
      scope: 'universe',
      type: 'unicast',
      ...way,
    });
  }

  const NODE_ROUTES = [
    '10.244.7.0/26 blackhole proto 12 metric 1024',
    '10.244.8.0/26 via 172.30.1.12 proto 12 metric 2147483547',
    'fd44::7:0/122 blackhole proto 12 metric 1024',
    'fd44::8:0/122 via fd30::12 proto 12 metric 2147483547',
  ];
  const ROUTER_ROUTES = [
    '10.244.7.0/26 via 172.30.1.11 proto 12 metric 32',
    'fd44::7:0/122 via fd30::11 proto 12 metric 32',
  ];

  test('routes of blocks reach the kernel of the other side, both ways, and stay when BIRD is killed', async () => {
    const { node, router, nodeKernel, routerKernel } = rack;
    addRemoteBlock('10.244.8.0/26', '172.30.1.12');
    addRemoteBlock('fd44::8:0/122', 'fd30::12');
    const model = nodeModel();
    await router.daemon.apply(routerConfig);
    await node.daemon.apply(model.render() ?? '');

    await routesBecome(routerKernel, ROUTER_ROUTES);
    await routesBecome(nodeKernel, NODE_ROUTES);

    const sessions = await node.daemon.control.bgpSessions();
    expect(sessions.map(({ name, bgpState, routes: counts }) => ({ name, bgpState, counts }))).toEqual(
      ['Global_172_30_1_1', 'Global_fd30__1'].map(name => ({
        name,
        bgpState: 'Established',
        counts: { imported: 1, exported: 1 },
      })),
    );

    // A pod's route from Felix is learned, but peers hear of the block only.
    const link = nodeKernel.link('eth0')?.index ?? 0;
    const addFelixRoute = (to: string, metric: number) => {
      const felix = { table: MAIN, protocol: FELIX, scope: 'link', type: 'unicast' } as const;
      nodeKernel.replaceRoute({ ...felix, destination: cidr(to), link, metric });
    };
    addFelixRoute('10.244.7.5/32', 1024);
    // One with better priority is told: a pod that is on its way here from another node.
    addFelixRoute('10.244.7.6/32', 512);
    // So is one in a pool and in no block of the node: a floating IP of a pod here.
    addFelixRoute('10.244.99.9/32', 1024);
    const single = ['10.244.7.6/32', '10.244.99.9/32'].map(each => `${each} via 172.30.1.11 proto 12 metric 32`);
    await routesBecome(routerKernel, [...ROUTER_ROUTES, ...single].sort());

    // Without its BIRD the node goes on forwarding, and its daemon starts another, which both sides wait for.
    const { pid } = node.daemon;
    if (pid === undefined) throw new Error('no process');
    process.kill(pid, 'SIGKILL');
    const seen = new Set<string>();
    await eventually('another BIRD with its sessions', async () => {
      seen.add(`${routes(nodeKernel, BIRD).length} ${routes(routerKernel, BIRD).length}`);
      if (node.daemon.pid === undefined || node.daemon.pid === pid) return undefined;
      const [status, now] = await Promise.all([node.daemon.control.status(), node.daemon.control.bgpSessions()]);
      return !status.recovering && now.every(({ bgpState }) => bgpState === 'Established') ? true : undefined;
    });
    expect([...seen]).toEqual(['4 4']);
    await routesBecome(nodeKernel, NODE_ROUTES);
  }, 40_000);

  test('a block that is given up is taken back everywhere, and VXLAN pools are left to Felix', async () => {
    const { node, router, nodeKernel, routerKernel } = rack;
    addRemoteBlock('10.244.8.0/26', '172.30.1.12');
    const model = nodeModel();
    await router.daemon.apply(routerConfig);
    await node.daemon.apply(model.render() ?? '');
    await routesBecome(routerKernel, ROUTER_ROUTES);

    model.update({ kind: 'BlockAffinity', name: 'block-v6', resource: undefined });
    await node.daemon.apply(model.render() ?? '');
    await routesBecome(routerKernel, ROUTER_ROUTES.slice(0, 1));
    await routesBecome(nodeKernel, NODE_ROUTES.slice(0, 2));

    model.update(resource('IPPool', 'pods', { cidr: '10.244.0.0/16', vxlanMode: 'Always' }));
    await node.daemon.apply(model.render() ?? '');
    await routesBecome(nodeKernel, []);
  }, 40_000);
});
