import { describe, expect, test } from 'bun:test';
import type { Message } from '@calico/calc';
import { cidr } from '@calico/ip';
import type { Kernel } from '@calico/kernel';
import { createNamespace, deleteNamespace, fillThreadPool, openKernel } from '@calico/kernel/linux';
import { Dataplane } from './dataplane.ts';
import { type DataplaneConfig, defaultDataplaneConfig } from './dataplane-config.ts';
import {
  endpoint,
  icmp,
  ipPortSet,
  ipSet,
  nets,
  policy,
  ports,
  program,
  protocol,
  rule,
  tier,
} from './testing/builders.ts';

const isRoot = process.getuid?.() === 0;
const reason = isRoot ? '' : ' (skipped: needs root)';
const long = 'p'.repeat(253);
const longPolicy = `knp/${'n'.repeat(63)}/${long}`;

/** Every kind of match, names as long as the API allows. */
const world: Message[] = [
  { kind: 'ipSetUpdate', id: 's:a', type: 'net', members: ['10.0.0.1/32', '10.1.0.0/16', '0.0.0.0/1', 'fd00::/64'] },
  { kind: 'ipSetUpdate', id: 'n:a', type: 'ipPort', members: ['10.0.0.1,tcp:80', 'fd00::1,sctp:65535'] },
  {
    kind: 'policyUpdate',
    policy: policy(longPolicy, [
      rule('allow', [ipSet('source', 's:a'), ipSet('destination', 's:a', true)], 0),
      rule('pass', [protocol(6), ports('destination', ['80-90', '65535'], ['n:a'])], 1),
      rule('deny', [nets('source', ['10.0.0.0/12', '255.0.0.0/8', 'fd00::/8']), icmp(8, 0, true)], 2),
      rule('log', [ipPortSet('source', 'n:a', true), protocol(17, true)], 3),
    ]),
  },
  { kind: 'profileUpdate', profile: { id: long, ingress: [rule('allow')], egress: [rule('deny')] } },
  {
    kind: 'endpointUpdate',
    id: 'default/a',
    endpoint: endpoint('calia', program([tier(long, [longPolicy], 'pass')], [long]), { ipv6: ['fd00::1/128'] }),
  },
  { kind: 'inSync' },
];

function withKernel(work: (open: () => Kernel) => void): void {
  const path = `/run/netns/dataplane-test-${process.pid}`;
  const namespace = createNamespace(path);
  try {
    work(() => openKernel({ namespace }));
  } finally {
    namespace.close();
    deleteNamespace(path);
  }
}

const config: DataplaneConfig = { ...defaultDataplaneConfig, nodeName: 'node1' };

function start(kernel: Kernel, rulesInOrder: number): Dataplane {
  const dataplane = new Dataplane(kernel, config, { rulesInOrder });
  dataplane.handle(world);
  return dataplane;
}

/** Configurations that between them change everything. */
const changes: readonly Partial<DataplaneConfig>[] = [
  { interfacePrefixes: ['cali', 'tap'], endpointToHostAction: 'accept', denyAction: 'reject' },
  { disableConntrackInvalidCheck: true, sourceSpoofing: 'Any', externalNodes: ['192.0.2.0/24', 'fd00::/8'] },
  { natOutgoingAddress: '192.0.2.1', natPortRange: { first: 1000, last: 2000 } },
  { natPortRange: { first: 1000, last: 2000 }, natOutgoingExclusions: 'IPPoolsAndHostIPs', natInterfaceFilter: 'eth+' },
  { routePriority: 512, routePriorityV6: 7, deviceRouteProtocol: 80, natInterfaceFilter: 'eth0' },
  { deviceRouteSource: '172.16.0.1', deviceRouteSourceV6: 'fd16::1' },
  { vxlanPort: 4790, vxlanVni: 7, vxlanMtu: 1300, vxlanMtuV6: 1290, allowVxlanFromWorkloads: true },
  {},
];

/** A node with an overlay and one pod that asks for more source addresses. */
const node: Message[] = [
  { kind: 'hostUpdate', host: { name: 'node1', ipv4: '172.16.0.1', ipv6: 'fd16::1' } },
  ...['10.244.0.0/16', 'fd44::/48'].map((cidr): Message => {
    const pool = {
      cidr,
      vxlanMode: 'Always',
      ipipMode: 'Never',
      natOutgoing: true,
      allowedUses: ['Workload'],
    } as const;
    return { kind: 'poolUpdate', pool };
  }),
  {
    kind: 'vtepUpdate',
    vtep: {
      ...{ node: 'node1', mac: '66:00:00:00:00:01', ipv4: '10.244.1.1', parentIpv4: '172.16.0.1' },
      ...{ macV6: '66:00:00:00:01:01', ipv6: 'fd44::1', parentIpv6: 'fd16::1' },
    },
  },
  {
    kind: 'endpointUpdate',
    id: 'default/b',
    endpoint: endpoint('calib', program([]), {
      ipv4: ['10.244.1.5/32'],
      ipv6: ['fd44::5/128'],
      allowSpoofedSources: ['192.0.2.0/24', '198.51.100.0/25', 'fd99::/64'],
    }),
  },
];

describe('on Linux', () => {
  test.skipIf(!isRoot).each([
    { name: 'rules', rulesInOrder: 1000 },
    { name: 'lookups', rulesInOrder: 0 },
  ])(`written $name are read as equal, by a resync and by a restart${reason}`, async ({ rulesInOrder }) => {
    await fillThreadPool();
    withKernel(open => {
      const kernel = open();
      const dataplane = start(kernel, rulesInOrder);
      expect(dataplane.apply().rules).toBeGreaterThan(0);
      dataplane.resync();
      expect(dataplane.apply().rules).toBe(0);
      kernel.close();
      const again = open();
      expect(start(again, rulesInOrder).apply().rules).toBe(0);
      expect(again.nftables.dump({ family: 'inet', name: 'calico' })?.persist).toBe(true);
      again.nftables.transaction({ family: 'inet', name: 'calico' }, [{ op: 'deleteTable' }]);
      again.close();
    });
  });

  test.skipIf(!isRoot)(`a live change of configuration ends where a start with it does${reason}`, async () => {
    await fillThreadPool();
    withKernel(open => {
      const kernel = open();
      const eth0 = kernel.createLink({ kind: 'veth', name: 'eth0', peer: { name: 'eth0p' }, up: true });
      for (const text of ['172.16.0.1/24', 'fd16::1/64']) {
        kernel.replaceAddress({ link: eth0.index, address: cidr(text), scope: 'universe', noDad: text.includes(':') });
      }
      kernel.createLink({ kind: 'veth', name: 'calib', peer: { name: 'pod' }, up: true });
      let live = new Dataplane(kernel, config);
      live.handle([...world, ...node]);
      live.apply();
      for (const change of changes) {
        live.reconfigure({ ...config, ...change });
        live.apply();
        live.resync();
        expect(live.apply()).toEqual({ rules: 0, routes: 0 });
        live = new Dataplane(kernel, { ...config, ...change });
        live.handle([...world, ...node]);
        expect({ change, ...live.apply() }).toEqual({ change, rules: 0, routes: 0 });
      }
      kernel.nftables.transaction({ family: 'inet', name: 'calico' }, [{ op: 'deleteTable' }]);
      kernel.close();
    });
  });
});
