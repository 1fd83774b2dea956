import { afterEach, beforeEach, expect, test } from 'bun:test';
import { GlobalNetworkSet, Namespace, NetworkSet, type Resource } from '@calico/api';
import type { Client, WatchEvent, WatchStream } from '../client.ts';
import { type ContractOptions, type ContractStore, codeOf, type OpenStore } from './harness.ts';
import { globalNetworkSet, namespace, networkSet } from './objects.ts';

type ObjectEvent<R> = Exclude<WatchEvent<R>, { type: 'BOOKMARK' }>;

/** The next `count` events that tell of objects. */
async function take<R>(stream: WatchStream<R>, count: number): Promise<ObjectEvent<R>[]> {
  const events: ObjectEvent<R>[] = [];
  while (events.length < count) {
    const { done, value } = await stream.next();
    if (done) throw new Error('the watch ended');
    if (value.type !== 'BOOKMARK') events.push(value);
  }
  return events;
}

const print = (events: readonly ObjectEvent<Resource>[]): string[] =>
  events.map(({ type, object }) => `${type} ${object.metadata.name}`);

/** Watches: complete, in order, and honest about what is no longer known. */
export function watchContract(open: OpenStore, { kubernetesKinds = true }: ContractOptions): void {
  let store: ContractStore;
  let client: Client;
  let stop: AbortController;
  beforeEach(async () => {
    store = await open();
    client = store.client;
    stop = new AbortController();
  });
  const makeNamespace = async (name: string): Promise<void> => {
    if (kubernetesKinds) await client.create(Namespace, namespace(name));
  };
  afterEach(async () => {
    stop.abort();
    await store.close();
  });

  const watchSets = (resourceVersion: string, labelSelector?: string) =>
    client.watch(GlobalNetworkSet, {
      resourceVersion,
      signal: stop.signal,
      ...(labelSelector === undefined ? {} : { labelSelector }),
    });

  test('watch begins with a bookmark of its start, once the server has taken it', async () => {
    const { resourceVersion } = await client.list(GlobalNetworkSet);
    const { value } = await watchSets(resourceVersion).next();
    expect(value).toEqual({ type: 'BOOKMARK', resourceVersion });
  });

  test('watch from the version of a list gives every later change in order, also those before it was opened', async () => {
    await client.create(GlobalNetworkSet, globalNetworkSet('before'));
    const { resourceVersion } = await client.list(GlobalNetworkSet);
    const made = await client.create(GlobalNetworkSet, globalNetworkSet('a'));
    const stream = watchSets(resourceVersion);
    await take(stream, 1);
    const changed = await client.update(GlobalNetworkSet, { ...made, spec: { nets: [] } });
    await client.delete(GlobalNetworkSet, { name: 'a' });
    await client.create(GlobalNetworkSet, globalNetworkSet('b'));
    const events = await take(stream, 3);
    expect(print(events)).toEqual(['MODIFIED a', 'DELETED a', 'ADDED b']);
    expect(events[0]?.object).toEqual(changed);
    const versions = events.map(({ object }) => Number(object.metadata.resourceVersion));
    expect(versions).toEqual(versions.toSorted((a, b) => a - b));
    expect(versions[1]).toBeGreaterThan(Number(changed.metadata.resourceVersion));
  });

  test('watch sees its selection: what begins to match is added, what ceases to is deleted', async () => {
    const { resourceVersion } = await client.list(GlobalNetworkSet);
    const stream = watchSets(resourceVersion, 'tier=front');
    const label = (name: string, tier: string) =>
      client.patch(GlobalNetworkSet, { name }, { metadata: { labels: { tier } } }, { type: 'merge' });
    await client.create(GlobalNetworkSet, globalNetworkSet('a', { tier: 'back' }));
    await label('a', 'front');
    await label('a', 'back');
    await client.create(GlobalNetworkSet, globalNetworkSet('b', { tier: 'front' }));
    expect(print(await take(stream, 3))).toEqual(['ADDED a', 'DELETED a', 'ADDED b']);
  });

  test('watch takes a namespace', async () => {
    for (const name of ['one', 'two']) await makeNamespace(name);
    const { resourceVersion } = await client.list(NetworkSet);
    const stream = client.watch(NetworkSet, { resourceVersion, namespace: 'two', signal: stop.signal });
    await client.create(NetworkSet, networkSet('of-one', 'one'));
    await client.create(NetworkSet, networkSet('of-two', 'two'));
    expect(print(await take(stream, 1))).toEqual(['ADDED of-two']);
  });

  test('watch ends quietly with its signal, and with its reader', async () => {
    const { resourceVersion } = await client.list(GlobalNetworkSet);
    const stream = watchSets(resourceVersion);
    await stream.next();
    const waiting = stream.next();
    stop.abort();
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(await watchSets(resourceVersion).next()).toEqual({ done: true, value: undefined });
  });

  test('a watch that its reader has left gives nothing more', async () => {
    const { resourceVersion } = await client.list(GlobalNetworkSet);
    const stream = watchSets(resourceVersion);
    await stream.next();
    await stream.return?.();
    await client.create(GlobalNetworkSet, globalNetworkSet('a'));
    expect(await stream.next()).toEqual({ done: true, value: undefined });
  });

  test('watch from a version that is no longer kept is Gone', async () => {
    if (store.compact === undefined) return;
    const { resourceVersion } = await client.list(GlobalNetworkSet);
    for (const name of ['a', 'b', 'c']) await client.create(GlobalNetworkSet, globalNetworkSet(name));
    await store.compact();
    const deadline = performance.now() + 10_000;
    let code: unknown;
    // A server that was started anew for it may not take watches at once, or by connections from before; that is no other answer.
    do code = await codeOf(take(watchSets(resourceVersion), 1));
    while (code === 'Unavailable' && performance.now() < deadline);
    expect(code).toBe('Gone');
  });
}
