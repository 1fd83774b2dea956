import { afterAll, afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, setSystemTime, test } from 'bun:test';
import { GlobalNetworkSet } from '@calico/api';
import { type Client, DatastoreError, isConflict, isNotFound } from '@calico/datastore';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';
import { until } from './until.ts';
import { printVersions, startView, type View } from './view.ts';

/** What the suite asks of a client beside where the server is. */
export interface FaultClientOptions {
  readonly requestTimeoutMs?: number;
  readonly watchSilenceMs?: number;
  readonly pageSize?: number;
  readonly readRetries?: number;
}

/** A real server, in a process of its own, that can be made to suffer. */
export interface FaultServer {
  /** Of 127.0.0.1. */
  readonly port: number;
  /** A client that reaches the server through a port of 127.0.0.1: the server's own or a proxy's. */
  client(port: number, options?: FaultClientOptions): Client;
  /** Ends the server, `kill` without a word, and starts it anew on the same port and data. */
  restart(how: 'stop' | 'kill'): Promise<void>;
  /** Forgets the history of everything up to now. The server may restart for it. */
  compact(): Promise<void>;
  stop(): Promise<void>;
}

const HOUR = 3_600_000;
/** Enough of them that a list is several packets. */
const MANY_NETS = Array.from({ length: 200 }, (_, i) => `10.0.${i}.0/24`);

function set(name: string, nets: string[] = ['192.0.2.0/24']): GlobalNetworkSet {
  return { apiVersion: 'projectcalico.org/v3', kind: 'GlobalNetworkSet', metadata: { name }, spec: { nets } };
}

async function failure(call: Promise<unknown>): Promise<DatastoreError> {
  const err = await call.then(
    () => 'it succeeded',
    (cause: unknown) => cause,
  );
  if (err instanceof DatastoreError) return err;
  throw new Error(`expected a DatastoreError, got ${String(err)}`);
}

/**
 * What no trouble of server, network or clock may do to a reader or writer of a datastore, as bun tests: no acknowledged write is
 * lost, none is done twice unnoticed, no view stays stale without saying so. `start` is called once, within `startMs`.
 */
export function datastoreFaults(start: () => Promise<FaultServer>, startMs = 60_000): void {
  let server: FaultServer;
  let proxy: TcpProxy;
  /** Not through the proxy. */
  let direct: Client;
  const views: View<GlobalNetworkSet>[] = [];
  // Servers start on machines that may have much else to do.
  setDefaultTimeout(120_000);

  beforeAll(async () => {
    server = await start();
    direct = server.client(server.port);
  }, startMs);
  afterAll(() => server.stop());
  beforeEach(async () => {
    proxy = await startTcpProxy(server.port);
  });
  afterEach(async () => {
    setSystemTime();
    for (const view of views.splice(0)) await view.stop();
    await proxy.stop();
    const { items } = await direct.list(GlobalNetworkSet);
    await Promise.all(items.map(({ metadata }) => direct.delete(GlobalNetworkSet, metadata)));
  });

  const through = (options: FaultClientOptions = {}): Client => server.client(proxy.port, options);

  const watchSets = async (client: Client): Promise<View<GlobalNetworkSet>> => {
    const view = startView(client, GlobalNetworkSet);
    views.push(view);
    await until(() => view.status.state === 'watching');
    return view;
  };

  /** Waits until a view shows what the server has. */
  const caughtUp = async (view: View<GlobalNetworkSet>): Promise<void> => {
    const wanted = printVersions((await direct.list(GlobalNetworkSet)).items);
    await until(() => Bun.deepEquals(printVersions(view.objects.values()), wanted));
  };

  const exists = (name: string): Promise<boolean> =>
    direct.get(GlobalNetworkSet, { name }).then(
      () => true,
      (cause: unknown) => {
        if (isNotFound(cause)) return false;
        throw cause;
      },
    );

  for (const how of ['stop', 'kill'] as const) {
    test(`a view outlives a server that is made to ${how}, tells of it, and misses nothing`, async () => {
      for (const name of ['a', 'b']) await direct.create(GlobalNetworkSet, set(name));
      const view = await watchSets(direct);
      await server.restart(how);
      expect(view.states).toContain('waiting');
      await direct.list(GlobalNetworkSet);
      await direct.delete(GlobalNetworkSet, { name: 'a' });
      await direct.create(GlobalNetworkSet, set('c'));
      await caughtUp(view);
      await until(() => view.status.state === 'watching' && view.status.error === undefined);
      for (const name of ['b', 'c']) await direct.delete(GlobalNetworkSet, { name });
      await caughtUp(view);
    });
  }

  test('of the writes under way when a server is killed every acknowledged one survives, and no other is claimed', async () => {
    const outcomes = new Map<string, 'done' | 'unknown' | 'not done'>();
    let stopped = false;
    const write = async (writer: number): Promise<void> => {
      for (let i = 0; !stopped; i++) {
        const name = `set-${writer}-${i}`;
        try {
          await direct.create(GlobalNetworkSet, set(name));
          outcomes.set(name, 'done');
        } catch (err) {
          if (!(err instanceof DatastoreError)) throw err;
          outcomes.set(name, err.outcomeUnknown ? 'unknown' : 'not done');
          stopped = true;
        }
      }
    };
    const writing = Promise.all(Array.from({ length: 8 }, (_, i) => write(i)));
    await until(() => outcomes.size >= 40);
    await server.restart('kill');
    stopped = true;
    await writing;
    const stored = new Set((await direct.list(GlobalNetworkSet)).items.map(({ metadata }) => metadata.name));
    const named = (outcome: string) => [...outcomes].filter(([, each]) => each === outcome).map(([name]) => name);
    expect(named('done').length).toBeGreaterThanOrEqual(32);
    expect(named('done').filter(name => !stored.has(name))).toEqual([]);
    expect(named('not done').filter(name => stored.has(name))).toEqual([]);
    for (const name of stored) expect(outcomes.has(name)).toBe(true);
  });

  test('a view whose past was compacted while it was away lists anew, and loses what was deleted meanwhile', async () => {
    for (const name of ['a', 'b']) await direct.create(GlobalNetworkSet, set(name));
    const view = await watchSets(through());
    proxy.mode('hold');
    proxy.cut();
    await direct.delete(GlobalNetworkSet, { name: 'a' });
    await direct.create(GlobalNetworkSet, set('c'));
    await server.compact();
    await direct.list(GlobalNetworkSet);
    expect([...view.objects.keys()].sort()).toEqual(['a', 'b']);
    expect(view.status.state).not.toBe('watching');
    proxy.mode('pass');
    proxy.cut();
    await caughtUp(view);
    expect([...view.objects.keys()].sort()).toEqual(['b', 'c']);
  });

  test('a list whose past is compacted between two pages shows one moment', async () => {
    const names = Array.from({ length: 12 }, (_, i) => `set-${String(i).padStart(2, '0')}`);
    for (const name of names) await direct.create(GlobalNetworkSet, set(name, MANY_NETS));
    // The server may restart to forget, which takes as many tries.
    const client = through({ pageSize: 4, readRetries: 20 });
    await client.get(GlobalNetworkSet, { name: 'set-00' });
    // The first page is larger than this; the question for the second is held back.
    const held = proxy.holdQuestionsAfter(6000);
    const listing = client.list(GlobalNetworkSet);
    await held;
    // Of the first page one goes, of the last one comes.
    await direct.delete(GlobalNetworkSet, { name: 'set-00' });
    await direct.create(GlobalNetworkSet, set('set-12'));
    await server.compact();
    proxy.release();
    const { items } = await listing;
    expect(items.map(({ metadata }) => metadata.name)).toEqual([...names.slice(1), 'set-12']);
  });

  test('an answer that is cut in its midst is asked for again, and never taken for a whole one', async () => {
    for (const name of ['a', 'b', 'c', 'd']) await direct.create(GlobalNetworkSet, set(name, MANY_NETS));
    const client = through();
    await client.list(GlobalNetworkSet);
    for (const bytes of [1, 500, 3000, 9000]) {
      proxy.cutAfter(bytes);
      const { items } = await client.list(GlobalNetworkSet);
      expect(items.map(({ spec }) => spec.nets?.length)).toEqual([200, 200, 200, 200]);
    }
    const impatient = through({ readRetries: 0 });
    proxy.cutAfter(6000);
    expect((await failure(impatient.list(GlobalNetworkSet))).code).toBe('Unavailable');
  });

  test('a view whose connection is cut in the midst of an event goes on from there', async () => {
    const view = await watchSets(through());
    for (const name of ['a', 'b', 'c']) {
      proxy.cutAfter(2000);
      await direct.create(GlobalNetworkSet, set(name, MANY_NETS));
      await caughtUp(view);
    }
    await direct.delete(GlobalNetworkSet, { name: 'b' });
    await caughtUp(view);
  });

  test('a view on a connection that is open at our end only grows old visibly, and recovers', async () => {
    const view = await watchSets(through({ watchSilenceMs: 1500, requestTimeoutMs: 1000 }));
    await direct.create(GlobalNetworkSet, set('a'));
    await caughtUp(view);
    expect(view.age()).toBeLessThan(1500);
    proxy.mode('hold');
    await direct.create(GlobalNetworkSet, set('b'));
    // Of the watch itself, or of the connection that is tried next.
    await until(() => ['Timeout', 'Unavailable'].includes(view.status.error?.code ?? ''));
    expect(view.age()).toBeGreaterThan(1400);
    expect(view.objects.has('b')).toBe(false);
    proxy.mode('pass');
    await caughtUp(view);
    expect(view.age()).toBeLessThan(1500);
  });

  test('a slow server is waited for, and given up after the time set', async () => {
    await direct.create(GlobalNetworkSet, set('a'));
    const impatient = through({ requestTimeoutMs: 1000, readRetries: 0 });
    await impatient.list(GlobalNetworkSet);
    proxy.delay(200);
    expect((await through().list(GlobalNetworkSet)).items).toHaveLength(1);
    proxy.delay(5000);
    const err = await failure(impatient.create(GlobalNetworkSet, set('b')));
    expect([err.code, err.outcomeUnknown]).toEqual(['Timeout', true]);
    expect(['Timeout', 'Unavailable']).toContain((await failure(impatient.get(GlobalNetworkSet, { name: 'a' }))).code);
  });

  test('a write whose answer is lost says so, was done once, and cannot be done twice by mistake', async () => {
    const client = through({ requestTimeoutMs: 20_000 });
    const made = await client.create(GlobalNetworkSet, set('a'));
    const lost = async (call: () => Promise<unknown>, isDone: () => Promise<boolean>): Promise<void> => {
      proxy.mode('hold-answers');
      const failed = failure(call());
      // A write may begin with a read: what was answered before the write was done goes on its way.
      await until(async () => {
        const sendEarlier = proxy.heldAnswers();
        if (await isDone()) return true;
        sendEarlier();
        return false;
      });
      proxy.cut();
      const err = await failed;
      proxy.mode('pass');
      expect([err.code, err.outcomeUnknown]).toEqual(['Unavailable', true]);
    };
    const change = { ...made, spec: { nets: ['10.0.0.0/8'] } };
    await lost(
      () => client.update(GlobalNetworkSet, change),
      async () => (await direct.get(GlobalNetworkSet, { name: 'a' })).spec.nets?.[0] === '10.0.0.0/8',
    );
    expect((await failure(client.update(GlobalNetworkSet, change))).code).toBe('Conflict');
    await lost(
      () => client.create(GlobalNetworkSet, set('b')),
      () => exists('b'),
    );
    expect((await failure(client.create(GlobalNetworkSet, set('b')))).code).toBe('AlreadyExists');
    const { uid = '' } = made.metadata;
    await lost(
      () => client.delete(GlobalNetworkSet, { name: 'a' }, { uid }),
      async () => !(await exists('a')),
    );
    expect((await failure(client.delete(GlobalNetworkSet, { name: 'a' }, { uid }))).code).toBe('NotFound');
  });

  test('of updates from many sides, which all meet conflicts, none is lost', async () => {
    await direct.create(GlobalNetworkSet, set('a', []));
    let conflicts = 0;
    const add = async (net: string): Promise<void> => {
      for (;;) {
        const old = await direct.get(GlobalNetworkSet, { name: 'a' });
        try {
          await direct.update(GlobalNetworkSet, { ...old, spec: { nets: [...(old.spec.nets ?? []), net] } });
          return;
        } catch (err) {
          if (!isConflict(err)) throw err;
          conflicts++;
        }
      }
    };
    const worker = async (worker: number): Promise<void> => {
      for (let i = 0; i < 8; i++) await add(`10.${worker}.${i}.0/24`);
    };
    await Promise.all(Array.from({ length: 8 }, (_, i) => worker(i)));
    const labels = Array.from({ length: 20 }, (_, i) => `label-${i}`);
    const label = (name: string) =>
      direct.patch(GlobalNetworkSet, { name: 'a' }, { metadata: { labels: { [name]: 'x' } } }, { type: 'merge' });
    await Promise.all(labels.map(label));
    const { metadata, spec } = await direct.get(GlobalNetworkSet, { name: 'a' });
    expect(new Set(spec.nets).size).toBe(64);
    expect(Object.keys(metadata.labels ?? {}).sort()).toEqual(labels.sort());
    expect(conflicts).toBeGreaterThan(0);
  });

  for (const [direction, jump] of Object.entries({ forward: 5 * HOUR, back: -5 * HOUR })) {
    test(`a wall clock that jumps hours ${direction} fools no view, no time limit and no delay`, async () => {
      const client = through({ watchSilenceMs: 1500, requestTimeoutMs: 4_000 });
      const view = await watchSets(client);
      setSystemTime(new Date(Date.now() + jump));
      // Under way: the view neither looks old nor is given up, and goes on.
      expect(view.age()).toBeGreaterThanOrEqual(0);
      expect(view.age()).toBeLessThan(HOUR);
      const before = view.states.length;
      await direct.create(GlobalNetworkSet, set('a'));
      await caughtUp(view);
      expect(view.states.slice(before)).toEqual([]);
      expect((await client.get(GlobalNetworkSet, { name: 'a' })).metadata.name).toBe('a');
      // A silence is still noticed, though the clock jumps back in it, and the delay after it ends.
      proxy.mode('hold');
      setSystemTime(new Date(Date.now() - jump));
      await direct.create(GlobalNetworkSet, set('b'));
      await until(() => view.status.error !== undefined);
      expect(view.age()).toBeGreaterThan(1400);
      expect(view.age()).toBeLessThan(HOUR);
      setSystemTime(new Date(Date.now() + jump));
      proxy.mode('pass');
      await caughtUp(view);
      expect(view.age()).toBeLessThan(1500);
    });
  }
}
