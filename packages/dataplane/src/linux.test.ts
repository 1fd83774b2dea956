import { describe, expect, test } from 'bun:test';
import type { Message } from '@calico/calc';
import { cidr } from '@calico/ip';
import type { Kernel } from '@calico/kernel';
import { createNamespace, deleteNamespace, fillThreadPool, openKernel } from '@calico/kernel/linux';
import { closeWorkloads } from './closed-rules.ts';
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
import { reachableText } from './testing/ruleset-text.ts';

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

const table = { family: 'inet', name: 'calico' } as const;

/** Six pods with twelve policies of twelve sets, in which each generation is other than the one before. */
function largeWorld(generation: number): Message[] {
  const ids = Array.from({ length: 12 }, (_, i) => i);
  const sets = ids.map((i): Message => {
    const members = Array.from({ length: 50 }, (_, k) => `10.${generation}.${i}.${k}/32`);
    return { kind: 'ipSetUpdate', id: `s:${i}`, type: 'net', members };
  });
  const policies = ids.map((i): Message => {
    const from = rule('allow', [ipSet('source', `s:${i}`), protocol(6), ports('destination', [`${80 + generation}`])]);
    return { kind: 'policyUpdate', policy: policy(`gnp/p${i}`, [from, rule('deny', [protocol(17)], 1)]) };
  });
  const pods = ids.slice(0, 6).map((i): Message => {
    const names = ids.map(k => `gnp/p${(k + i + generation) % 12}`);
    return { kind: 'endpointUpdate', id: `d/${i}`, endpoint: endpoint(`cali${i}`, program([tier('default', names)])) };
  });
  return [...sets, ...policies, ...pods, { kind: 'inSync' }];
}

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
  { floatingIps: true },
  { vxlanPort: 4790, vxlanVni: 7, vxlanMtu: 1300, vxlanMtuV6: 1290, allowVxlanFromWorkloads: true },
  { serviceLoopPrevention: 'Reject' },
  { serviceLoopPrevention: 'Disabled' },
  {},
];

/** A node with an overlay and one pod that asks for more source addresses. */
const node: Message[] = [
  { kind: 'serviceNets', nets: ['10.96.0.0/16', '203.0.113.7/32', 'fd96::/112'] },
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
      floatingIps: [
        { external: '192.0.2.9/32', internal: '10.244.1.5/32' },
        { external: 'fd99::9/128', internal: 'fd44::5/128' },
      ],
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

  test.skipIf(!isRoot)(`rules that keep all pods closed are taken over by the first whole state${reason}`, async () => {
    await fillThreadPool();
    withKernel(open => {
      const kernel = open();
      kernel.createLink({ kind: 'veth', name: 'calib', peer: { name: 'pod' }, up: true });
      closeWorkloads(kernel, config);
      const closed = kernel.nftables.dump(table);
      closeWorkloads(kernel, config);
      expect(kernel.nftables.dump(table)).toEqual(closed);
      for (const rules of ['some', 'none']) {
        const dataplane = new Dataplane(kernel, config);
        dataplane.handle([...world, ...node]);
        expect(dataplane.apply().rules > 0).toBe(rules === 'some');
      }
      kernel.nftables.transaction(table, [{ op: 'deleteTable' }]);
      kernel.close();
    });
  });

  test.skipIf(!isRoot)(
    `changes in slices switch once each, while the table is compared in between${reason}`,
    async () => {
      await fillThreadPool();
      withKernel(open => {
        const kernel = open();
        const options = { rulesInOrder: 1000, batchLimit: 2048 };
        const dataplane = new Dataplane(kernel, { ...defaultDataplaneConfig, nodeName: 'node1' }, options);
        const reachable = () => reachableText(kernel.nftables.dump(table)).join('\n');
        let seen: string[] = [];
        const { transaction } = kernel.nftables;
        kernel.nftables.transaction = (name, ops) => {
          transaction.call(kernel.nftables, name, ops);
          seen.push(reachable());
        };
        let comparisons = 0;
        let comparison = dataplane.resyncInSteps('rules');
        for (let generation = 0; generation < 4; generation++) {
          dataplane.handle(largeWorld(generation));
          const before = reachable();
          seen = [];
          for (const _ of dataplane.applyInSteps());
          expect(seen.length).toBeGreaterThan(5);
          expect(new Set([before, ...seen]).size).toBe(2);
          expect(seen.at(-1)).not.toBe(before);
          // Never whole before the next change, but for the last.
          for (let i = 0; i < 15 || generation === 3; i++) {
            const { done, value } = comparison.next();
            if (!done) continue;
            expect(value).toBe(0);
            if (++comparisons > 1 && generation === 3) break;
            comparison = dataplane.resyncInSteps('rules');
          }
        }
        kernel.close();
        const again = open();
        const fresh = new Dataplane(again, { ...defaultDataplaneConfig, nodeName: 'node1' }, { rulesInOrder: 1000 });
        fresh.handle(largeWorld(3));
        expect(fresh.apply().rules).toBe(0);
        again.nftables.transaction(table, [{ op: 'deleteTable' }]);
        again.close();
      });
    },
    30_000,
  );
});
