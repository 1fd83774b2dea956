import { afterAll, beforeAll, expect, test } from 'bun:test';
import { isDeepStrictEqual } from 'node:util';
import { workloadInterfaceName } from '@calico/api';
import { defaultDataplaneConfig } from '@calico/dataplane';
import { addr, printAddr } from '@calico/ip';
import type { Kernel, Namespace } from '@calico/kernel';
import { fillThreadPool, inNamespace } from '@calico/kernel/linux';
import { TestCluster } from './cluster.ts';
import { isolated, podOf } from './manifests.ts';

const port = 8125;
const floating = {
  web: ['192.0.2.7', '2001:db8:7::7'],
  isolated: ['192.0.2.8', '2001:db8:7::8'],
  client: [],
} as const;
type PodName = keyof typeof floating;
const families = [4, 6] as const;

let cluster: TestCluster;
let echoes: readonly { close(): void }[];

const ipsOf = (name: PodName) => {
  const i = Object.keys(floating).indexOf(name);
  return [cluster.podAddress('node1', i), printAddr(addr(cluster.podAddress6('node1', i)))] as const;
};
const pod = (name: PodName) =>
  podOf(name, ipsOf(name), { 'cni.projectcalico.org/floatingIPs': JSON.stringify(floating[name]) });
const namespaceOf = (name: PodName) => cluster.pod(`default/${name}`).namespace;

async function until(what: string, holds: () => boolean): Promise<void> {
  for (const deadline = performance.now() + 20_000; !holds(); await Bun.sleep(5)) {
    if (performance.now() > deadline) throw new Error(`Waited in vain until ${what}`);
  }
}

type OnData = NonNullable<Bun.udp.SocketHandler<'buffer'>['data']>;

/** A UDP socket in a namespace; that there is no way to somewhere is no error. */
async function udp(namespace: Namespace, hostname: string, port: number, data: OnData) {
  const socket = { data, error: () => undefined };
  const { opening } = inNamespace(namespace, () => ({ opening: Bun.udpSocket({ hostname, port, socket }) }));
  return await opening;
}

beforeAll(async () => {
  await fillThreadPool();
  cluster = new TestCluster({ nodes: 1, encapsulation: 'none' });
  const names = ['web', 'isolated', 'client'] as const;
  for (const name of names) {
    const [ip, ip6] = ipsOf(name);
    cluster.addPod(`default/${name}`, 'node1', ip, workloadInterfaceName('default', name), ip6);
  }
  cluster.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } }, isolated]);
  cluster.apply(names.map(pod));
  cluster.write();
  await until('addresses are in use', () => cluster.isSettled());
  const receivers = (['web', 'isolated'] as const).flatMap(name =>
    ipsOf(name).map(ip => udp(namespaceOf(name), ip, port, (socket, _, to, from) => void socket.send(from, to, from))),
  );
  echoes = await Promise.all(receivers);
}, 30_000);

afterAll(() => {
  for (const echo of echoes ?? []) echo.close();
  cluster.close();
});

const kernel = (): Kernel => {
  const [node] = cluster.nodes;
  if (node === undefined) throw new Error('Cannot find the node');
  return node.kernel;
};

/** Has the node follow the parameter, live. */
function switchTo(floatingIps: boolean): void {
  for (const { dataplane } of cluster.nodes) {
    dataplane.reconfigure({ ...defaultDataplaneConfig, nodeName: 'node1', floatingIps });
  }
  cluster.write();
}

/**
 * New connections to floating IPs from everywhere: the source that the pod sees, for those that are answered from the floating
 * IP. Answers that are wanted are waited for longer than those that should not come.
 */
async function answered(wanted: Readonly<Record<string, string>>): Promise<Record<string, string>> {
  const flows = families.flatMap((family, i) => [
    { name: `client → web, IPv${family}`, from: namespaceOf('client'), to: floating.web[i] ?? '' },
    { name: `node → web, IPv${family}`, from: cluster.machine('node1'), to: floating.web[i] ?? '' },
    { name: `web → web, IPv${family}`, from: namespaceOf('web'), to: floating.web[i] ?? '' },
    { name: `client → isolated, IPv${family}`, from: namespaceOf('client'), to: floating.isolated[i] ?? '' },
  ]);
  // A source port that comes again begins no new connection while the old one is known.
  kernel().conntrack.flush();
  const seen: Record<string, string> = {};
  const senders = await Promise.all(
    flows.map(async ({ name, from, to }) => {
      const onData: OnData = (_, bytes, __, address) => {
        if (address === to) seen[name] = bytes.toString();
      };
      return { to, socket: await udp(from, to.includes(':') ? '::' : '0.0.0.0', 0, onData) };
    }),
  );
  try {
    for (const start = performance.now(); performance.now() < start + 5_000; await Bun.sleep(5)) {
      for (const { to, socket } of senders) socket.send('x', port, to);
      if (performance.now() > start + 200 && isDeepStrictEqual({ ...seen }, { ...wanted })) break;
    }
    return seen;
  } finally {
    for (const { socket } of senders) socket.close();
  }
}

/** What the answers to all flows but those to the isolated pod say. */
function toWeb(): Record<string, string> {
  const node = kernel().link('eth0')?.index;
  const ofNode = kernel()
    .addresses()
    .filter(({ link, scope }) => link === node && scope === 'universe');
  return Object.fromEntries(
    families.flatMap((family, i) => {
      const own = ofNode.find(({ address }) => address.addr.family === family);
      return [
        [`client → web, IPv${family}`, ipsOf('client')[i] ?? ''],
        [`node → web, IPv${family}`, own === undefined ? '' : printAddr(own.address.addr)],
        [`web → web, IPv${family}`, floating.web[i] ?? ''],
      ];
    }),
  );
}

/** What the kernel holds of floating IPs: elements of the maps by name, and routes. */
function traces(): string[] {
  const dump = kernel().nftables.dump({ family: 'inet', name: 'calico' });
  const maps = (dump?.sets ?? []).filter(({ set }) => set.name.includes('floating'));
  const all: readonly string[] = Object.values(floating).flat();
  const routes = kernel()
    .routes({ table: 254 })
    .map(({ destination }) => printAddr(destination.addr));
  return [
    ...maps.flatMap(({ set, elements }) => elements.map(() => set.name)),
    ...routes.filter(destination => all.includes(destination)),
  ].sort();
}

test('pods are reached by floating IPs from everywhere while they are switched on, as their policy says', async () => {
  expect(await answered({})).toEqual({});
  expect(traces()).toEqual([]);
  for (let round = 0; round < 2; round++) {
    switchTo(true);
    expect(await answered(toWeb())).toEqual(toWeb());
    switchTo(false);
    expect(await answered({})).toEqual({});
    expect(traces()).toEqual([]);
  }
  switchTo(true);
  cluster.remove([isolated]);
  cluster.write();
  const open = families.map((family, i) => [`client → isolated, IPv${family}`, ipsOf('client')[i] ?? '']);
  const all = { ...toWeb(), ...Object.fromEntries(open) };
  expect(await answered(all)).toEqual(all);
}, 60_000);

test('nothing is left of a floating IP when its pod has gone', () => {
  switchTo(true);
  const ofPod = (name: 'web' | 'isolated') => {
    const maps = families.flatMap(family => [`floating-ips-${family}`, `own-floating-ips-${family}`]);
    return [...maps, ...floating[name]];
  };
  expect(traces()).toEqual([...ofPod('web'), ...ofPod('isolated')].sort());
  cluster.remove([pod('web')]);
  cluster.write();
  expect(traces()).toEqual(ofPod('isolated').sort());
  cluster.remove([pod('isolated')]);
  cluster.write();
  expect(traces()).toEqual([]);
});
