import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import {
  BlockAffinity,
  GlobalNetworkPolicy,
  IPAMBlock,
  IPAMConfiguration,
  IPAMHandle,
  IPPool,
  type Kind,
  kinds,
  NetworkPolicy,
  NetworkSet,
  Pod,
  parseJson,
  printJson,
  type Resource,
  WorkloadEndpoint,
} from '@calico/api';
import { keyOf } from '@calico/datastore';
import { type EtcdClient, etcdClient } from '@calico/datastore/etcd';
import { ClockFake, seededRandom } from '@calico/reconcile';
import { describeEtcd } from './describe-etcd.ts';
import { outcome } from './objects.ts';
import { useEtcd } from './use-etcd.ts';

/** An object as users see it, its key in etcd, and its value there as Calico writes it. */
interface Golden {
  readonly name: string;
  readonly kind: Kind;
  readonly metadata: Resource['metadata'];
  readonly spec: object;
  readonly key: string;
  readonly value: object;
}

const IPAM_ROOT = '/calico/ipam/v2';
const RESOURCES = '/calico/resources/v3/projectcalico.org';
const SEQUENCE = 1_767_323_045_000_000_001n;

/** The keys of Calico's etcd datastore, and the JSON of its IPAM there (field names of its Go types). */
const goldens: Golden[] = [
  {
    name: 'a cluster-wide resource',
    kind: IPPool,
    metadata: { name: 'pool-1' },
    spec: { cidr: '10.0.0.0/16' },
    key: `${RESOURCES}/ippools/pool-1`,
    value: { apiVersion: 'projectcalico.org/v3', kind: 'IPPool', spec: { cidr: '10.0.0.0/16', blockSize: 26 } },
  },
  {
    name: 'a resource of a namespace',
    kind: NetworkSet,
    metadata: { name: 'partners', namespace: 'shop' },
    spec: { nets: ['192.0.2.0/24'] },
    key: `${RESOURCES}/networksets/shop/partners`,
    value: { metadata: { name: 'partners', namespace: 'shop' }, spec: { nets: ['192.0.2.0/24'] } },
  },
  {
    name: 'a policy, by its bare name',
    kind: NetworkPolicy,
    metadata: { name: 'allow-web', namespace: 'shop', labels: { 'projectcalico.org/tier': 'default' } },
    spec: { tier: 'default', types: ['Ingress'] },
    key: `${RESOURCES}/networkpolicies/shop/allow-web`,
    value: { metadata: { name: 'allow-web' }, spec: { tier: 'default', types: ['Ingress'] } },
  },
  {
    name: 'an IPv4 block',
    kind: IPAMBlock,
    metadata: { name: '10-0-0-0-30' },
    spec: {
      cidr: '10.0.0.0/30',
      affinity: 'host:node-1',
      affinityClaimTime: '2026-01-02T03:04:05Z',
      allocations: [0, null, null, null],
      unallocated: [1, 2, 3],
      attributes: [{ handle_id: 'net.a', secondary: { node: 'node-1', pod: 'a' } }],
      sequenceNumber: SEQUENCE,
      sequenceNumberForAllocation: { '0': SEQUENCE },
      strictAffinity: false,
      deleted: false,
    },
    key: `${IPAM_ROOT}/assignment/ipv4/block/10.0.0.0-30`,
    value: {
      cidr: '10.0.0.0/30',
      affinity: 'host:node-1',
      affinity_claim_time: '2026-01-02T03:04:05Z',
      allocations: [0, null, null, null],
      unallocated: [1, 2, 3],
      attributes: [{ handle_id: 'net.a', secondary: { node: 'node-1', pod: 'a' } }],
      sequenceNumber: SEQUENCE,
      sequenceNumberForAllocation: { '0': SEQUENCE },
      deleted: false,
    },
  },
  {
    name: 'an IPv6 block without an owner',
    kind: IPAMBlock,
    metadata: { name: 'fd00---126' },
    spec: {
      cidr: 'fd00::/126',
      affinity: null,
      affinityClaimTime: null,
      allocations: [null, null, null, null],
      unallocated: [0, 1, 2, 3],
      attributes: [],
      sequenceNumber: 7,
      sequenceNumberForAllocation: {},
      strictAffinity: false,
      deleted: false,
    },
    key: `${IPAM_ROOT}/assignment/ipv6/block/fd00::-126`,
    value: {
      cidr: 'fd00::/126',
      affinity: null,
      allocations: [null, null, null, null],
      unallocated: [0, 1, 2, 3],
      attributes: [],
      sequenceNumber: 7,
      sequenceNumberForAllocation: {},
      deleted: false,
    },
  },
  {
    name: "a node's affinity",
    kind: BlockAffinity,
    metadata: { name: 'node-a-10-0-0-0-26' },
    spec: { state: 'confirmed', node: 'node-a', type: 'host', cidr: '10.0.0.0/26', deleted: false },
    key: `${IPAM_ROOT}/host/node-a/ipv4/block/10.0.0.0-26`,
    value: { state: 'confirmed', deleted: false },
  },
  {
    name: 'an affinity of IPv6',
    kind: BlockAffinity,
    metadata: { name: 'node-fd00-fd00---122' },
    spec: { state: 'pending', node: 'node-fd00', type: 'host', cidr: 'fd00::/122', deleted: false },
    key: `${IPAM_ROOT}/host/node-fd00/ipv6/block/fd00::-122`,
    value: { state: 'pending', deleted: false },
  },
  {
    name: 'an affinity of no node',
    kind: BlockAffinity,
    metadata: { name: 'load-balancer-10-0-0-64-26' },
    spec: { state: 'confirmed', node: 'load-balancer', type: 'virtual', cidr: '10.0.0.64/26', deleted: false },
    key: `${IPAM_ROOT}/virtual/load-balancer/ipv4/block/10.0.0.64-26`,
    value: { state: 'confirmed', deleted: false },
  },
  {
    name: 'an affinity of a node whose name is too long',
    kind: BlockAffinity,
    metadata: { name: `${'n'.repeat(228)}-10-0-0-0-26-f1d50507857` },
    spec: { state: 'confirmed', node: 'n'.repeat(250), type: 'host', cidr: '10.0.0.0/26', deleted: false },
    key: `${IPAM_ROOT}/host/${'n'.repeat(250)}/ipv4/block/10.0.0.0-26`,
    value: { state: 'confirmed', deleted: false },
  },
  {
    name: 'a handle, in its own case',
    kind: IPAMHandle,
    metadata: { name: 'net.abc' },
    spec: { handleID: 'Net.ABC', block: { '10.0.0.0/26': 1 }, deleted: false },
    key: `${IPAM_ROOT}/handle/Net.ABC`,
    value: { block: { '10.0.0.0/26': 1 }, deleted: false },
  },
  {
    name: 'the configuration of IPAM',
    kind: IPAMConfiguration,
    metadata: { name: 'default' },
    spec: { strictAffinity: true, autoAllocateBlocks: false, maxBlocksPerHost: 4 },
    key: `${IPAM_ROOT}/config`,
    value: { strict_affinity: true, auto_allocate_blocks: false, maxBlocksPerHost: 4 },
  },
];

describeEtcd('keys and values of etcdClient', () => {
  const server = useEtcd();
  let client: EtcdClient;
  beforeEach(async () => {
    client = etcdClient({ endpoints: [server().url] }, { clock: new ClockFake(), random: seededRandom(1) });
  });
  afterEach(() => client.close());

  const put = (key: string, value: unknown) => server().ctl(['put', key], printJson(value));
  const stored = async (key: string) => Object(parseJson(await server().ctl(['get', key, '--print-value-only'])));
  const keys = async () =>
    (await server().ctl(['get', '/calico/', '--prefix', '--keys-only'])).split('\n').filter(Boolean);

  for (const { name, kind, metadata, spec, key, value } of goldens) {
    const objectKey =
      metadata.namespace === undefined
        ? { name: metadata.name }
        : { name: metadata.name, namespace: metadata.namespace };
    const object: Resource = { apiVersion: kind.apiVersion, kind: kind.kind, metadata, spec };

    describe(name, () => {
      test('is written where Calico reads it', async () => {
        const made = await client.create(kind, object);
        expect(await keys()).toEqual([key]);
        expect(await stored(key)).toMatchObject(value);
        const plain = await stored(key);
        if (key.startsWith(IPAM_ROOT)) expect(plain).toEqual(value);
        else
          expect(plain.metadata).toEqual({
            ...metadata,
            uid: made.metadata.uid,
            creationTimestamp: '2026-01-01T00:00:00Z',
          });
      });

      test('is read as Calico writes it, listed, changed and deleted', async () => {
        await put(key, value);
        const found = await client.get(kind, objectKey);
        expect(found).toMatchObject({ apiVersion: kind.apiVersion, kind: kind.kind, metadata: objectKey, spec });
        expect((await client.list(kind)).items).toEqual([found]);
        const changed = await client.update(kind, found);
        expect(changed.metadata.resourceVersion).not.toBe(found.metadata.resourceVersion);
        expect(await outcome(client.update(kind, found))).toBe('Conflict');
        const { uid, resourceVersion = '' } = changed.metadata;
        expect(await stored(key)).toMatchObject(value);
        await client.delete(kind, objectKey, uid === undefined ? { resourceVersion } : { uid, resourceVersion });
        expect(await keys()).toEqual([]);
      });
    });
  }

  test('every kind of Calico has a place, its example goes there and comes back', async () => {
    for (const kind of kinds.filter(({ group }) => group === 'projectcalico.org')) {
      const made = await client.create(kind, kind.example());
      const { items } = await client.list(kind);
      expect(items).toEqual([made]);
      await client.delete(kind, keyOf(made));
    }
    expect(await keys()).toEqual([]);
  });

  test('kinds of Kubernetes are not there, and it says so', async () => {
    const error = client.get(Pod, { name: 'web', namespace: 'default' });
    expect(await outcome(error)).toBe('NotFound');
    await expect(error).rejects.toThrow(
      'Cannot get Pod(default/web): etcd holds no objects of kind Pod (v1); allowed: kinds of projectcalico.org/v3',
    );
    const signal = new AbortController().signal;
    expect(await outcome(client.list(Pod))).toBe('NotFound');
    expect(await outcome(client.watch(Pod, { resourceVersion: '1', signal }).next())).toBe('NotFound');
  });

  test('what another version wrote is kept: fields that are not known, in resources and in IPAM', async () => {
    const pool = `${RESOURCES}/ippools/pool`;
    await put(pool, {
      metadata: { name: 'pool', creationTimestamp: null },
      spec: { cidr: '10.0.0.0/16', future: { a: 1 } },
    });
    const found = await client.get(IPPool, { name: 'pool' });
    await client.update(IPPool, { ...found, spec: { ...found.spec, disabled: true } });
    expect((await stored(pool)).spec).toMatchObject({ future: { a: 1 }, disabled: true });
    const block = `${IPAM_ROOT}/assignment/ipv4/block/10.0.0.0-30`;
    // As Go writes lists without elements.
    const empty = { attributes: null, unallocated: null, allocations: [0, 0, 0, 0] };
    await put(block, {
      cidr: '10.0.0.0/30',
      ...empty,
      attributes: [{ handle_id: 'a' }],
      hostAffinity: 'node-1',
      future: 1,
    });
    const read = await client.get(IPAMBlock, { name: '10-0-0-0-30' });
    expect(read.spec).toMatchObject({
      unallocated: [],
      affinity: null,
      affinityClaimTime: null,
      strictAffinity: false,
    });
    await client.update(IPAMBlock, read);
    expect(await stored(block)).toMatchObject({ hostAffinity: 'node-1', future: 1 });
  });

  test('switches of the configuration that are not written are off', async () => {
    await put(`${IPAM_ROOT}/config`, { strict_affinity: true });
    const { spec } = await client.get(IPAMConfiguration, { name: 'default' });
    expect(spec).toMatchObject({ strictAffinity: true, autoAllocateBlocks: false });
  });

  test('policies under a name with the default tier in front are read without it, and stay where they are', async () => {
    const key = `${RESOURCES}/globalnetworkpolicies/default.old`;
    await put(key, { metadata: { name: 'default.old' }, spec: { tier: 'default' } });
    await put(`${RESOURCES}/globalnetworkpolicies/security.other`, { metadata: {}, spec: { tier: 'security' } });
    const { items } = await client.list(GlobalNetworkPolicy);
    expect(items.map(({ metadata }) => metadata.name)).toEqual(['old', 'security.other']);
    const found = await client.get(GlobalNetworkPolicy, { name: 'old' });
    expect(await outcome(client.create(GlobalNetworkPolicy, { ...found, metadata: { name: 'old' } }))).toBe(
      'AlreadyExists',
    );
    await client.update(GlobalNetworkPolicy, { ...found, spec: { ...found.spec, order: 5 } });
    expect((await stored(key)).spec.order).toBe(5);
    await client.delete(GlobalNetworkPolicy, { name: 'old' });
    expect(await keys()).toEqual([`${RESOURCES}/globalnetworkpolicies/security.other`]);
  });

  test('a policy that is really called so is, and keeps its name', async () => {
    const { metadata, ...rest } = GlobalNetworkPolicy.example();
    await client.create(GlobalNetworkPolicy, { ...rest, metadata: { ...metadata, name: 'default.mine' } });
    const found = await client.get(GlobalNetworkPolicy, { name: 'default.mine' });
    expect(found.metadata.name).toBe('default.mine');
    expect(found.metadata.annotations).toEqual(metadata.annotations);
    expect((await client.list(GlobalNetworkPolicy)).items).toEqual([found]);
  });

  test('a value that cannot be read is an error by itself, and left out of lists', async () => {
    await put(`${RESOURCES}/ippools/good`, { metadata: {}, spec: { cidr: '10.0.0.0/16' } });
    await server().ctl(['put', `${RESOURCES}/ippools/bad`], '{"spec":');
    const warned: unknown[] = [];
    const log = { debug: () => {}, info: () => {}, warn: (fields: object) => warned.push(fields) };
    const telling = etcdClient({ endpoints: [server().url] }, { log });
    expect((await telling.list(IPPool)).items.map(({ metadata }) => metadata.name)).toEqual(['good']);
    expect(warned).toMatchObject([{ key: `${RESOURCES}/ippools/bad`, kind: 'IPPool' }]);
    expect(await outcome(telling.get(IPPool, { name: 'bad' }))).toBe('Internal');
    telling.close();
  });

  test('a name that its spec does not lead to is refused, as nobody would find the object', async () => {
    const object: BlockAffinity = { ...BlockAffinity.example(), metadata: { name: 'other' } };
    const call = client.create(BlockAffinity, object);
    await expect(call).rejects.toThrow('metadata.name is "other"; allowed: "node-1-10-244-0-0-26", as its spec says');
  });

  test('names that would leave their place are not found', async () => {
    await client.create(WorkloadEndpoint, WorkloadEndpoint.example());
    const { name, namespace = '' } = WorkloadEndpoint.example().metadata;
    expect(await outcome(client.get(WorkloadEndpoint, { name: `${namespace}/${name}`, namespace: '..' }))).toBe(
      'NotFound',
    );
    expect(await outcome(client.get(WorkloadEndpoint, { name, namespace: '' }))).toBe('Invalid');
  });

  test('a list takes field selectors', async () => {
    for (const name of ['a', 'b']) {
      await client.create(NetworkSet, { ...NetworkSet.example(), metadata: { name, namespace: 'shop' } });
    }
    const { items } = await client.list(NetworkSet, { fieldSelector: 'metadata.name!=a' });
    expect(items.map(({ metadata }) => metadata.name)).toEqual(['b']);
    expect(await outcome(client.list(NetworkSet, { fieldSelector: 'spec.unknown=1' }))).toBe('Invalid');
  });
});
