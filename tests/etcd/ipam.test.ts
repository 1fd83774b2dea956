import { afterEach, expect, test } from 'bun:test';
import { BlockAffinity, IPAMBlock, IPAMHandle, IPPool, parseJson, printJson } from '@calico/api';
import { type EtcdClient, etcdClient } from '@calico/datastore/etcd';
import { printCidr } from '@calico/ip';
import { Ipam } from '@calico/ipam';
import { ClockFake, seededRandom } from '@calico/reconcile';
import { describeEtcd } from './describe-etcd.ts';
import { useEtcd } from './use-etcd.ts';

describeEtcd('IPAM on etcd', () => {
  const server = useEtcd();
  const clients: EtcdClient[] = [];
  afterEach(() => {
    for (const client of clients.splice(0)) client.close();
  });

  function open(seed = 1): { client: EtcdClient; ipam: Ipam } {
    const client = etcdClient({ endpoints: [server().url] });
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
    const keys = (await server().ctl(['get', '/calico/ipam/', '--prefix', '--keys-only'])).split('\n').filter(Boolean);
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

  test('what a Calico wrote is read, changed, and written back unchanged but for the change', async () => {
    const { client, ipam } = open();
    await makePool(client, 'pool', '10.0.0.0/24', 29);
    // Sequence numbers beyond 2^53, an owner in a live migration, a field of old, one that we do not know.
    const block = {
      cidr: '10.0.0.8/29',
      affinity: 'host:node-1',
      affinity_claim_time: '2025-06-01T10:00:00Z',
      allocations: [0, null, 1, null, null, null, null, null],
      unallocated: [3, 4, 5, 6, 7, 1],
      attributes: [
        {
          handle_id: 'net.old',
          secondary: { namespace: 'shop', node: 'node-1', pod: 'cart-0', timestamp: '2025-06-01 10:00:01.5 +0000 UTC' },
        },
        { handle_id: 'net.vmi.shop.vm', secondary: { pod: 'source' }, alternateOwnerAttrs: { pod: 'target' } },
      ],
      sequenceNumber: 1748772000123456789n,
      sequenceNumberForAllocation: { '0': 1748772000123456781n, '2': 1748772000123456785n },
      deleted: false,
      hostAffinity: 'node-1',
      fieldOfTomorrow: { kept: true },
    };
    const key = '/calico/ipam/v2/assignment/ipv4/block/10.0.0.8-29';
    await server().ctl(['put', key], printJson(block));
    await server().ctl(
      ['put', '/calico/ipam/v2/host/node-1/ipv4/block/10.0.0.8-29'],
      '{"state":"confirmed","deleted":false}',
    );
    await server().ctl(['put', '/calico/ipam/v2/handle/net.old'], '{"block":{"10.0.0.8/29":1},"deleted":false}');
    await server().ctl(
      ['put', '/calico/ipam/v2/handle/net.vmi.shop.vm'],
      '{"block":{"10.0.0.8/29":1},"deleted":false}',
    );
    const read = async (path: string) => parseJson(await server().ctl(['get', path, '--print-value-only']));

    expect(await assign(ipam, 'node-1', 'new')).toEqual(['10.0.0.11/32']);
    const attribute = { handle_id: 'net.new', secondary: { namespace: 'default', node: 'node-1', pod: 'new' } };
    expect(await read(key)).toEqual({
      ...block,
      allocations: [0, null, 1, 2, null, null, null, null],
      unallocated: [4, 5, 6, 7, 1],
      attributes: [...block.attributes, attribute],
      sequenceNumber: 1748772000123456790n,
      sequenceNumberForAllocation: { ...block.sequenceNumberForAllocation, '3': 1748772000123456789n },
    });
    expect(await read('/calico/ipam/v2/handle/net.new')).toEqual({ block: { '10.0.0.8/29': 1 }, deleted: false });

    await ipam.releaseByHandle('net.old');
    expect(await read(key)).toEqual({
      ...block,
      allocations: [null, null, 0, 1, null, null, null, null],
      unallocated: [4, 5, 6, 7, 1, 0],
      attributes: [block.attributes[1], attribute],
      sequenceNumber: 1748772000123456791n,
      sequenceNumberForAllocation: { '2': 1748772000123456785n, '3': 1748772000123456789n },
    });
    expect(await ipam.check()).toEqual([]);
  });
});
