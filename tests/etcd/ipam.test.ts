import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'bun:test';
import { BlockAffinity, IPAMBlock, IPAMHandle, IPPool } from '@calico/api';
import { type EtcdClient, etcdClient } from '@calico/datastore/etcd';
import { printCidr } from '@calico/ip';
import { Ipam } from '@calico/ipam';
import { ClockFake, seededRandom } from '@calico/reconcile';
import { describeEtcd } from './describe-etcd.ts';
import { EtcdServer } from './etcd-server.ts';

describeEtcd('IPAM on etcd', () => {
  let server: EtcdServer;
  const clients: EtcdClient[] = [];
  beforeAll(async () => {
    server = await EtcdServer.start();
  });
  afterAll(async () => await server.stop());
  beforeEach(async () => {
    await server.ctl(['del', '/calico/', '--prefix']);
  });
  afterEach(() => {
    for (const client of clients.splice(0)) client.close();
  });

  function open(seed = 1): { client: EtcdClient; ipam: Ipam } {
    const client = etcdClient({ endpoints: [server.url] });
    clients.push(client);
    return { client, ipam: new Ipam({ client, clock: new ClockFake(), random: seededRandom(seed) }) };
  }

  async function makePool(client: EtcdClient, name: string, cidr: string, blockSize: number): Promise<void> {
    await client.create(IPPool, {
      apiVersion: IPPool.apiVersion,
      kind: 'IPPool',
      metadata: { name },
      spec: { cidr, blockSize },
    });
  }

  async function assign(ipam: Ipam, node: string, pod: string, ipv6 = 0): Promise<string[]> {
    const attributes = { namespace: 'default', node, pod };
    const request = {
      node,
      nodeLabels: {},
      handle: `net.${pod}`,
      attributes,
      ipv4: 1,
      ipv6,
      intendedUse: 'Workload' as const,
    };
    const given = await ipam.autoAssign(request);
    expect(given.notes).toEqual([]);
    return [...given.ipv4, ...given.ipv6].map(printCidr);
  }

  test('gives addresses out and takes them back, in the keys where Calico looks', async () => {
    const { client, ipam } = open();
    await makePool(client, 'four', '10.0.0.0/29', 29);
    await makePool(client, 'six', 'fd00::/64', 122);
    const [four, six] = await assign(ipam, 'node-1', 'a', 1);
    expect(four).toStartWith('10.0.0.');
    expect(six).toStartWith('fd00::');
    const keys = (await server.ctl(['get', '/calico/ipam/', '--prefix', '--keys-only'])).split('\n').filter(Boolean);
    const sixBlock = (await client.list(IPAMBlock)).items.map(({ spec }) => spec.cidr).find(cidr => cidr.includes(':'));
    const sixKey = sixBlock?.replace('/', '-');
    expect(keys).toEqual([
      '/calico/ipam/v2/assignment/ipv4/block/10.0.0.0-29',
      `/calico/ipam/v2/assignment/ipv6/block/${sixKey}`,
      '/calico/ipam/v2/handle/net.a',
      '/calico/ipam/v2/host/node-1/ipv4/block/10.0.0.0-29',
      `/calico/ipam/v2/host/node-1/ipv6/block/${sixKey}`,
    ]);
    expect(await ipam.check()).toEqual([]);
    await ipam.releaseByHandle('net.a');
    expect((await client.list(IPAMHandle)).items).toEqual([]);
    expect(await ipam.check()).toEqual([]);
    expect(await assign(ipam, 'node-1', 'b')).not.toEqual([four ?? '']);
  });

  test('two nodes at once never get the same address, and every handle gives back what it had', async () => {
    const one = open(1);
    const two = open(2);
    await makePool(one.client, 'pool', '10.0.0.0/24', 29);
    const pods = Array.from({ length: 20 }, (_, i) => `pod-${i}`);
    const given = await Promise.all(
      pods.map((pod, i) => (i % 2 === 0 ? assign(one.ipam, 'node-1', pod) : assign(two.ipam, 'node-2', pod))),
    );
    expect(new Set(given.flat()).size).toBe(pods.length);
    expect(await one.ipam.check()).toEqual([]);
    await Promise.all(pods.map(pod => two.ipam.releaseByHandle(`net.${pod}`)));
    expect((await one.client.list(IPAMHandle)).items).toEqual([]);
    expect(await one.ipam.check()).toEqual([]);
    const affinities = (await one.client.list(BlockAffinity)).items;
    expect(new Set(affinities.map(({ spec }) => spec.node))).toEqual(new Set(['node-1', 'node-2']));
  });

  test('a handle of capital letters, which a Calico wrote, is released by another process', async () => {
    const { client, ipam } = open();
    await makePool(client, 'pool', '10.0.0.0/29', 29);
    await assign(ipam, 'node-1', 'A-Pod');
    await open(2).ipam.releaseByHandle('net.A-Pod');
    expect((await client.list(IPAMHandle)).items).toEqual([]);
    expect(await ipam.check()).toEqual([]);
  });
});
