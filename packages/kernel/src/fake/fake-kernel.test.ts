import { expect, test } from 'bun:test';
import { addr, cidr } from '@calico/ip';
import type { KernelEvent } from '../kernel.ts';
import { FakeMachine, fakeKernel } from './index.ts';

test('failNext makes the next call fail with that errno, once, and changes nothing', () => {
  const kernel = fakeKernel();
  kernel.failNext('createLink', 'ENOMEM');
  kernel.failNext('createLink', 'EBUSY');
  const create = () => kernel.createLink({ kind: 'bridge', name: 'br0' });
  expect(create).toThrow('Cannot create bridge link br0: kernel answered ENOMEM');
  expect(create).toThrow('EBUSY');
  expect(kernel.links()).toHaveLength(1);
  expect(create().name).toBe('br0');
});

test('dump shows all state as sorted text', () => {
  const kernel = fakeKernel();
  const { index } = kernel.createLink({
    kind: 'veth',
    name: 'cali1',
    mac: 'ee:ee:ee:ee:ee:ee',
    mtu: 1450,
    up: true,
    peer: { name: 'eth0', mac: '02:00:00:00:aa:01' },
  });
  const local = addr('172.16.0.1');
  const mac = '66:00:00:00:00:01';
  const vxlan = kernel.createLink({ kind: 'vxlan', name: 'vxlan.calico', vni: 4096, port: 4789, local, mac });
  kernel.replaceAddress({ link: vxlan.index, address: cidr('10.65.0.0/32'), scope: 'universe' });
  const felix = { table: 254, protocol: 80 } as const;
  kernel.replaceRoute({ ...felix, destination: cidr('10.65.0.5/32'), scope: 'link', type: 'unicast', link: index });
  kernel.replaceRoute({ ...felix, destination: cidr('10.65.0.0/26'), scope: 'universe', type: 'blackhole' });
  const remote = addr('172.16.0.2');
  kernel.replaceFdb({ link: vxlan.index, mac: '66:00:00:00:00:02', remote });
  kernel.replaceNeighbour({ link: vxlan.index, address: addr('10.65.1.0'), mac: '66:00:00:00:00:02', permanent: true });
  kernel.setSysctl('net/ipv4/conf/cali1/proxy_arp', '1');
  expect(kernel.dump()).toBe(
    [
      'link 1 lo down mtu 65536 mac 00:00:00:00:00:00',
      'link 2 eth0 veth down mtu 1500 mac 02:00:00:00:aa:01 parent 3',
      'link 3 cali1 veth up mtu 1450 mac ee:ee:ee:ee:ee:ee parent 2',
      'link 4 vxlan.calico vxlan down mtu 1500 mac 66:00:00:00:00:01 vni 4096 port 4789 local 172.16.0.1',
      'address 10.65.0.0/32 link 4 scope universe',
      'route 10.65.0.5/32 link 3 table 254 protocol 80 scope link',
      'route blackhole 10.65.0.0/26 table 254 protocol 80 scope universe',
      'neighbour 10.65.1.0 link 4 mac 66:00:00:00:00:02 permanent',
      'fdb 66:00:00:00:00:02 remote 172.16.0.2 link 4',
      'sysctl net/ipv4/conf/cali1/proxy_arp = 1',
      '',
    ].join('\n'),
  );
});

test('connections put into the fake are listed and deleted by original and reply source', () => {
  const kernel = fakeKernel();
  const [pod, peer, service] = [addr('10.65.0.1'), addr('10.65.0.2'), addr('10.96.0.1')];
  kernel.track({
    original: { source: peer, destination: service, protocol: 6 },
    reply: { source: pod, destination: peer, protocol: 6 },
  });
  expect(kernel.conntrack.list(pod)).toHaveLength(1);
  expect(kernel.conntrack.list(service)).toHaveLength(0);
  expect(kernel.conntrack.deleteByAddresses([pod])).toBe(1);
  expect(kernel.conntrack.list()).toEqual([]);
});

test('overrun is told to every subscriber', async () => {
  const kernel = fakeKernel();
  const heard = Promise.withResolvers<KernelEvent>();
  kernel.subscribe(['route'], heard.resolve);
  kernel.overrun();
  expect(await heard.promise).toEqual({ kind: 'overrun' });
});

test('a change of a table is told when another handle makes it', async () => {
  const kernel = fakeKernel();
  const table = { family: 'inet', name: 'shared' } as const;
  const heard: KernelEvent[] = [];
  kernel.subscribe(['table'], event => heard.push(event));
  kernel.nftables.transaction(table, [{ op: 'addTable' }]);
  kernel.nftables.another().transaction(table, [{ op: 'addChain', chain: { name: 'theirs' } }]);
  expect(() => kernel.nftables.another().transaction(table, [{ op: 'deleteChain', name: 'none' }])).toThrow('ENOENT');
  await Promise.resolve();
  expect(heard).toEqual([{ kind: 'table', table }]);
  expect(kernel.nftables.isOwner(table)).toBe(false);
});

test('the namespaces of a machine are found by path and are its own', () => {
  const machine = new FakeMachine();
  const namespace = machine.createNamespace('/run/netns/a');
  expect(() => machine.createNamespace('/run/netns/a')).toThrow('EEXIST');
  expect(() => machine.openNamespace('/run/netns/b')).toThrow('ENOENT');
  machine.inNamespace(namespace, () => machine.openKernel().createLink({ kind: 'bridge', name: 'br0' }));
  expect(machine.openKernel({ namespace }).link('br0')?.kind).toBe('bridge');
  expect(machine.openKernel().link('br0')).toBeUndefined();
  expect(() => new FakeMachine().openKernel({ namespace })).toThrow('not a namespace of this machine');
  machine.deleteNamespace('/run/netns/a');
  expect(() => machine.deleteNamespace('/run/netns/a')).toThrow('ENOENT');
});
