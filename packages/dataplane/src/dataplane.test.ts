import { beforeEach, describe, expect, test } from 'bun:test';
import type { Message } from '@calico/calc';
import { addr, cidr, printAddr } from '@calico/ip';
import { type FakeKernel, fakeKernel } from '@calico/kernel/fake';
import { Dataplane } from './dataplane.ts';
import { type DataplaneConfig, defaultDataplaneConfig } from './dataplane-config.ts';
import { endpoint, policy, program, rule, tier } from './testing/builders.ts';

const table = { family: 'inet', name: 'calico' } as const;
const config: DataplaneConfig = { ...defaultDataplaneConfig, nodeName: 'node1' };
let kernel: FakeKernel;
let dataplane: Dataplane;

beforeEach(() => {
  kernel = fakeKernel();
  dataplane = new Dataplane(kernel, config);
});

const apply = (...messages: readonly Message[]) => {
  dataplane.handle(messages);
  return dataplane.apply();
};
const inSync: Message = { kind: 'inSync' };
const open = program([tier('default', ['gnp/open'])]);
const openPolicy: Message = { kind: 'policyUpdate', policy: policy('gnp/open', [rule('allow')]) };
const podIs = (name: string, ipv4: string[], ipv6: string[] = []): Message => ({
  kind: 'endpointUpdate',
  id: `default/${name}`,
  endpoint: endpoint(name, open, { ipv4, ipv6 }),
});
const gone = (name: string): Message => ({ kind: 'endpointRemove', id: `default/${name}` });
const pool = (cidr: string, change: object = {}): Message => ({
  kind: 'poolUpdate',
  pool: { cidr, natOutgoing: true, vxlanMode: 'Never', ipipMode: 'Never', allowedUses: ['Workload'], ...change },
});
const host = (name: string, ipv4: string): Message => ({ kind: 'hostUpdate', host: { name, ipv4 } });
const elements = (set: string) =>
  kernel.nftables
    .elements(table, set)
    .map(({ key, keyEnd }) => [key, keyEnd ?? []].map(b => [...b].join('.')).join('-'));

describe('writing', () => {
  test('begins when the first state of the cluster is complete', () => {
    kernel.createLink({ kind: 'dummy', name: 'calia', up: true });
    const before = kernel.dump();
    expect(apply(openPolicy, podIs('calia', ['10.0.0.1/32']))).toEqual({ rules: 0, routes: 0 });
    expect(kernel.dump()).toBe(before);
    expect(kernel.nftables.dump(table)).toBeUndefined();
    const applied = apply(inSync);
    expect(applied.rules).toBeGreaterThan(0);
    expect(applied.routes).toBe(1);
    expect(apply()).toEqual({ rules: 0, routes: 0 });
  });

  test('puts rules before routes: without the rules no route', () => {
    kernel.createLink({ kind: 'dummy', name: 'calia', up: true });
    kernel.nftables.failNext('ENOMEM');
    expect(() => apply(openPolicy, podIs('calia', ['10.0.0.1/32']), inSync)).toThrow('ENOMEM');
    expect(kernel.routes({ table: 254 }).filter(route => route.protocol === 3)).toEqual([]);
    expect(apply().routes).toBe(1);
  });

  test('lets the kernel forward, again after somebody forbade it', () => {
    apply(inSync);
    expect(kernel.sysctl('net/ipv4/ip_forward')).toBe('1');
    expect(kernel.sysctl('net/ipv6/conf/all/forwarding')).toBe('1');
    kernel.setSysctl('net/ipv4/ip_forward', '0');
    dataplane.resync();
    apply();
    expect(kernel.sysctl('net/ipv4/ip_forward')).toBe('1');
  });

  test('does not need IPv6', () => {
    const { setSysctl } = kernel;
    kernel.setSysctl = (path, value) => {
      if (path.startsWith('net/ipv6/')) kernel.failNext('setSysctl', 'ENOENT');
      setSysctl.call(kernel, path, value);
    };
    expect(apply(inSync).rules).toBeGreaterThan(0);
  });

  test('resyncs: what is gone from the kernel comes back', () => {
    kernel.createLink({ kind: 'dummy', name: 'calia', up: true });
    apply(openPolicy, podIs('calia', ['10.0.0.1/32']), inSync);
    kernel.nftables.transaction(table, [{ op: 'deleteTable' }]);
    kernel.deleteRoute({ destination: cidr('10.0.0.1/32'), table: 254 });
    expect(apply()).toEqual({ rules: 0, routes: 0 });
    dataplane.resync();
    const applied = apply();
    expect(applied.rules).toBeGreaterThan(0);
    expect(applied.routes).toBe(1);
  });
});

describe('events', () => {
  test('a workload’s interface that comes later gets its route', () => {
    apply(openPolicy, podIs('calia', ['10.0.0.1/32']), inSync);
    const link = kernel.createLink({ kind: 'dummy', name: 'calia', up: true });
    dataplane.handleEvent({ kind: 'link', change: 'new', link });
    expect(apply().routes).toBe(1);
  });

  test('after an overrun routes are read anew', () => {
    kernel.createLink({ kind: 'dummy', name: 'calia', up: true });
    apply(openPolicy, podIs('calia', ['10.0.0.1/32']), inSync);
    kernel.deleteRoute({ destination: cidr('10.0.0.1/32'), table: 254 });
    dataplane.handleEvent({ kind: 'overrun' });
    expect(apply().routes).toBe(1);
  });
});

describe('another configuration', () => {
  const web = { source: addr('10.0.0.1'), destination: addr('10.0.0.9'), protocol: 6, destinationPort: 80 };
  const toHost = () =>
    kernel.nftables.classify('input', web, { iif: 'calia', fib: () => ({ type: 'local' as const }) }).verdict;

  beforeEach(() => {
    kernel.createLink({ kind: 'dummy', name: 'calia', up: true });
    apply(openPolicy, podIs('calia', ['10.0.0.1/32']), inSync);
  });

  test('is in force with the next write, in one transaction, and nothing else is written', () => {
    expect(toHost()).toBe('drop');
    dataplane.reconfigure({ ...config, endpointToHostAction: 'accept', routePriority: 512 });
    expect(toHost()).toBe('drop');
    const transactions = kernel.nftables.transaction;
    let count = 0;
    kernel.nftables.transaction = (name, ops) => {
      count++;
      transactions.call(kernel.nftables, name, ops);
    };
    expect(apply().routes).toBe(2);
    expect(count).toBe(1);
    expect(toHost()).toBe('accept');
    dataplane.reconfigure(config);
    apply();
    expect(toHost()).toBe('drop');
  });

  test('that is the same writes nothing', () => {
    dataplane.reconfigure({ ...config });
    expect(apply()).toEqual({ rules: 0, routes: 0 });
  });

  test('before the first state of the cluster is complete is written with it', () => {
    kernel = fakeKernel();
    dataplane = new Dataplane(kernel, config);
    dataplane.reconfigure({ ...config, endpointToHostAction: 'accept' });
    expect(apply()).toEqual({ rules: 0, routes: 0 });
    apply(openPolicy, podIs('calia', ['10.0.0.1/32']), inSync);
    expect(toHost()).toBe('accept');
  });
});

describe('sets of the base chains', () => {
  test('have the pools, the covered ones left out, those with NAT apart', () => {
    apply(pool('10.0.0.0/16'), pool('10.0.1.0/24'), pool('10.1.0.0/16', { natOutgoing: false }), inSync);
    expect(elements('ip-pools-4')).toEqual(['10.0.0.0-10.0.255.255', '10.1.0.0-10.1.255.255']);
    expect(elements('nat-outgoing-4')).toEqual(['10.0.0.0-10.0.255.255']);
    apply({ kind: 'poolRemove', cidr: '10.0.0.0/16' });
    expect(elements('ip-pools-4')).toEqual(['10.0.1.0-10.0.1.255', '10.1.0.0-10.1.255.255']);
    expect(elements('nat-outgoing-4')).toEqual(['10.0.1.0-10.0.1.255']);
  });

  test('leave pools of load balancers out', () => {
    apply(pool('10.9.0.0/16', { allowedUses: ['LoadBalancer'] }), pool('fd00::/48'), inSync);
    expect(elements('ip-pools-4')).toEqual([]);
    expect(elements('ip-pools-6')).toHaveLength(1);
  });

  test('have the networks of services as they were last told', () => {
    apply({ kind: 'serviceNets', nets: ['10.96.0.0/16', '203.0.113.7/32', 'fd96::/112'] }, inSync);
    expect(elements('service-nets-4')).toEqual(['10.96.0.0-10.96.255.255', '203.0.113.7-']);
    expect(elements('service-nets-6')).toHaveLength(1);
    apply({ kind: 'serviceNets', nets: ['10.97.0.0/16'] });
    expect([...elements('service-nets-4'), ...elements('service-nets-6')]).toEqual(['10.97.0.0-10.97.255.255']);
    apply({ kind: 'serviceNets', nets: [] });
    expect(elements('service-nets-4')).toEqual([]);
  });

  test('have the nodes', () => {
    apply(host('node1', '172.16.0.1'), host('node2', '172.16.0.2'), inSync);
    apply(host('node2', '172.16.0.22'), { kind: 'hostRemove', name: 'node1' });
    expect(elements('vxlan-hosts-4')).toEqual(['172.16.0.22-']);
  });

  test('keep an address that two nodes have until both are gone or have another', () => {
    apply(host('node1', '172.16.0.1'), host('node2', '172.16.0.1'), inSync);
    apply(host('node1', '172.16.0.11'));
    expect(elements('vxlan-hosts-4').sort()).toEqual(['172.16.0.1-', '172.16.0.11-']);
    apply({ kind: 'hostRemove', name: 'node2' });
    expect(elements('vxlan-hosts-4')).toEqual(['172.16.0.11-']);
  });

  test('are asked for VXLAN only while a pool uses it', () => {
    const packet = { source: addr('192.0.2.1'), destination: addr('172.16.0.1'), protocol: 17, destinationPort: 4789 };
    const fib = () => ({ type: 'local' as const });
    const fate = () => kernel.nftables.classify('input', packet, { iif: 'eth0', fib }).verdict;
    apply(pool('10.0.0.0/16'), inSync);
    expect(fate()).toBe('accept');
    apply(pool('10.0.0.0/16', { vxlanMode: 'Always' }));
    expect(fate()).toBe('drop');
    apply(pool('10.0.0.0/16'));
    expect(fate()).toBe('accept');
  });
});

describe('tracked connections', () => {
  const track = (source: string, destination: string) => {
    const ends = { source: addr(source), destination: addr(destination) };
    const original = { ...ends, protocol: 6, sourcePort: 40000, destinationPort: 80 };
    const reply = {
      source: ends.destination,
      destination: ends.source,
      protocol: 6,
      sourcePort: 80,
      destinationPort: 40000,
    };
    kernel.track({ original, reply });
  };
  const tracked = () =>
    kernel.conntrack.list().map(({ original }) => `${printAddr(original.source)} ${printAddr(original.destination)}`);

  beforeEach(() => {
    apply(openPolicy, podIs('calia', ['10.0.0.1/32'], ['fd00::1/128']), podIs('calib', ['10.0.0.2/32']), inSync);
    track('10.0.0.1', '192.0.2.1');
    track('192.0.2.1', '10.0.0.1');
    track('fd00::1', 'fd99::1');
    track('10.0.0.2', '192.0.2.1');
  });

  const ofB = ['10.0.0.2 192.0.2.1'];
  const ofA4 = ['10.0.0.1 192.0.2.1', '192.0.2.1 10.0.0.1'];
  const cases: { name: string; messages: Message[]; left: string[] }[] = [
    { name: 'go with the endpoint, both ways, both families', messages: [gone('calia')], left: ofB },
    {
      name: 'go with an address',
      messages: [podIs('calia', ['10.0.0.3/32'], ['fd00::1/128'])],
      left: ['fd00::1 fd99::1', ...ofB],
    },
    { name: 'stay while the address stays', messages: [podIs('calia', ['10.0.0.1/32'])], left: [...ofA4, ...ofB] },
    {
      name: 'go when another endpoint takes the address over',
      messages: [podIs('calib', ['10.0.0.1/32', '10.0.0.2/32'], ['fd00::1/128']), gone('calia')],
      left: ofB,
    },
    {
      name: 'stay when the endpoint comes back at once',
      messages: [gone('calia'), podIs('calia', ['10.0.0.1/32'], ['fd00::1/128'])],
      left: [...ofA4, 'fd00::1 fd99::1', ...ofB],
    },
  ];
  test.each(cases)('$name', ({ messages, left }) => {
    apply(...messages);
    dataplane.forgetConnections();
    expect(tracked()).toEqual(left);
  });

  test('go at once when the address has a new owner, later when it has none', () => {
    apply(gone('calia'));
    expect(tracked()).toHaveLength(4);
    apply(podIs('calib', ['10.0.0.1/32', '10.0.0.2/32']));
    expect(tracked()).toEqual(ofB);
  });

  test('go after the rules that would have let them pass, and later when those could not be written', () => {
    kernel.nftables.failNext('ENOMEM');
    dataplane.resync();
    expect(() => apply(gone('calia'))).toThrow('ENOMEM');
    expect(tracked()).toHaveLength(4);
    apply();
    expect(dataplane.hasStaleConnections).toBe(true);
    dataplane.forgetConnections();
    expect(dataplane.hasStaleConnections).toBe(false);
    expect(tracked()).toEqual(ofB);
  });
});
