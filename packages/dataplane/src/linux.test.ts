import { describe, expect, test } from 'bun:test';
import type { Message } from '@calico/calc';
import type { Kernel } from '@calico/kernel';
import { createNamespace, deleteNamespace, fillThreadPool, openKernel } from '@calico/kernel/linux';
import { Dataplane } from './dataplane.ts';
import { defaultDataplaneConfig } from './dataplane-config.ts';
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

function start(kernel: Kernel, rulesInOrder: number): Dataplane {
  const dataplane = new Dataplane(kernel, { ...defaultDataplaneConfig, nodeName: 'node1' }, { rulesInOrder });
  dataplane.handle(world);
  return dataplane;
}

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
});
