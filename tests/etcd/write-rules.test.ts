import { afterEach, beforeEach, expect, test } from 'bun:test';
import {
  BGPFilter,
  BGPPeer,
  GlobalNetworkPolicy,
  IPAMBlock,
  IPPool,
  type Kind,
  Profile,
  type Resource,
  Tier,
  WorkloadEndpoint,
} from '@calico/api';
import { calicoWriteRules, ensureInitialized } from '@calico/datastore';
import { type EtcdClient, etcdClient } from '@calico/datastore/etcd';
import { ClockFake, seededRandom } from '@calico/reconcile';
import { describeEtcd } from './describe-etcd.ts';
import { useEtcd } from './use-etcd.ts';

const object = (kind: Kind, name: string, spec: object): Resource => ({
  apiVersion: kind.apiVersion,
  kind: kind.kind,
  metadata: { name },
  spec,
});
const pool = (name: string, cidr: string, more: object = {}) => object(IPPool, name, { cidr, ...more });
const policy = (tier: string) => object(GlobalNetworkPolicy, 'p', { tier, selector: 'all()' });

describeEtcd("writes to etcd keep the rules that Calico's clients keep:", () => {
  const server = useEtcd();
  let client: EtcdClient;
  beforeEach(async () => {
    const [clock, random] = [new ClockFake(), seededRandom(1)];
    client = etcdClient({ endpoints: [server().url] }, { clock, random, rules: calicoWriteRules });
    await ensureInitialized(client, { datastore: 'etcdv3', clock, random });
  });
  afterEach(() => client.close());

  /** What a write fails with; undefined when it is done. */
  const refusal = async (write: Promise<unknown>): Promise<string | undefined> =>
    await write.then(
      () => undefined,
      (err: Error) => err.message,
    );
  const create = (kind: Kind, resource: Resource) => client.create(kind, resource);

  test('a policy needs its tier, when it is made and when it is moved', async () => {
    expect(await refusal(create(GlobalNetworkPolicy, policy('apps')))).toBe(
      'Cannot create Tier(apps): it has to be there before GlobalNetworkPolicy(p) is put into it',
    );
    await create(GlobalNetworkPolicy, policy('default'));
    const move = () => client.patch(GlobalNetworkPolicy, { name: 'p' }, { spec: { tier: 'apps' } }, { type: 'merge' });
    expect(await refusal(move())).toContain('Tier(apps)');
    await create(Tier, object(Tier, 'apps', { order: 5 }));
    expect(await refusal(move())).toBeUndefined();
  });

  test('a built-in tier cannot be deleted, nor one that has policies', async () => {
    for (const name of ['default', 'kube-admin', 'kube-baseline'])
      expect(await refusal(client.delete(Tier, { name }))).toBe(
        `Cannot delete Tier(${name}): it is built in and cannot be deleted`,
      );
    await create(Tier, object(Tier, 'apps', { order: 5 }));
    await create(GlobalNetworkPolicy, policy('apps'));
    expect(await refusal(client.delete(Tier, { name: 'apps' }))).toBe(
      'Cannot delete Tier(apps): it is not empty; delete its policies first, such as GlobalNetworkPolicy(p)',
    );
    await client.delete(GlobalNetworkPolicy, { name: 'p' });
    expect(await refusal(client.delete(Tier, { name: 'apps' }))).toBeUndefined();
  });

  test('pools do not overlap, and a pool can be changed', async () => {
    await create(IPPool, pool('wide', '10.0.0.0/8'));
    expect(await refusal(create(IPPool, pool('inside', '10.5.0.0/16')))).toBe(
      'Cannot create IPPool(inside): spec.cidr is "10.5.0.0/16"; allowed: one that does not overlap IPPool(wide), "10.0.0.0/8"',
    );
    expect(await refusal(create(IPPool, pool('six', 'fd00::/48')))).toBeUndefined();
    const patched = client.patch(IPPool, { name: 'wide' }, { spec: { natOutgoing: true } }, { type: 'merge' });
    expect(await refusal(patched)).toBeUndefined();
  });

  test('a pool has the size of the blocks that are there', async () => {
    const allocations = Array.from({ length: 16 }, () => null);
    await create(
      IPAMBlock,
      object(IPAMBlock, '10-0-0-0-28', {
        cidr: '10.0.0.0/28',
        affinity: null,
        allocations,
        unallocated: allocations.map((_, ordinal) => ordinal),
        attributes: [],
        strictAffinity: false,
      }),
    );
    expect(await refusal(create(IPPool, pool('one', '10.0.0.0/16')))).toBe(
      'Cannot create IPPool(one): spec.blockSize is 26; allowed: that of the blocks there are, such as "10.0.0.0/28"',
    );
    expect(await refusal(create(IPPool, pool('one', '10.0.0.0/16', { blockSize: 28 })))).toBeUndefined();
  });

  test('filters of a BGP peer exist', async () => {
    const peer = object(BGPPeer, 'p', { peerIP: '192.0.2.1', asNumber: 64513, filters: ['a', 'b'] });
    await create(BGPFilter, object(BGPFilter, 'a', {}));
    expect(await refusal(create(BGPPeer, peer))).toBe(
      'Cannot create BGPPeer(p): spec.filters names b; allowed: BGPFilters that exist',
    );
    await create(BGPFilter, object(BGPFilter, 'b', {}));
    expect(await refusal(create(BGPPeer, peer))).toBeUndefined();
  });

  test('the profile that allows everything cannot be made', async () => {
    const profile = object(Profile, 'projectcalico-default-allow', {});
    expect(await refusal(create(Profile, profile))).toContain('it is built in');
  });

  test('an endpoint says where it belongs, whatever it says itself, and has the name that follows', async () => {
    const endpoint = WorkloadEndpoint.example();
    const { name, namespace = '' } = endpoint.metadata;
    const labels = { app: 'web', 'projectcalico.org/namespace': 'kube-system' };
    const made = await client.create(WorkloadEndpoint, { ...endpoint, metadata: { name, namespace, labels } });
    const wanted = { app: 'web', 'projectcalico.org/namespace': 'shop', 'projectcalico.org/orchestrator': 'k8s' };
    expect(made.metadata.labels).toEqual(wanted);
    const patch = { metadata: { labels: { 'projectcalico.org/orchestrator': 'cni' } } };
    const patched = await client.patch(WorkloadEndpoint, { name, namespace }, patch, { type: 'merge' });
    expect(patched.metadata.labels).toEqual(wanted);
    const other = { ...endpoint, metadata: { name: 'other', namespace } };
    expect(await refusal(client.create(WorkloadEndpoint, other))).toContain(
      `metadata.name: Invalid value: "other": must be "${name}"`,
    );
  });
});
