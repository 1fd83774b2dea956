import { afterEach, beforeEach, expect, test } from 'bun:test';
import { GlobalNetworkSet, Namespace, NetworkSet, Pod, podToWorkloadEndpoint } from '@calico/api';
import type { Client } from '../client.ts';
import { type ContractOptions, type ContractStore, codeOf, kubernetesTest, type OpenStore } from './harness.ts';
import { globalNetworkSet, NAMESPACE, namespace, networkSet, pod } from './objects.ts';

const names = (items: readonly { readonly metadata: { readonly name: string } }[]): string[] =>
  items.map(item => item.metadata.name);

/** Lists and their selections. */
export function listContract(open: OpenStore, options: ContractOptions): void {
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

  test('list gives everything in the order of names, with apiVersion and kind', async () => {
    const wanted = Array.from({ length: 25 }, (_, i) => `set-${String(i).padStart(2, '0')}`);
    for (const name of wanted.toReversed()) await client.create(GlobalNetworkSet, globalNetworkSet(name));
    const { items, resourceVersion } = await client.list(GlobalNetworkSet);
    expect(names(items)).toEqual(wanted);
    expect(items[0]).toMatchObject({ apiVersion: 'projectcalico.org/v3', kind: 'GlobalNetworkSet' });
    expect(resourceVersion).toMatch(/^\d+$/);
  });

  test('listPages gives the same as list, piece by piece', async () => {
    for (let i = 0; i < 25; i++)
      await client.create(GlobalNetworkSet, globalNetworkSet(`set-${i}`, { odd: `${i % 2}` }));
    const whole = await client.list(GlobalNetworkSet, { labelSelector: 'odd=1' });
    const items: GlobalNetworkSet[] = [];
    const version = await client.listPages(GlobalNetworkSet, { labelSelector: 'odd=1' }, async page => {
      await Promise.resolve();
      items.push(...page);
    });
    expect(items).toEqual(whole.items);
    expect(items).toHaveLength(12);
    expect(version).toBe(whole.resourceVersion);
  });

  testOfKubernetes('listPages gives pods from which the same endpoints come', async () => {
    await makeNamespace(NAMESPACE);
    const shape = pod('a', 'node-1');
    shape.metadata.labels = { app: 'web', empty: '' };
    shape.metadata.annotations = { 'qos.projectcalico.org/ingressBandwidth': '10M', note: 'größer {"a": 1}' };
    shape.spec.containers = [
      { name: 'c', image: 'i', ports: [{ name: 'dns', containerPort: 53, hostPort: 5353, protocol: 'UDP' }] },
    ];
    await client.create(Pod, shape);
    await client.create(Pod, { ...pod('b', 'node-2'), spec: { ...pod('b', 'node-2').spec, hostNetwork: true } });
    const [a] = (await client.list(Pod)).items;
    if (a === undefined) throw new Error('Cannot list the pod that was created');
    await client.updateStatus(Pod, {
      ...a,
      status: { phase: 'Running', podIP: '10.0.0.1', podIPs: [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }] },
    });
    const whole = await client.list(Pod);
    const items: Pod[] = [];
    await client.listPages(Pod, {}, page => void items.push(...page));
    // When it was made is of no use to a view.
    const endpoint = (from: Pod) => {
      const { metadata, spec } = podToWorkloadEndpoint(from) ?? {};
      return { metadata: { ...metadata, creationTimestamp: undefined }, spec };
    };
    expect(items.map(endpoint)).toEqual(whole.items.map(endpoint));
    expect(items.map(each => `${each.apiVersion} ${each.kind}`)).toEqual(['v1 Pod', 'v1 Pod']);
  });

  test('listPages ends with what the taker throws', async () => {
    await client.create(GlobalNetworkSet, globalNetworkSet('set'));
    const taken = client.listPages(GlobalNetworkSet, {}, () => {
      throw new Error('enough');
    });
    expect(taken).rejects.toThrow('enough');
  });

  test('list of a kind without objects is empty and has a version', async () => {
    const { items, resourceVersion } = await client.list(GlobalNetworkSet);
    expect(items).toEqual([]);
    expect(resourceVersion).toMatch(/^\d+$/);
  });

  test('list takes a namespace', async () => {
    for (const name of ['one', 'two']) {
      await makeNamespace(name);
      await client.create(NetworkSet, networkSet(`of-${name}`, name));
    }
    expect(names((await client.list(NetworkSet, { namespace: 'two' })).items)).toEqual(['of-two']);
    expect(names((await client.list(NetworkSet)).items)).toEqual(['of-one', 'of-two']);
  });

  test('list takes a label selector', async () => {
    for (const [name, tier] of Object.entries({ a: 'front', b: 'back', c: 'front' })) {
      await client.create(GlobalNetworkSet, globalNetworkSet(name, { tier }));
    }
    const list = async (labelSelector: string) => names((await client.list(GlobalNetworkSet, { labelSelector })).items);
    expect(await list('tier=front')).toEqual(['a', 'c']);
    expect(await list('tier notin (front, other)')).toEqual(['b']);
    expect(await list('tier=front,!tier')).toEqual([]);
    expect(await codeOf(client.list(GlobalNetworkSet, { labelSelector: 'tier=(' }))).toBe('Invalid');
  });

  testOfKubernetes('list takes a field selector', async () => {
    await makeNamespace(NAMESPACE);
    for (const [name, nodeName] of Object.entries({ a: 'node-1', b: 'node-2', c: 'node-1' })) {
      await client.create(Pod, pod(name, nodeName));
    }
    const list = async (fieldSelector: string) => names((await client.list(Pod, { fieldSelector })).items);
    expect(await list('spec.nodeName=node-1')).toEqual(['a', 'c']);
    expect(await list(`metadata.namespace=${NAMESPACE},metadata.name!=a`)).toEqual(['b', 'c']);
    expect(await codeOf(client.list(Pod, { fieldSelector: 'spec.unknown=1' }))).toBe('Invalid');
  });
}
