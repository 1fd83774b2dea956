import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'bun:test';
import { GlobalNetworkSet } from '@calico/api';
import { type Client, startReflector } from '@calico/datastore';
import { type EtcdClient, type EtcdClientOptions, etcdClient } from '@calico/datastore/etcd';
import { systemClock } from '@calico/process';
import { seededRandom } from '@calico/reconcile';
import { describeEtcd } from './describe-etcd.ts';
import { EtcdServer } from './etcd-server.ts';
import { networkSet, outcome, setNames, take, untilEnd } from './objects.ts';
import { TcpProxy } from './tcp-proxy.ts';

/** Short spans, where something has to time out. */
const QUICK: EtcdClientOptions = { requestTimeoutMs: 300, watchProgressMs: 50, watchSilenceMs: 200 };
/** Long ones, where nothing may, also on a busy machine. The first endpoint is used first. */
const PATIENT: EtcdClientOptions = { watchProgressMs: 50, random: { next: () => 0 } };

describeEtcd('etcdClient in trouble', () => {
  let server: EtcdServer;
  let proxy: TcpProxy;
  let stop: AbortController;
  /** Past the proxy, for what others do. */
  let direct: EtcdClient;
  const opened: EtcdClient[] = [];
  beforeAll(async () => {
    server = await EtcdServer.start();
  });
  afterAll(async () => await server.stop());
  beforeEach(async () => {
    await server.ctl(['del', '/calico/', '--prefix']);
    proxy = await TcpProxy.start(server.port);
    stop = new AbortController();
    direct = open([server.url]);
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

  const watch = (client: Client, resourceVersion: string) =>
    client.watch(GlobalNetworkSet, { resourceVersion, signal: stop.signal });
  const versionOf = async (client: Client) => (await client.list(GlobalNetworkSet)).resourceVersion;

  test('a server that restarts ends the watch; the next one from there misses nothing', async () => {
    const version = await versionOf(direct);
    const stream = watch(direct, version);
    await direct.create(GlobalNetworkSet, networkSet('a'));
    expect(await take(stream, 1)).toEqual(['ADDED a']);
    await server.kill();
    expect((await untilEnd(stream)).end).toBe('Unavailable');
    expect(await outcome(direct.create(GlobalNetworkSet, networkSet('b')))).toBe('Unavailable');
    await server.run();
    await direct.create(GlobalNetworkSet, networkSet('b'));
    await direct.delete(GlobalNetworkSet, { name: 'a' });
    expect(await take(watch(direct, version), 3)).toEqual(['ADDED a', 'ADDED b', 'DELETED a']);
  });

  test('a connection that is cut ends the watch; a read under way is done again on another', async () => {
    const client = open([proxy.url]);
    await direct.create(GlobalNetworkSet, networkSet('a'));
    const stream = watch(client, await versionOf(client));
    await stream.next();
    const reading = proxy.holdAfter('networksets/a');
    const first = client.get(GlobalNetworkSet, { name: 'a' });
    await reading;
    await first;
    const second = client.get(GlobalNetworkSet, { name: 'a' });
    proxy.cut();
    proxy.release();
    expect((await second).metadata.name).toBe('a');
    expect((await untilEnd(stream)).end).toBe('Unavailable');
  });

  test('a half-open connection is noticed by the watch and by reads, and left for the other endpoint', async () => {
    const client = open([proxy.url, server.url], QUICK);
    await direct.create(GlobalNetworkSet, networkSet('a'));
    const version = await versionOf(client);
    const stream = watch(client, version);
    await stream.next();
    proxy.swallow('all');
    const [{ end }, names] = await Promise.all([untilEnd(stream), setNames(client)]);
    expect(end).toBe('Timeout');
    expect(names).toEqual(['a']);
    const next = watch(client, version);
    await direct.create(GlobalNetworkSet, networkSet('b'));
    expect(await take(next, 1)).toEqual(['ADDED b']);
  });

  test('a server that is slow to answer is a Timeout, and a write to it of unknown outcome', async () => {
    const client = open([server.url], { ...QUICK, readRetries: 0 });
    expect(await setNames(client)).toEqual([]);
    server.freeze(true);
    try {
      expect(await outcome(client.create(GlobalNetworkSet, networkSet('a')))).toBe('Timeout?');
      // That connection was left, and a new one does not come to stand: nothing was sent.
      expect(await outcome(client.create(GlobalNetworkSet, networkSet('b')))).toBe('Unavailable');
      expect(await outcome(client.get(GlobalNetworkSet, { name: 'a' }))).toBe('Unavailable');
    } finally {
      server.freeze(false);
    }
    expect(['done', 'AlreadyExists']).toContain(await outcome(client.create(GlobalNetworkSet, networkSet('a'))));
    expect(await setNames(client)).toEqual(['a']);
  });

  test('a write whose answer is lost says that its outcome is unknown, and was done once', async () => {
    const client = open([proxy.url], QUICK);
    const a = await client.create(GlobalNetworkSet, networkSet('a'));
    proxy.swallow('answers');
    expect(await outcome(client.create(GlobalNetworkSet, networkSet('b')))).toBe('Timeout?');
    proxy.swallow('none');
    expect(await setNames(client)).toEqual(['a', 'b']);
    expect(await outcome(client.create(GlobalNetworkSet, networkSet('b')))).toBe('AlreadyExists');
    proxy.swallow('answers');
    const cut = outcome(client.create(GlobalNetworkSet, networkSet('c')));
    const seen = watch(direct, a.metadata.resourceVersion ?? '');
    expect(await take(seen, 2)).toEqual(['ADDED b', 'ADDED c']);
    proxy.cut();
    expect(await cut).toBe('Unavailable?');
  });

  test('a write that finds no server was not done, and names every endpoint', async () => {
    const other = await TcpProxy.start(server.port);
    const client = open([proxy.url, other.url]);
    await Promise.all([proxy.stop(), other.stop()]);
    const call = client.create(GlobalNetworkSet, networkSet('a'));
    expect(await outcome(call)).toBe('Unavailable');
    await expect(call).rejects.toThrow(
      new RegExp(`Cannot create GlobalNetworkSet\\(a\\): ${proxy.url}: .*ECONNREFUSED.*; ${other.url}: .*ECONNREFUSED`),
    );
  });

  test('of two endpoints one may die: reads and writes go on, and the next watch is on the other', async () => {
    const client = open([proxy.url, server.url]);
    const version = await versionOf(client);
    const stream = watch(client, version);
    await stream.next();
    await proxy.stop();
    expect((await untilEnd(stream)).end).toBe('Unavailable');
    expect(await setNames(client)).toEqual([]);
    await client.create(GlobalNetworkSet, networkSet('a'));
    expect(await take(watch(client, version), 1)).toEqual(['ADDED a']);
    proxy = await TcpProxy.start(server.port);
  });

  test('a compaction between two pages of a list starts it again, and it shows one moment', async () => {
    const client = open([proxy.url], { pageSize: 2 });
    for (const name of ['a', 'b', 'c', 'd', 'e']) await direct.create(GlobalNetworkSet, networkSet(name));
    const firstPage = proxy.holdAfter('networksets/b');
    const listing = client.list(GlobalNetworkSet);
    await firstPage;
    await direct.delete(GlobalNetworkSet, { name: 'a' });
    await direct.create(GlobalNetworkSet, networkSet('f'));
    const version = await versionOf(direct);
    await direct.compact(version);
    proxy.release();
    const { items, resourceVersion } = await listing;
    expect(items.map(({ metadata }) => metadata.name)).toEqual(['b', 'c', 'd', 'e', 'f']);
    expect(resourceVersion).toBe(version);
  });

  test('a change between two pages of a list is not in it', async () => {
    const client = open([proxy.url], { pageSize: 2 });
    for (const name of ['a', 'b', 'c', 'd']) await direct.create(GlobalNetworkSet, networkSet(name));
    const firstPage = proxy.holdAfter('networksets/b');
    const listing = client.list(GlobalNetworkSet);
    await firstPage;
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

  test('of many changes of one object at once, none is lost', async () => {
    const many = Array.from({ length: 50 }, (_, i) => `label-${i}`);
    await direct.create(GlobalNetworkSet, networkSet('a'));
    const clients = [etcdClient({ endpoints: [server.url] }), etcdClient({ endpoints: [server.url] })];
    await Promise.all(
      many.map((label, i) => {
        const patch = { metadata: { labels: { [label]: 'yes' } } };
        return (clients[i % 2] ?? direct).patch(GlobalNetworkSet, { name: 'a' }, patch, { type: 'merge' });
      }),
    );
    for (const client of clients) client.close();
    const { metadata } = await direct.get(GlobalNetworkSet, { name: 'a' });
    expect(Object.keys(metadata.labels ?? {}).sort()).toEqual(many.sort());
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

  test('a reflector notices a half-open connection, and what was deleted and compacted meanwhile', async () => {
    const client = open([proxy.url], QUICK);
    for (const name of ['a', 'b']) await direct.create(GlobalNetworkSet, networkSet(name));
    const view = new Set<string>();
    const noticed = Promise.withResolvers<void>();
    let changed = (): void => {};
    const until = (wanted: readonly string[]) =>
      new Promise<void>(resolve => {
        changed = () => {
          if ([...view].sort().join() === wanted.join()) resolve();
        };
        changed();
      });
    const reflector = startReflector(
      client,
      GlobalNetworkSet,
      {
        onSync(items) {
          for (const { metadata } of items) view.add(metadata.name);
          changed();
        },
        onEvent({ type, key }) {
          if (type === 'set') view.add(key.name);
          else view.delete(key.name);
          changed();
        },
        onStatus({ error }) {
          if (error?.code === 'Timeout') noticed.resolve();
        },
      },
      { clock: systemClock, random: seededRandom(1), signal: stop.signal },
    );
    await until(['a', 'b']);
    proxy.swallow('all');
    await direct.delete(GlobalNetworkSet, { name: 'a' });
    await direct.create(GlobalNetworkSet, networkSet('c'));
    await direct.compact(await versionOf(direct));
    expect(view).toEqual(new Set(['a', 'b']));
    await noticed.promise;
    proxy.swallow('none');
    proxy.cut();
    await until(['b', 'c']);
    expect(reflector.age()).toBeLessThan(10_000);
    stop.abort();
    await reflector.done;
  });
});
