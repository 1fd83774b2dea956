import { afterEach, beforeEach, expect, test } from 'bun:test';
import { GlobalNetworkSet, IPAMBlock, IPPool, Namespace, NetworkSet, Node, Pod } from '@calico/api';
import { type Client, keyOf } from '../client.ts';
import { type ContractOptions, type ContractStore, codeOf, kubernetesTest, type OpenStore } from './harness.ts';
import { block, globalNetworkSet, NAMESPACE, namespace, networkSet, node, pod } from './objects.ts';

/** Getting, creating, changing and deleting single objects. */
export function writeContract(open: OpenStore, options: ContractOptions): void {
  const { kubernetesKinds = true } = options;
  let store: ContractStore;
  let client: Client;
  beforeEach(async () => {
    store = await open();
    client = store.client;
  });
  const testOfKubernetes = kubernetesTest(options);
  const makeNamespace = async (name: string): Promise<void> => {
    if (kubernetesKinds) await client.create(Namespace, namespace(name));
  };
  afterEach(async () => await store.close());

  test('create gives the object with defaults, uid, version and time, and get gives the same', async () => {
    const made = await client.create(IPPool, {
      apiVersion: 'projectcalico.org/v3',
      kind: 'IPPool',
      metadata: { name: 'pool' },
      spec: { cidr: '10.0.0.0/16' },
    });
    expect(made).toMatchObject({ apiVersion: 'projectcalico.org/v3', kind: 'IPPool', spec: { blockSize: 26 } });
    expect(made.metadata.uid).toMatch(/^[0-9a-f-]{36}$/);
    expect(made.metadata.resourceVersion).toMatch(/^\d+$/);
    expect(made.metadata.creationTimestamp).toMatch(/^\d{4}-\d\d-\d\dT/);
    expect(await client.get(IPPool, { name: 'pool' })).toEqual(made);
  });

  test('create refuses what exists, what is not valid, and what has a version', async () => {
    await client.create(GlobalNetworkSet, globalNetworkSet('a'));
    expect(await codeOf(client.create(GlobalNetworkSet, globalNetworkSet('a')))).toBe('AlreadyExists');
    const bad = globalNetworkSet('b');
    bad.spec = { nets: ['no net'] };
    expect(await codeOf(client.create(GlobalNetworkSet, bad))).toBe('Invalid');
    expect(await codeOf(client.get(GlobalNetworkSet, { name: 'b' }))).toBe('NotFound');
    const versioned = globalNetworkSet('c');
    versioned.metadata.resourceVersion = '1';
    expect(await codeOf(client.create(GlobalNetworkSet, versioned))).toBe('Invalid');
  });

  testOfKubernetes('create makes up a name from generateName', async () => {
    const made = await client.create(Namespace, { ...namespace(), metadata: { name: '', generateName: 'team-' } });
    expect(made.metadata.name).toMatch(/^team-[a-z0-9]{5}$/);
  });

  test('objects of one name in several namespaces are several', async () => {
    for (const name of ['one', 'two']) {
      await makeNamespace(name);
      await client.create(NetworkSet, networkSet('same', name));
    }
    await client.delete(NetworkSet, { namespace: 'one', name: 'same' });
    expect((await client.get(NetworkSet, { namespace: 'two', name: 'same' })).metadata.namespace).toBe('two');
  });

  test('get, update, patch and delete of the absent say NotFound', async () => {
    const key = { name: 'absent' };
    expect(await codeOf(client.get(GlobalNetworkSet, key))).toBe('NotFound');
    expect(await codeOf(client.update(GlobalNetworkSet, globalNetworkSet('absent')))).toBe('NotFound');
    expect(await codeOf(client.patch(GlobalNetworkSet, key, { spec: {} }, { type: 'merge' }))).toBe('NotFound');
    expect(await codeOf(client.delete(GlobalNetworkSet, key))).toBe('NotFound');
  });

  test('update needs the present version, when it names one', async () => {
    const first = await client.create(GlobalNetworkSet, globalNetworkSet('a'));
    const second = await client.update(GlobalNetworkSet, { ...first, spec: { nets: ['198.51.100.0/24'] } });
    expect(second.metadata.resourceVersion).not.toBe(first.metadata.resourceVersion);
    expect(second.metadata.uid).toBe(first.metadata.uid);
    expect(await codeOf(client.update(GlobalNetworkSet, { ...first, spec: { nets: [] } }))).toBe('Conflict');
    expect((await client.get(GlobalNetworkSet, { name: 'a' })).spec).toEqual({ nets: ['198.51.100.0/24'] });
  });

  test('update of an object that was made anew under its name does nothing', async () => {
    const first = await client.create(GlobalNetworkSet, globalNetworkSet('a'));
    await client.delete(GlobalNetworkSet, { name: 'a' });
    await client.create(GlobalNetworkSet, globalNetworkSet('a'));
    expect<unknown[]>(['NotFound', 'Conflict']).toContain(await codeOf(client.update(GlobalNetworkSet, first)));
  });

  test('of several updates from one version exactly one is done', async () => {
    const first = await client.create(GlobalNetworkSet, globalNetworkSet('a'));
    const codes = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        codeOf(client.update(GlobalNetworkSet, { ...first, spec: { nets: [`10.${i}.0.0/16`] } })),
      ),
    );
    expect(codes.sort()).toEqual([...Array(9).fill('Conflict'), 'none']);
  });

  testOfKubernetes('update leaves the status alone, updateStatus everything else', async () => {
    await client.create(Node, node('n'));
    // Whole conditions: a server written in Go shows times that are missing as null.
    const time = '2026-01-02T03:04:05Z';
    const conditions = [{ type: 'Ready', status: 'True' as const, lastHeartbeatTime: time, lastTransitionTime: time }];
    const made = await client.get(Node, { name: 'n' });
    const ready = await client.updateStatus(Node, { ...made, spec: { unschedulable: true }, status: { conditions } });
    expect(ready.spec?.unschedulable).toBeUndefined();
    expect(ready.status?.conditions).toEqual(conditions);
    const cordoned = await client.update(Node, { ...ready, spec: { unschedulable: true }, status: {} });
    expect(cordoned.spec?.unschedulable).toBe(true);
    expect(cordoned.status?.conditions).toEqual(conditions);
  });

  test('a merge patch sets, changes and removes', async () => {
    await client.create(GlobalNetworkSet, globalNetworkSet('a', { keep: '1', drop: '2' }));
    const patch = { metadata: { labels: { drop: null, add: '3' } }, spec: { nets: ['10.0.0.0/8'] } };
    const patched = await client.patch(GlobalNetworkSet, { name: 'a' }, patch, { type: 'merge' });
    expect(patched.metadata.labels).toEqual({ keep: '1', add: '3' });
    expect(patched.spec.nets).toEqual(['10.0.0.0/8']);
  });

  test('a patch that names an old version, or leads to what is not valid, is refused', async () => {
    const first = await client.create(GlobalNetworkSet, globalNetworkSet('a'));
    await client.update(GlobalNetworkSet, { ...first, spec: { nets: [] } });
    const key = { name: 'a' };
    const old = { metadata: { resourceVersion: first.metadata.resourceVersion, labels: { x: 'y' } } };
    expect(await codeOf(client.patch(GlobalNetworkSet, key, old, { type: 'merge' }))).toBe('Conflict');
    const bad = { spec: { nets: ['no net'] } };
    expect(await codeOf(client.patch(GlobalNetworkSet, key, bad, { type: 'merge' }))).toBe('Invalid');
  });

  test('a JSON patch is done whole or not at all', async () => {
    await client.create(GlobalNetworkSet, globalNetworkSet('a'));
    const key = { name: 'a' };
    const add = { op: 'add', path: '/spec/nets/-', value: '10.0.0.0/8' };
    const patched = await client.patch(GlobalNetworkSet, key, [add], { type: 'json' });
    expect(patched.spec.nets).toEqual(['192.0.2.0/24', '10.0.0.0/8']);
    const failing = [add, { op: 'test', path: '/spec/nets/0', value: 'other' }];
    expect(await codeOf(client.patch(GlobalNetworkSet, key, failing, { type: 'json' }))).toBe('Invalid');
    expect((await client.get(GlobalNetworkSet, key)).spec).toEqual(patched.spec);
  });

  testOfKubernetes(
    "a strategic patch of a pod's status takes annotations, as the CNI plugin writes them, and merges conditions",
    async () => {
      await makeNamespace(NAMESPACE);
      const made = await client.create(Pod, pod('web', 'node-1'));
      const key = { namespace: NAMESPACE, name: 'web' };
      const options = { type: 'strategic', subresource: 'status' } as const;
      const annotations = { 'cni.projectcalico.org/podIP': '10.0.0.7/32' };
      await client.patch(Pod, key, { metadata: { uid: made.metadata.uid, annotations } }, options);
      const conditionsOf = async (type: string, status: string) =>
        (await client.patch(Pod, key, { status: { conditions: [{ type, status }] } }, options)).status?.conditions;
      await conditionsOf('Ready', 'False');
      await conditionsOf('Initialized', 'True');
      const conditions = await conditionsOf('Ready', 'True');
      expect(conditions?.map(({ type, status }) => `${type}=${status}`).sort()).toEqual([
        'Initialized=True',
        'Ready=True',
      ]);
      expect((await client.get(Pod, key)).metadata.annotations).toEqual(annotations);
      const other = { metadata: { uid: '00000000-0000-4000-8000-000000000000', annotations: { x: 'y' } } };
      expect<unknown[]>(['NotFound', 'Conflict']).toContain(await codeOf(client.patch(Pod, key, other, options)));
    },
  );

  testOfKubernetes(
    "a JSON patch of a pod's status compares annotations, as the CNI plugin writes them; what is absent equals null",
    async () => {
      await makeNamespace('compared');
      const web = pod('web', 'node-1');
      const made = await client.create(Pod, { ...web, metadata: { ...web.metadata, namespace: 'compared' } });
      const patch = (...operations: object[]) =>
        client.patch(Pod, keyOf(made), operations, { type: 'json', subresource: 'status' });
      const all = '/metadata/annotations';
      const container = `${all}/cni.projectcalico.org~1containerID`;
      const uid = { op: 'test', path: '/metadata/uid', value: made.metadata.uid };
      const bare = { op: 'test', path: all, value: null };
      const first = await patch(uid, bare, { op: 'add', path: all, value: { a: 'b' } });
      expect(first.metadata.annotations).toEqual({ a: 'b' });
      expect(await codeOf(patch(uid, bare, { op: 'add', path: all, value: {} }))).toBe('Invalid');
      const write = (before: string | null, after: string) =>
        patch({ op: 'test', path: container, value: before }, { op: 'add', path: container, value: after });
      await write(null, 'c1');
      expect(await codeOf(write(null, 'c2'))).toBe('Invalid');
      const second = await write('c1', 'c2');
      expect(second.metadata.annotations).toEqual({ a: 'b', 'cni.projectcalico.org/containerID': 'c2' });
      expect(await codeOf(patch({ ...uid, value: 'other' }, { op: 'remove', path: container }))).toBe('Invalid');
    },
  );

  test('delete holds to its preconditions', async () => {
    const { metadata } = await client.create(GlobalNetworkSet, globalNetworkSet('a'));
    const key = { name: 'a' };
    const other = '00000000-0000-4000-8000-000000000000';
    expect(await codeOf(client.delete(GlobalNetworkSet, key, { uid: other }))).toBe('NotFound');
    const wrong = { resourceVersion: String(Number(metadata.resourceVersion) + 1000) };
    expect(await codeOf(client.delete(GlobalNetworkSet, key, wrong))).toBe('Conflict');
    const { uid = '', resourceVersion = '' } = metadata;
    await client.delete(GlobalNetworkSet, key, { uid, resourceVersion });
    expect(await codeOf(client.get(GlobalNetworkSet, key))).toBe('NotFound');
  });

  test('whole numbers beyond 2^53 are kept exactly', async () => {
    const sequenceNumber = 9_007_199_254_740_993n;
    const made = await client.create(IPAMBlock, block(sequenceNumber));
    expect(made.spec.sequenceNumber).toBe(sequenceNumber);
    const again = await client.get(IPAMBlock, { name: made.metadata.name });
    expect(again.spec.sequenceNumber).toBe(sequenceNumber);
  });

  test("objects are the caller's own", async () => {
    const given = globalNetworkSet('a');
    const made = await client.create(GlobalNetworkSet, given);
    given.spec.nets = [];
    made.spec.nets = [];
    expect((await client.get(GlobalNetworkSet, { name: 'a' })).spec.nets).toEqual(['192.0.2.0/24']);
  });
}
