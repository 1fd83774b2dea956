import { beforeEach, describe, expect, test } from 'bun:test';
import { ClusterInformation, Tier } from '@calico/api';
import { ClockFake, seededRandom } from '@calico/reconcile';
import type { Client } from './client.ts';
import { ensureInitialized, type InitializeOptions } from './initialize.ts';
import { type MemoryClient, memoryClient } from './memory/index.ts';

const GUID = '0123456789abcdef0123456789abcdef';

let client: MemoryClient;
let clock: ClockFake;
beforeEach(() => {
  client = memoryClient();
  clock = new ClockFake();
});

const ensure = (options: Partial<InitializeOptions> = {}, on: Client = client) =>
  ensureInitialized(on, { datastore: 'etcdv3', clock, random: seededRandom(1), ...options });
const information = async () => (await client.get(ClusterInformation, { name: 'default' })).spec;
const write = (spec: ClusterInformation['spec']) =>
  client.create(ClusterInformation, {
    apiVersion: 'projectcalico.org/v3',
    kind: 'ClusterInformation',
    metadata: { name: 'default' },
    spec,
  });
const tiers = async () =>
  (await client.list(Tier)).items.map(({ metadata, spec }) => [metadata.name, spec.order, spec.defaultAction]);

describe('ensureInitialized', () => {
  test('makes what every cluster has, once', async () => {
    await ensure({ calicoVersion: 'v3.33.0', clusterType: 'k8s,bgp' });
    const made = await information();
    expect(made).toMatchObject({ calicoVersion: 'v3.33.0', clusterType: 'k8s,bgp', datastoreReady: true });
    expect(made.clusterGUID).toMatch(/^[0-9a-f]{32}$/);
    expect(await tiers()).toEqual([
      ['default', 1_000_000, 'Deny'],
      ['kube-admin', 1_000, 'Pass'],
      ['kube-baseline', 10_000_000, 'Pass'],
    ]);
    const { resourceVersion } = await client.list(ClusterInformation);
    await ensure({ calicoVersion: 'v3.33.0', clusterType: 'k8s,bgp' });
    expect((await client.list(ClusterInformation)).resourceVersion).toBe(resourceVersion);
  });

  const cases: {
    name: string;
    before: ClusterInformation['spec'];
    options: Partial<InitializeOptions>;
    after: ClusterInformation['spec'];
  }[] = [
    {
      name: 'leaves a locked datastore locked',
      before: { datastoreReady: false },
      options: {},
      after: { datastoreReady: false },
    },
    {
      name: 'leaves the GUID and what it does not know',
      before: { clusterGUID: GUID, calicoVersion: 'v1', variant: 'Calico', clusterType: 'x' },
      options: {},
      after: { clusterGUID: GUID, calicoVersion: 'v1', variant: 'Calico', clusterType: 'x', datastoreReady: true },
    },
    {
      name: 'adds words to the type and takes the newer version',
      before: { calicoVersion: 'v1', clusterType: 'bgp,win' },
      options: { calicoVersion: 'v2', clusterType: 'k8s,bgp,' },
      after: { calicoVersion: 'v2', clusterType: 'bgp,win,k8s' },
    },
    {
      name: 'says at the end that Kubernetes is the datastore',
      before: {},
      options: { clusterType: 'k8s,', datastore: 'kubernetes' },
      after: { clusterType: 'k8s,kdd' },
    },
  ];
  test.each(cases)('$name', async ({ before, options, after }) => {
    await write(before);
    await ensure(options);
    expect(await information()).toMatchObject(after);
  });

  test('tries again when another program was quicker', async () => {
    await write({});
    client.failNext('update', { code: 'Conflict' });
    let done = false;
    const ensured = ensure({ calicoVersion: 'v1' }).finally(() => {
      done = true;
    });
    while (!done) await clock.advance(100);
    await ensured;
    expect((await information()).calicoVersion).toBe('v1');
  });

  test('goes on without the right to create tiers, and does everything else before it tells a failure', async () => {
    client.failNext('create', { code: 'Forbidden' }, Tier);
    await ensure();
    expect(await tiers()).toHaveLength(2);
    client.failNext('update', { code: 'Internal', reason: 'broken' });
    await expect(ensure({ calicoVersion: 'v1' })).rejects.toThrow('broken');
    expect(await tiers()).toHaveLength(3);
  });
});
