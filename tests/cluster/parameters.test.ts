import { afterAll, beforeAll, expect, test } from 'bun:test';
import { workloadInterfaceName } from '@calico/api';
import { type DataplaneConfig, defaultDataplaneConfig } from '@calico/dataplane';
import { addr, hostCidr } from '@calico/ip';
import { fillThreadPool, inNamespace, openKernel } from '@calico/kernel/linux';
import { probeTcp } from '@calico/lab';
import { TestCluster } from './cluster.ts';
import { isolated, podOf } from './manifests.ts';

const pod = (name: string, ip: string) =>
  podOf(name, [ip], { 'cni.projectcalico.org/allowedSourcePrefixes': '["203.0.113.0/24"]' });

let cluster: TestCluster;
beforeAll(async () => {
  await fillThreadPool();
  cluster = new TestCluster({ nodes: 1, encapsulation: 'none' });
  const names = ['client', 'web', 'isolated'];
  for (const [i, name] of names.entries()) {
    const ip = cluster.podAddress('node1', i);
    cluster.addPod(`default/${name}`, 'node1', ip, workloadInterfaceName('default', name));
    cluster.apply([pod(name, ip)]);
  }
  cluster.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } }, isolated]);
  cluster.write();
});
afterAll(() => cluster.close());

/** Has the node follow other parameters, live. */
function reconfigure(change: Partial<DataplaneConfig>): void {
  const [node] = cluster.nodes;
  node?.dataplane.reconfigure({ ...defaultDataplaneConfig, nodeName: 'node1', ...change });
  cluster.write();
}
const namespaceOf = (name: string) => cluster.pod(`default/${name}`).namespace;

/** Gives a pod further addresses inside its namespace, as its owner may. */
function assign(name: string, addresses: readonly string[]): void {
  const inside = openKernel({ namespace: namespaceOf(name) });
  const link = inside.link('eth0')?.index ?? -1;
  for (const address of addresses) {
    inside.replaceAddress({ link, address: hostCidr(addr(address)), scope: 'universe' });
  }
  inside.close();
}

/** A UDP socket in a pod's namespace, bound to one of its addresses. */
async function udp(name: string, hostname: string, port: number, onData: (text: string) => void = () => {}) {
  const { opening } = inNamespace(namespaceOf(name), () => ({
    opening: Bun.udpSocket({ hostname, port, socket: { data: (_, bytes) => onData(bytes.toString()) } }),
  }));
  return await opening;
}

test('a pod sends from the addresses that it asks for where that is allowed, and from no others', async () => {
  const [allowed, other] = ['203.0.113.5', '203.0.114.5'];
  const [own, web] = [cluster.podAddress('node1', 0), cluster.podAddress('node1', 1)];
  assign('client', [allowed, other]);
  const seen = new Set<string>();
  const receiver = await udp('web', web, 8125, text => seen.add(text));
  const senders = await Promise.all([own, allowed, other].map(address => udp('client', address, 0)));
  let round = 0;
  /** Which of the senders arrive; those that should are waited for longer than those that should not. */
  const arriving = async (wanted: readonly boolean[]) => {
    round++;
    const has = () => wanted.map((_, i) => seen.has(`${round}/${i}`));
    for (const start = performance.now(); performance.now() < start + 5_000; await Bun.sleep(5)) {
      for (const [i, sender] of senders.entries()) sender.send(`${round}/${i}`, 8125, web);
      if (performance.now() > start + 200 && String(has()) === String(wanted)) break;
    }
    return has();
  };
  try {
    for (const { change, wanted } of [
      { change: {}, wanted: [true, false, false] },
      { change: { sourceSpoofing: 'Any' }, wanted: [true, true, false] },
      { change: {}, wanted: [true, false, false] },
    ] as const) {
      reconfigure(change);
      expect(await arriving(wanted)).toEqual([...wanted]);
    }
  } finally {
    for (const socket of [receiver, ...senders]) socket.close();
  }
}, 30_000);

test('a denied connection is told so where that is asked for', async () => {
  const probe = async (patience: number) => {
    const target = { from: namespaceOf('client'), address: addr(cluster.podAddress('node1', 2)), port: 80 };
    return (await probeTcp([target], patience))[0];
  };
  expect(await probe(200)).toBe('silent');
  reconfigure({ denyAction: 'reject' });
  expect(await probe(5_000)).toBe('refused');
  reconfigure({});
  expect(await probe(200)).toBe('silent');
});
