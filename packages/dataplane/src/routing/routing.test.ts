import { beforeEach, describe, expect, test } from 'bun:test';
import type { Message, RouteInfo, Vtep } from '@calico/calc';
import { addr, cidr } from '@calico/ip';
import { type Kernel, printFdbEntry, printNeighbour, printRoute } from '@calico/kernel';
import { type FakeKernel, fakeKernel } from '@calico/kernel/fake';
import { defaultDataplaneConfig } from '../dataplane-config.ts';
import { endpoint, program } from '../testing/builders.ts';
import { Routing } from './routing.ts';
import type { RoutingConfig } from './routing-config.ts';

const config: RoutingConfig = { ...defaultDataplaneConfig, nodeName: 'node1' };
let kernel: FakeKernel;
let routing: Routing;

beforeEach(() => {
  kernel = fakeKernel();
  const eth0 = kernel.createLink({ kind: 'dummy', name: 'eth0', mtu: 1500, up: true });
  for (const address of ['172.16.0.1/24', 'fd16::1/64']) {
    kernel.replaceAddress({ link: eth0.index, address: cidr(address), scope: 'universe' });
  }
  routing = new Routing(kernel, config);
});

const indexOf = (name: string, of: Kernel = kernel) => of.link(name)?.index ?? -1;
const changed = (name: string) => routing.linkChanged({ index: indexOf(name), name });
const pod = (name: string) => kernel.createLink({ kind: 'dummy', name, up: true });
const apply = (...messages: readonly Message[]): number => {
  for (const message of messages) routing.handle(message);
  return routing.apply();
};

/** The routes of the main table as text, links by their names, without those that the kernel makes for addresses. */
function routes(): string[] {
  return kernel
    .routes({ table: 254 })
    .filter(route => route.protocol !== 2)
    .map(route =>
      printRoute(route)
        .replace(/link (\d+)/, (_, index) => `link ${kernel.link(Number(index))?.name}`)
        .replace(' table 254', ''),
    )
    .sort();
}

const podAt = (name: string, ipv4: string[], ipv6: string[] = []): Message => ({
  kind: 'endpointUpdate',
  id: `default/${name}`,
  endpoint: endpoint(name, program([]), { ipv4, ipv6 }),
});
const gone = (name: string): Message => ({ kind: 'endpointRemove', id: `default/${name}` });
const routeTo = (info: Partial<RouteInfo> & { cidr: string }): Message => ({
  kind: 'routeUpdate',
  route: {
    type: 'remoteWorkload',
    poolType: 'vxlan',
    node: 'node2',
    nodeIp: '172.16.0.2',
    sameSubnet: false,
    natOutgoing: false,
    borrowed: false,
    block: false,
    ...info,
  },
});
const vtep = (node: string, number: number, change: Partial<Vtep> = {}): Message => ({
  kind: 'vtepUpdate',
  vtep: {
    node,
    mac: `66:00:00:00:00:0${number}`,
    ipv4: `10.244.${number}.1`,
    parentIpv4: `172.16.0.${number}`,
    ...change,
  },
});
const pool = (cidr: string, vxlanMode: 'Always' | 'Never' = 'Always'): Message => ({
  kind: 'poolUpdate',
  pool: { cidr, vxlanMode, ipipMode: 'Never', natOutgoing: true, allowedUses: ['Workload', 'Tunnel'] },
});
const host: Message = { kind: 'hostUpdate', host: { name: 'node1', ipv4: '172.16.0.1', ipv6: 'fd16::1' } };
const overlay = [host, pool('10.244.0.0/16'), vtep('node1', 1), vtep('node2', 2), vtep('node3', 3)];

test('an interface that went down a moment ago keeps no other back, and has its route again once it is up', () => {
  pod('cali1');
  pod('cali2');
  apply(podAt('cali1', ['10.0.0.1/32']));
  const { index } = kernel.link('cali1') ?? { index: -1 };
  kernel.setLink(index, { up: false });
  routing.resync();
  apply(podAt('cali2', ['10.0.0.2/32']));
  expect(routes()).toEqual([expect.stringContaining('10.0.0.2/32 link cali2')]);
  kernel.setLink(index, { up: true });
  changed('cali1');
  apply();
  expect(routes()).toHaveLength(2);
});

describe('workloads', () => {
  test('have a route straight to their interface, in both families', () => {
    pod('calia');
    expect(apply(podAt('calia', ['10.244.1.5/32'], ['fd00::5/128']))).toBe(2);
    expect(routes()).toEqual([
      '10.244.1.5/32 link calia protocol 3 scope link metric 1024',
      'fd00::5/128 link calia protocol 3 scope universe metric 1024',
    ]);
    expect(apply()).toBe(0);
    apply(gone('calia'));
    expect(routes()).toEqual([]);
  });

  test('have routes for their floating IPs where these are in use, but not for what is somebody’s address', () => {
    pod('calia');
    const floatingIps = [
      { external: '192.0.2.1/32', internal: '10.244.1.5/32' },
      { external: '2001:db8::1/128', internal: 'fd00::5/128' },
    ];
    const own = { ipv4: ['10.244.1.5/32'], ipv6: ['fd00::5/128'] };
    apply({
      kind: 'endpointUpdate',
      id: 'default/calia',
      endpoint: endpoint('calia', program([]), { ...own, floatingIps }),
    });
    const ofPod = [
      '10.244.1.5/32 link calia protocol 3 scope link metric 1024',
      'fd00::5/128 link calia protocol 3 scope universe metric 1024',
    ];
    const floating = [
      '192.0.2.1/32 link calia protocol 3 scope link metric 1024',
      '2001:db8::1/128 link calia protocol 3 scope universe metric 1024',
    ] as const;
    expect(routes()).toEqual(ofPod);
    routing.reconfigure({ ...config, floatingIps: true });
    apply();
    expect(routes()).toEqual([...ofPod, ...floating].sort());
    const host = routeTo({ cidr: '192.0.2.1/32', type: 'remoteHost' });
    apply(host);
    expect(routes()).toEqual([...ofPod, floating[1]].sort());
    apply({ kind: 'routeRemove', cidr: '192.0.2.1/32' });
    expect(routes()).toEqual([...ofPod, ...floating].sort());
    routing.reconfigure(config);
    apply();
    expect(routes()).toEqual(ofPod);
    routing.reconfigure({ ...config, floatingIps: true });
    apply(gone('calia'), host);
    expect(routes()).toEqual([]);
  });

  test('that ask for one floating IP: the lower name has the route, then the other', () => {
    routing.reconfigure({ ...config, floatingIps: true });
    for (const name of ['calib', 'calia']) {
      pod(name);
      const own = name === 'calia' ? '10.244.1.5/32' : '10.244.1.6/32';
      const floatingIps = [{ external: '192.0.2.1/32', internal: own }];
      const asking = endpoint(name, program([]), { ipv4: [own], floatingIps });
      apply({ kind: 'endpointUpdate', id: `default/${name}`, endpoint: asking });
    }
    const way = () => routes().find(route => route.startsWith('192.0.2.1/32'));
    expect(way()).toContain('link calia');
    apply(gone('calia'));
    expect(way()).toContain('link calib');
  });

  test('have none while they are not active or their interface is down', () => {
    const { index } = pod('calia');
    kernel.setLink(index, { up: false });
    apply(podAt('calia', ['10.244.1.5/32']));
    expect(routes()).toEqual([]);
    kernel.setLink(index, { up: true });
    changed('calia');
    apply();
    expect(routes()).toHaveLength(1);
    const inactive = endpoint('calia', program([]), { ipv4: ['10.244.1.5/32'], active: false });
    apply({ kind: 'endpointUpdate', id: 'default/calia', endpoint: inactive });
    expect(routes()).toEqual([]);
  });

  test('get theirs when the interface comes later', () => {
    expect(apply(podAt('calia', ['10.244.1.5/32']))).toBe(0);
    pod('calia');
    changed('calia');
    expect(apply()).toBe(1);
    expect(routes()).toHaveLength(1);
  });

  test('get theirs back when the interface was down for a moment', () => {
    const { index } = pod('calia');
    apply(podAt('calia', ['10.244.1.5/32']));
    const before = routes();
    kernel.setLink(index, { up: false });
    kernel.setLink(index, { up: true });
    expect(routes()).toEqual([]);
    changed('calia');
    apply();
    expect(routes()).toEqual(before);
  });

  test('get theirs on the new interface of the same name', () => {
    kernel.deleteLink(pod('calia').index);
    pod('calia');
    apply(podAt('calia', ['10.244.1.5/32']));
    kernel.deleteLink(indexOf('calia'));
    pod('calia');
    changed('calia');
    apply();
    expect(routes()).toEqual(['10.244.1.5/32 link calia protocol 3 scope link metric 1024']);
  });

  test.each([
    { name: 'the new pod first', order: ['update', 'remove'] },
    { name: 'the old pod’s end first', order: ['remove', 'update'] },
  ])('hand an address over within one apply, $name', ({ order }) => {
    pod('calia');
    pod('calib');
    apply(podAt('calia', ['10.244.1.5/32']));
    const messages = { update: podAt('calib', ['10.244.1.5/32']), remove: gone('calia') };
    apply(...order.map(step => messages[step as 'update' | 'remove']));
    expect(routes()).toEqual(['10.244.1.5/32 link calib protocol 3 scope link metric 1024']);
  });

  test.each([
    ['calia', 'calib'],
    ['calib', 'calia'],
  ])('that claim one address: the lower name has it, told in the order %s, %s', (first, second) => {
    for (const name of [first, second]) pod(name);
    apply(podAt(first, ['10.244.1.5/32']));
    apply(podAt(second, ['10.244.1.5/32']));
    expect(routes()).toEqual(['10.244.1.5/32 link calia protocol 3 scope link metric 1024']);
    apply(gone('calia'));
    expect(routes()).toEqual(['10.244.1.5/32 link calib protocol 3 scope link metric 1024']);
  });
});

describe('blocks and nodes', () => {
  const cases: { name: string; info: Partial<RouteInfo>; change?: Partial<RoutingConfig>; route: string[] }[] = [
    {
      name: 'a block of this node is a black hole',
      info: { type: 'localWorkload', node: 'node1', block: true },
      route: ['blackhole 10.244.9.0/26 protocol 80 scope universe metric 1024'],
    },
    { name: 'a local part that is no block has none', info: { type: 'localWorkload', node: 'node1' }, route: [] },
    {
      name: 'another node’s block goes through its tunnel',
      info: {},
      route: ['10.244.9.0/26 via 10.244.2.1 link vxlan.calico onlink protocol 3 scope universe metric 1024'],
    },
    {
      name: 'in the same subnet it goes straight to the node',
      info: { sameSubnet: true },
      route: ['10.244.9.0/26 via 172.16.0.2 link eth0 onlink protocol 80 scope universe metric 1024'],
    },
    { name: 'without encapsulation it is BIRD’s', info: { poolType: 'noencap' }, route: [] },
    {
      name: 'without encapsulation it is ours where the configuration says so',
      info: { poolType: 'noencap' },
      change: { programNoEncapRoutes: true },
      route: ['10.244.9.0/26 via 172.16.0.2 link eth0 onlink protocol 80 scope universe metric 1024'],
    },
    { name: 'of a node without a tunnel end it has none', info: { node: 'node9' }, route: [] },
    { name: 'outside of our pools it has none', info: { poolType: 'none' }, route: [] },
    { name: 'a node itself has none', info: { type: 'remoteHost' }, route: [] },
    { name: 'a pool has none', info: { type: 'pool' }, route: [] },
  ];
  test.each(cases)('$name', ({ info, change, route }) => {
    routing = new Routing(kernel, { ...config, ...change });
    apply(...overlay, routeTo({ cidr: '10.244.9.0/26', ...info }));
    expect(routes()).toEqual(route);
    expect(apply()).toBe(0);
    apply({ kind: 'routeRemove', cidr: '10.244.9.0/26' });
    expect(routes()).toEqual([]);
  });

  test('a tunnel’s own address is on the device', () => {
    apply(...overlay, routeTo({ cidr: '10.244.2.1/32', type: 'remoteTunnel' }));
    expect(routes()).toEqual(['10.244.2.1/32 link vxlan.calico protocol 3 scope link metric 1024']);
  });

  test('a route waits for the tunnel end of its node', () => {
    apply(...overlay.slice(0, 3), routeTo({ cidr: '10.244.9.0/26' }));
    expect(routes()).toEqual([]);
    apply(vtep('node2', 2));
    expect(routes()).toHaveLength(1);
    apply({ kind: 'vtepRemove', node: 'node2' });
    expect(routes()).toEqual([]);
  });

  test('a workload’s own route beats another node’s claim on its address', () => {
    pod('calia');
    apply(...overlay, routeTo({ cidr: '10.244.1.5/32' }), podAt('calia', ['10.244.1.5/32']));
    expect(routes()).toEqual(['10.244.1.5/32 link calia protocol 3 scope link metric 1024']);
    apply(gone('calia'));
    expect(routes()).toEqual([
      '10.244.1.5/32 via 10.244.2.1 link vxlan.calico onlink protocol 3 scope universe metric 1024',
    ]);
  });
});

describe('the VXLAN device', () => {
  const device = () => kernel.link('vxlan.calico');
  const ends = () => ({
    neighbours: kernel
      .neighbours({ link: device()?.index ?? -1 })
      .map(printNeighbour)
      .sort(),
    fdb: kernel
      .fdb(device()?.index ?? -1)
      .map(printFdbEntry)
      .sort(),
  });

  test('is made with this node’s end, and knows the others', () => {
    apply(...overlay);
    expect(device()).toMatchObject({
      kind: 'vxlan',
      up: true,
      mtu: 1450,
      mac: '66:00:00:00:00:01',
      parent: indexOf('eth0'),
      vxlan: { vni: 4096, port: 4789, local: addr('172.16.0.1'), learning: false },
    });
    const own = kernel.addresses(device()?.index).filter(a => a.scope !== 'link');
    expect(own.map(a => a.address)).toEqual([cidr('10.244.1.1/32')]);
    expect(ends().neighbours).toHaveLength(2);
    expect(ends().fdb).toHaveLength(2);
  });

  test('is left alone when nothing has changed', () => {
    apply(...overlay, routeTo({ cidr: '10.244.9.0/26' }));
    const before = kernel.dump();
    routing.resync();
    expect(apply()).toBe(0);
    const again = new Routing(kernel, config);
    for (const message of [...overlay, routeTo({ cidr: '10.244.9.0/26' })]) again.handle(message);
    expect(again.apply()).toBe(0);
    expect(kernel.dump()).toBe(before);
  });

  test.each([
    { name: 'another number', make: { kind: 'vxlan', vni: 1, port: 4789, local: addr('172.16.0.1') } },
    { name: 'another port', make: { kind: 'vxlan', vni: 4096, port: 8472, local: addr('172.16.0.1') } },
    { name: 'another local address', make: { kind: 'vxlan', vni: 4096, port: 4789, local: addr('172.16.0.9') } },
    { name: 'another kind', make: { kind: 'dummy' } },
  ] as const)('is made anew when there is one of $name', ({ make }) => {
    kernel.createLink({ name: 'vxlan.calico', mac: '66:00:00:00:00:01', ...make });
    const before = device()?.index;
    apply(...overlay, routeTo({ cidr: '10.244.9.0/26' }));
    expect(device()?.index).not.toBe(before);
    expect(device()).toMatchObject({ kind: 'vxlan', vxlan: { vni: 4096, port: 4789, local: addr('172.16.0.1') } });
    expect(routes()).toHaveLength(1);
  });

  test('is made anew with its routes when this node’s end has another MAC', () => {
    apply(...overlay, routeTo({ cidr: '10.244.9.0/26' }));
    apply(vtep('node1', 1, { mac: '66:00:00:00:00:0f' }));
    expect(device()?.mac).toBe('66:00:00:00:00:0f');
    expect(routes()).toHaveLength(1);
    expect(ends().fdb).toHaveLength(2);
  });

  test('keeps its index when only the MTU or the address is another', () => {
    apply(...overlay);
    const before = device()?.index;
    kernel.setLink(before ?? -1, { mtu: 1400, up: false });
    kernel.replaceAddress({ link: before ?? -1, address: cidr('10.9.9.9/32'), scope: 'universe' });
    routing.resync();
    apply(vtep('node1', 1, { ipv4: '10.244.1.77' }));
    expect(device()).toMatchObject({ index: before, mtu: 1450, up: true });
    const own = kernel.addresses(before).filter(a => a.scope !== 'link');
    expect(own.map(a => a.address)).toEqual([cidr('10.244.1.77/32')]);
  });

  test('forgets the ends of nodes that left, and follows those that moved', () => {
    apply(...overlay);
    apply({ kind: 'vtepRemove', node: 'node3' }, vtep('node2', 2, { parentIpv4: '172.16.0.22' }));
    expect(ends().neighbours).toHaveLength(1);
    expect(ends().neighbours[0]).toContain('10.244.2.1');
    expect(ends().fdb).toHaveLength(1);
    expect(ends().fdb[0]).toContain('172.16.0.22');
  });

  test('prunes what an earlier run left on it, at its first look', () => {
    apply(...overlay);
    const link = device()?.index ?? -1;
    kernel.replaceNeighbour({ link, address: addr('10.244.8.1'), mac: '66:00:00:00:00:08', permanent: true });
    kernel.replaceFdb({ link, mac: '66:00:00:00:00:08', remote: addr('172.16.0.8') });
    const clean = new Routing(kernel, config);
    for (const message of overlay) clean.handle(message);
    clean.apply();
    expect(ends().neighbours).toHaveLength(2);
    expect(ends().fdb).toHaveLength(2);
  });

  test('goes with the last pool that needs it', () => {
    apply(...overlay, routeTo({ cidr: '10.244.9.0/26' }));
    apply(pool('10.244.0.0/16', 'Never'));
    expect(device()).toBeUndefined();
    expect(routes()).toEqual([]);
  });

  test('comes when the node’s address does', () => {
    kernel.deleteAddress({ link: indexOf('eth0'), address: cidr('172.16.0.1/24') });
    apply(...overlay);
    expect(device()).toBeUndefined();
    kernel.replaceAddress({ link: indexOf('eth0'), address: cidr('172.16.0.1/24'), scope: 'universe' });
    changed('eth0');
    apply();
    expect(device()).toBeDefined();
  });

  test('is looked at again when an interface it needs changes, not when a pod’s one is renamed or deleted', () => {
    apply(...overlay);
    kernel.failNext('addresses', 'EIO');
    routing.linkChanged({ index: 77, name: 'gone77' });
    expect(apply()).toBe(0);
    changed('eth0');
    expect(() => apply()).toThrow('EIO');
    changed('vxlan.calico');
    expect(apply()).toBe(0);
  });

  test('of IPv6 has its own name and overhead', () => {
    const own = { macV6: '66:00:00:00:01:01', ipv6: 'fd44::1', parentIpv6: 'fd16::1' };
    apply(host, pool('fd44::/48'), { kind: 'vtepUpdate', vtep: { node: 'node1', ...own } });
    expect(kernel.link('vxlan-v6.calico')).toMatchObject({ mtu: 1430, mac: own.macV6 });
    expect(device()).toBeUndefined();
  });
});

describe('another configuration', () => {
  const reconfigure = (change: Partial<RoutingConfig>): number => {
    routing.reconfigure({ ...config, ...change });
    return routing.apply();
  };

  test.each([
    {
      name: 'another metric',
      change: { routePriority: 512 },
      after: '10.244.1.5/32 link calia protocol 3 scope link metric 512',
    },
    {
      name: 'another protocol',
      change: { deviceRouteProtocol: 80 },
      after: '10.244.1.5/32 link calia protocol 80 scope link metric 1024',
    },
    {
      name: 'a source address',
      change: { deviceRouteSource: '172.16.0.1' },
      after: '10.244.1.5/32 link calia protocol 3 scope link metric 1024 source 172.16.0.1',
    },
    {
      name: 'both another metric and another protocol',
      change: { deviceRouteProtocol: 80, routePriority: 512 },
      after: '10.244.1.5/32 link calia protocol 80 scope link metric 512',
    },
  ])('$name is given to routes to pods, nothing of the old one stays, and then back', ({ change, after }) => {
    pod('calia');
    apply(podAt('calia', ['10.244.1.5/32']));
    const before = routes();
    reconfigure(change);
    expect(routes()).toEqual([after]);
    reconfigure({});
    expect(routes()).toEqual(before);
    routing.resync();
    expect(routing.apply()).toBe(0);
  });

  test('follows each family’s own metric, source and MTU', () => {
    pod('calia');
    const own = { macV6: '66:00:00:00:01:01', ipv6: 'fd44::1', parentIpv6: 'fd16::1' };
    apply(host, pool('fd44::/48'), { kind: 'vtepUpdate', vtep: { node: 'node1', ...own } });
    apply(podAt('calia', ['10.244.1.5/32'], ['fd00::5/128']));
    reconfigure({ routePriorityV6: 7, deviceRouteSourceV6: 'fd16::1', vxlanMtu: 1300, vxlanMtuV6: 1200 });
    expect(routes()).toEqual([
      '10.244.1.5/32 link calia protocol 3 scope link metric 1024',
      'fd00::5/128 link calia protocol 3 scope universe metric 7 source fd16::1',
    ]);
    expect(kernel.link('vxlan-v6.calico')?.mtu).toBe(1200);
  });

  test('can leave routes alone, and take them up again', () => {
    pod('calia');
    pod('calib');
    apply(podAt('calia', ['10.244.1.5/32']));
    reconfigure({ routeSyncDisabled: true });
    apply(gone('calia'), podAt('calib', ['10.244.1.6/32']));
    expect(routes()).toEqual(['10.244.1.5/32 link calia protocol 3 scope link metric 1024']);
    reconfigure({});
    expect(routes()).toEqual(['10.244.1.6/32 link calib protocol 3 scope link metric 1024']);
  });

  test('writes the route of another metric before the old one goes', () => {
    pod('calia');
    apply(podAt('calia', ['10.244.1.5/32']));
    kernel.failNext('deleteRoute', 'EIO');
    expect(() => reconfigure({ routePriority: 512, deviceRouteProtocol: 80 })).toThrow('EIO');
    expect(routes()).toHaveLength(2);
    routing.apply();
    expect(routes()).toEqual(['10.244.1.5/32 link calia protocol 80 scope link metric 512']);
  });

  test('makes the VXLAN device anew with the routes over it, or only gives it another MTU', () => {
    apply(...overlay, routeTo({ cidr: '10.244.9.0/26' }));
    const before = routes();
    const first = kernel.link('vxlan.calico')?.index;
    reconfigure({ vxlanMtu: 1400 });
    expect(kernel.link('vxlan.calico')).toMatchObject({ index: first, mtu: 1400 });
    reconfigure({ vxlanPort: 4790, vxlanVni: 7 });
    expect(kernel.link('vxlan.calico')).toMatchObject({ mtu: 1450, vxlan: { port: 4790, vni: 7 } });
    expect(routes()).toEqual(before);
  });

  test('takes routes of pools without encapsulation over, and leaves them again', () => {
    apply(...overlay, routeTo({ cidr: '10.244.9.0/26', poolType: 'noencap' }));
    expect(reconfigure({ programNoEncapRoutes: true })).toBe(1);
    expect(routes()).toHaveLength(1);
    reconfigure({});
    expect(routes()).toEqual([]);
  });

  test('that is the same writes nothing', () => {
    pod('calia');
    apply(...overlay, podAt('calia', ['10.244.1.5/32']), routeTo({ cidr: '10.244.9.0/26' }));
    const before = kernel.dump();
    expect(reconfigure({})).toBe(0);
    expect(kernel.dump()).toBe(before);
  });
});

describe('what is not ours', () => {
  const main = { table: 254, scope: 'universe', type: 'unicast' } as const;

  test.each([
    { name: 'to interfaces of workloads too, where external routes are not removed', removeExternalRoutes: false },
    { name: 'but not to interfaces of workloads', removeExternalRoutes: true },
  ])('stays: routes of other protocols, $name', ({ removeExternalRoutes }) => {
    const onWorkload = removeExternalRoutes ? 0 : 1;
    routing = new Routing(kernel, { ...config, removeExternalRoutes });
    pod('calia');
    const foreign = [
      { ...main, destination: cidr('0.0.0.0/0'), protocol: 4, gateway: addr('172.16.0.254'), link: indexOf('eth0') },
      { ...main, destination: cidr('10.244.3.0/26'), protocol: 12, gateway: addr('172.16.0.3'), link: indexOf('eth0') },
      { ...main, destination: cidr('192.0.2.1/32'), protocol: 4, scope: 'link' as const, link: indexOf('calia') },
    ];
    for (const route of foreign) kernel.replaceRoute(route);
    apply(...overlay, podAt('calia', ['10.244.1.5/32']));
    expect(routes()).toHaveLength(3 + onWorkload);
    apply(gone('calia'));
    routing.resync();
    apply();
    expect(routes()).toHaveLength(2 + onWorkload);
  });

  test('goes: routes of an earlier run of ours that nobody asks for', () => {
    pod('calia');
    apply(...overlay);
    const stale = [
      { ...main, destination: cidr('10.244.7.0/26'), protocol: 80, type: 'blackhole' as const },
      { ...main, destination: cidr('10.244.1.8/32'), protocol: 3, scope: 'link' as const, link: indexOf('calia') },
      {
        ...main,
        destination: cidr('10.244.6.0/26'),
        protocol: 4,
        scope: 'link' as const,
        link: indexOf('vxlan.calico'),
      },
    ];
    for (const route of stale) kernel.replaceRoute(route);
    const again = new Routing(kernel, config);
    for (const message of overlay) again.handle(message);
    expect(again.apply()).toBe(3);
    expect(routes()).toEqual([]);
  });
});

describe('troubles', () => {
  test('a route that the kernel refuses keeps no other back, and is tried again', () => {
    for (const name of ['calia', 'calib']) pod(name);
    kernel.failNext('replaceRoute', 'ENOBUFS');
    expect(() => apply(podAt('calia', ['10.244.1.5/32']), podAt('calib', ['10.244.1.6/32']))).toThrow('ENOBUFS');
    expect(routes()).toHaveLength(1);
    expect(apply()).toBe(1);
    expect(routes()).toHaveLength(2);
  });

  test('a route that somebody removed comes back with a resync', () => {
    pod('calia');
    apply(podAt('calia', ['10.244.1.5/32']));
    kernel.deleteRoute({ destination: cidr('10.244.1.5/32'), table: 254 });
    expect(apply()).toBe(0);
    routing.resync();
    expect(apply()).toBe(1);
  });

  test('a route that somebody removed is no trouble when it is to go', () => {
    pod('calia');
    apply(podAt('calia', ['10.244.1.5/32']));
    kernel.deleteRoute({ destination: cidr('10.244.1.5/32'), table: 254 });
    expect(() => apply(gone('calia'))).not.toThrow();
  });

  test('a device that can’t be made is tried again', () => {
    kernel.failNext('createLink', 'ENOMEM');
    expect(() => apply(...overlay)).toThrow('ENOMEM');
    apply();
    expect(kernel.link('vxlan.calico')).toBeDefined();
  });
});
