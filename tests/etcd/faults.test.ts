import { afterEach, beforeEach, expect, test } from 'bun:test';
import { GlobalNetworkSet } from '@calico/api';
import type { Client } from '@calico/datastore';
import { type EtcdClient, type EtcdClientOptions, etcdClient } from '@calico/datastore/etcd';
import { startTcpProxy, type TcpProxy } from '../faults/tcp-proxy.ts';
import { describeEtcd } from './describe-etcd.ts';
import { networkSet, outcome, setNames, take, untilEnd } from './objects.ts';
import { useEtcd } from './use-etcd.ts';

/** Short spans, where something has to time out. */
const QUICK: EtcdClientOptions = { requestTimeoutMs: 300, watchProgressMs: 50, watchSilenceMs: 200 };
/** Long ones, where nothing may, also on a busy machine. The first endpoint is used first. */
const PATIENT: EtcdClientOptions = { watchProgressMs: 50, random: { next: () => 0 } };

/** What befalls etcd alone: several endpoints, its own limits. What befalls every datastore is in tests/faults. */
describeEtcd('etcdClient in trouble', () => {
  const server = useEtcd();
  let proxy: TcpProxy;
  let stop: AbortController;
  /** Past the proxy, for what others do. */
  let direct: EtcdClient;
  const opened: EtcdClient[] = [];
  beforeEach(async () => {
    proxy = await startTcpProxy(server().port);
    stop = new AbortController();
    direct = open([server().url]);
  });
  afterEach(async () => {
    stop.abort();
    for (const client of opened.splice(0)) client.close();
    await proxy.stop();
  });

  function open(endpoints: readonly string[], options: EtcdClientOptions = {}): EtcdClient {
    const client = etcdClient({ endpoints }, { ...PATIENT, ...options });
    opened.push(client);
    return client;
  }

  const urlOf = ({ port }: Pick<TcpProxy, 'port'>) => `http://127.0.0.1:${port}`;
  const watch = (client: Client, resourceVersion: string) =>
    client.watch(GlobalNetworkSet, { resourceVersion, signal: stop.signal });
  const versionOf = async (client: Client) => (await client.list(GlobalNetworkSet)).resourceVersion;

  test('a half-open connection is noticed by the watch and by reads, and left for the other endpoint', async () => {
    const client = open([urlOf(proxy), server().url], QUICK);
    await direct.create(GlobalNetworkSet, networkSet('a'));
    const version = await versionOf(client);
    const stream = watch(client, version);
    await stream.next();
    proxy.mode('hold');
    const [{ end }, names] = await Promise.all([untilEnd(stream), setNames(client)]);
    expect(end).toBe('Timeout');
    expect(names).toEqual(['a']);
    const next = watch(client, version);
    await direct.create(GlobalNetworkSet, networkSet('b'));
    expect(await take(next, 1)).toEqual(['ADDED b']);
  });

  test('a server that is slow to answer is a Timeout, and a write to it of unknown outcome', async () => {
    const client = open([server().url], { ...QUICK, readRetries: 0 });
    expect(await setNames(client)).toEqual([]);
    server().freeze(true);
    try {
      expect(await outcome(client.create(GlobalNetworkSet, networkSet('a')))).toBe('Timeout?');
      // That connection was left, and a new one does not come to stand: nothing was sent.
      expect(await outcome(client.create(GlobalNetworkSet, networkSet('b')))).toBe('Unavailable');
      expect(await outcome(client.get(GlobalNetworkSet, { name: 'a' }))).toBe('Unavailable');
    } finally {
      server().freeze(false);
    }
    expect(['done', 'AlreadyExists']).toContain(await outcome(client.create(GlobalNetworkSet, networkSet('a'))));
    expect(await setNames(client)).toEqual(['a']);
  });

  test('a write that finds no server was not done, and names every endpoint', async () => {
    const other = await startTcpProxy(server().port);
    const client = open([urlOf(proxy), urlOf(other)]);
    await Promise.all([proxy.stop(), other.stop()]);
    const call = client.create(GlobalNetworkSet, networkSet('a'));
    expect(await outcome(call)).toBe('Unavailable');
    await expect(call).rejects.toThrow(
      new RegExp(
        `Cannot create GlobalNetworkSet\\(a\\): ${urlOf(proxy)}: .*ECONNREFUSED.*; ${urlOf(other)}: .*ECONNREFUSED`,
      ),
    );
  });

  test('of two endpoints one may die: reads and writes go on, and the next watch is on the other', async () => {
    const client = open([urlOf(proxy), server().url]);
    const version = await versionOf(client);
    const stream = watch(client, version);
    await stream.next();
    await proxy.stop();
    expect((await untilEnd(stream)).end).toBe('Unavailable');
    expect(await setNames(client)).toEqual([]);
    await client.create(GlobalNetworkSet, networkSet('a'));
    expect(await take(watch(client, version), 1)).toEqual(['ADDED a']);
    proxy = await startTcpProxy(server().port);
  });

  test('a change between two pages of a list is not in it', async () => {
    const client = open([urlOf(proxy)], { pageSize: 2 });
    const nets = Array.from({ length: 200 }, (_, i) => `10.0.${i}.0/24`);
    for (const name of ['a', 'b', 'c', 'd'])
      await direct.create(GlobalNetworkSet, { ...networkSet(name), spec: { nets } });
    await client.get(GlobalNetworkSet, { name: 'a' });
    // The first page is larger than this; the question for the second waits.
    const held = proxy.holdQuestionsAfter(4000);
    const listing = client.list(GlobalNetworkSet);
    await held;
    await direct.delete(GlobalNetworkSet, { name: 'd' });
    proxy.release();
    const { items, resourceVersion } = await listing;
    expect(items.map(({ metadata }) => metadata.name)).toEqual(['a', 'b', 'c', 'd']);
    expect(await take(watch(client, resourceVersion), 1)).toEqual(['DELETED d']);
  });

  test('a compaction does not disturb a watch under way, but one from before it is Gone', async () => {
    const made = await direct.create(GlobalNetworkSet, networkSet('a'));
    const version = await versionOf(direct);
    const stream = watch(direct, version);
    await stream.next();
    await direct.update(GlobalNetworkSet, { ...made, spec: { nets: [] } });
    expect(await take(stream, 1)).toEqual(['MODIFIED a']);
    await direct.compact(await versionOf(direct));
    await direct.delete(GlobalNetworkSet, { name: 'a' });
    expect(await take(stream, 1)).toEqual(['DELETED a']);
    const late = await untilEnd(watch(direct, version));
    expect(late).toEqual({ events: [], end: 'Gone' });
  });

  test('a watch from a version that is still to come is Gone: the server was restored from a backup', async () => {
    const version = Number(await versionOf(direct));
    expect(await untilEnd(watch(direct, String(version + 1000)))).toEqual({ events: [], end: 'Gone' });
  });

  test('a quiet watch has bookmarks, which never are ahead of its events', async () => {
    const version = await versionOf(direct);
    const stream = watch(direct, version);
    for (let i = 0; i < 3; i++) {
      expect((await stream.next()).value).toEqual({ type: 'BOOKMARK', resourceVersion: version });
    }
    const { metadata } = await direct.create(GlobalNetworkSet, networkSet('a'));
    await take(stream, 1);
    const after = { type: 'BOOKMARK' as const, resourceVersion: metadata.resourceVersion ?? '' };
    expect((await stream.next()).value).toEqual(after);
  });

  test('a reader that is slow misses nothing, and does not have everything wait in memory', async () => {
    const stream = watch(direct, await versionOf(direct));
    await stream.next();
    const count = 4000;
    let made = 0;
    const make = async (): Promise<void> => {
      while (made < count) await direct.create(GlobalNetworkSet, networkSet(`set-${made++}`));
    };
    await Promise.all(Array.from({ length: 20 }, make));
    const waiting = stream.drain();
    expect(waiting.length).toBeLessThan(count);
    const names = new Set(waiting.map(event => (event.type === 'ADDED' ? event.object.metadata.name : '')));
    names.delete('');
    while (names.size < count) names.add(((await take(stream, 1))[0] ?? '').replace('ADDED ', ''));
    expect(names.size).toBe(count);
  });

  test('a watch from 0 begins with what there is', async () => {
    for (const name of ['a', 'b']) await direct.create(GlobalNetworkSet, networkSet(name));
    const stream = watch(direct, '0');
    expect(await take(stream, 2)).toEqual(['ADDED a', 'ADDED b']);
    await direct.delete(GlobalNetworkSet, { name: 'a' });
    expect(await take(stream, 1)).toEqual(['DELETED a']);
  });
});
