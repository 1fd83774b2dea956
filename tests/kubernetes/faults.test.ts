import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { GlobalNetworkSet } from '@calico/api';
import { type Client, DatastoreError, isConflict } from '@calico/datastore';
import { type CalicoApiGroup, type CalicoClientOptions, calicoClient } from '@calico/datastore/kubernetes';
import { crdFolder, createCrds, readCrds } from './crds.ts';
import { emptyStore } from './empty-store.ts';
import { BUILD_MS, type KubernetesServer, missingForKubernetes, startKubernetes } from './server.ts';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';
import { printVersions, startView, type View } from './view.ts';

const folder = crdFolder();
const missing = missingForKubernetes() ?? (folder === undefined ? 'needs manifests/crds' : undefined);

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

function faults(crds: string): void {
  const apiGroup: CalicoApiGroup = 'projectcalico.org/v3';
  let server: KubernetesServer;
  let proxy: TcpProxy;
  /** Not through the proxy. */
  let direct: Client;
  const views: View<GlobalNetworkSet>[] = [];

  beforeAll(async () => {
    server = await startKubernetes();
    for (const group of ['projectcalico.org', 'crd.projectcalico.org']) await createCrds(server, readCrds(crds, group));
    direct = calicoClient(server.config, { apiGroup });
  }, BUILD_MS);
  afterAll(() => server.stop());
  beforeEach(async () => {
    proxy = await startTcpProxy(server.port);
  });
  afterEach(async () => {
    for (const view of views.splice(0)) await view.stop();
    await proxy.stop();
    await emptyStore(server, direct);
  });

  const through = (options: CalicoClientOptions = {}): Client =>
    calicoClient({ ...server.config, server: `https://127.0.0.1:${proxy.port}` }, { apiGroup, ...options });

  const watchSets = async (client: Client): Promise<View<GlobalNetworkSet>> => {
    const view = startView(client, GlobalNetworkSet);
    views.push(view);
    await server.until(async () => view.status.state === 'watching');
    return view;
  };

  /** Waits until a view shows what the server has. */
  const caughtUp = async (view: View<GlobalNetworkSet>, client = direct): Promise<void> => {
    const wanted = printVersions((await client.list(GlobalNetworkSet)).items);
    await server.until(async () => Bun.deepEquals(printVersions(view.objects.values()), wanted));
  };

  for (const group of ['projectcalico.org/v3', 'crd.projectcalico.org/v1'] as const) {
    for (const how of ['stop', 'kill'] as const) {
      test(`a view outlives a server that is made to ${how}, tells of it, and misses nothing (${group})`, async () => {
        const client = calicoClient(server.config, { apiGroup: group });
        for (const name of ['a', 'b']) await client.create(GlobalNetworkSet, set(name));
        const view = await watchSets(client);
        await server.restart(how);
        expect(view.status).not.toEqual({ state: 'watching', error: undefined });
        await client.list(GlobalNetworkSet);
        await client.delete(GlobalNetworkSet, { name: 'a' });
        await client.create(GlobalNetworkSet, set('c'));
        await caughtUp(view, client);
        await server.until(async () => view.status.state === 'watching' && view.status.error === undefined);
        for (const name of ['b', 'c']) await client.delete(GlobalNetworkSet, { name });
        await caughtUp(view, client);
      });
    }
  }

  test('a view whose past was compacted while it was away lists anew, and loses what was deleted meanwhile', async () => {
    for (const name of ['a', 'b']) await direct.create(GlobalNetworkSet, set(name));
    const view = await watchSets(through());
    proxy.mode('hold');
    proxy.cut();
    await direct.delete(GlobalNetworkSet, { name: 'a' });
    await direct.create(GlobalNetworkSet, set('c'));
    await server.etcd.compact();
    await server.restart('stop');
    await direct.list(GlobalNetworkSet);
    expect([...view.objects.keys()]).toEqual(['a', 'b']);
    expect(view.status.state).not.toBe('watching');
    proxy.mode('pass');
    proxy.cut();
    await caughtUp(view);
    expect([...view.objects.keys()].sort()).toEqual(['b', 'c']);
  });

  test('a list whose past is compacted between two pages shows one moment', async () => {
    const names = Array.from({ length: 12 }, (_, i) => `set-${String(i).padStart(2, '0')}`);
    for (const name of names) await direct.create(GlobalNetworkSet, set(name));
    const pages: string[] = [];
    const front = Bun.serve({
      hostname: '127.0.0.1',
      port: 0,
      idleTimeout: 0,
      fetch: async request => {
        const { pathname, search, searchParams } = new URL(request.url);
        pages.push(searchParams.has('continue') ? 'next' : searchParams.has('limit') ? 'first' : 'whole');
        if (pages.at(-1) === 'next' && !pages.includes('whole')) {
          // Of the first page one goes, of the last one comes.
          await direct.delete(GlobalNetworkSet, { name: 'set-00' });
          await direct.create(GlobalNetworkSet, set('set-12'));
          await server.etcd.compact();
          await server.restart('stop');
        }
        const answer = await server.request('GET', pathname + search);
        return new Response(await answer.text(), { status: answer.status, headers: answer.headers });
      },
    });
    const client = calicoClient({ server: `http://127.0.0.1:${front.port}` }, { apiGroup, pageSize: 4 });
    const { items } = await client.list(GlobalNetworkSet);
    expect(items.map(({ metadata }) => metadata.name)).toEqual([...names.slice(1), 'set-12']);
    expect(new Set(pages)).toEqual(new Set(['first', 'next', 'whole']));
    await front.stop(true);
  });

  test('an answer that is cut in its midst is asked for again, and never taken for a whole one', async () => {
    const nets = Array.from({ length: 200 }, (_, i) => `10.0.${i}.0/24`);
    for (const name of ['a', 'b', 'c', 'd']) await direct.create(GlobalNetworkSet, set(name, nets));
    const client = through();
    await client.list(GlobalNetworkSet);
    for (const bytes of [1, 500, 3000, 9000]) {
      proxy.cutAfter(bytes);
      expect((await client.list(GlobalNetworkSet)).items.map(({ spec }) => spec.nets?.length)).toEqual([
        200, 200, 200, 200,
      ]);
    }
    const impatient = through({ readRetries: 0 });
    proxy.cutAfter(6000);
    expect((await failure(impatient.list(GlobalNetworkSet))).code).toBe('Unavailable');
  });

  test('a view whose connection is cut in the midst of an event goes on from there', async () => {
    const view = await watchSets(through());
    const nets = Array.from({ length: 200 }, (_, i) => `10.0.${i}.0/24`);
    for (const name of ['a', 'b', 'c']) {
      proxy.cutAfter(2000);
      await direct.create(GlobalNetworkSet, set(name, nets));
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
    await server.until(async () => view.status.error?.code === 'Timeout');
    expect(view.age()).toBeGreaterThan(1400);
    expect(view.objects.has('b')).toBe(false);
    proxy.mode('pass');
    await caughtUp(view);
    expect(view.age()).toBeLessThan(1500);
  });

  test('a slow server is waited for, and given up after the time set', async () => {
    await direct.create(GlobalNetworkSet, set('a'));
    proxy.delay(200);
    expect((await through().list(GlobalNetworkSet)).items).toHaveLength(1);
    const impatient = through({ requestTimeoutMs: 100, readRetries: 0 });
    expect((await failure(impatient.get(GlobalNetworkSet, { name: 'a' }))).code).toBe('Timeout');
    const err = await failure(impatient.create(GlobalNetworkSet, set('b')));
    expect([err.code, err.outcomeUnknown]).toEqual(['Timeout', true]);
  });

  test('a write whose answer is lost says so, was done once, and cannot be done twice by mistake', async () => {
    const client = through({ requestTimeoutMs: 5000 });
    const made = await client.create(GlobalNetworkSet, set('a'));
    const lost = async (call: () => Promise<unknown>): Promise<void> => {
      proxy.mode('lose-answers');
      const before = proxy.answered;
      const failed = failure(call());
      // The server has answered, so it is done; now the connection goes.
      await server.until(async () => proxy.answered > before);
      proxy.cut();
      const err = await failed;
      proxy.mode('pass');
      expect([err.code, err.outcomeUnknown]).toEqual(['Unavailable', true]);
    };
    await client.list(GlobalNetworkSet);
    const change = { ...made, spec: { nets: ['10.0.0.0/8'] } };
    await lost(() => client.update(GlobalNetworkSet, change));
    expect((await direct.get(GlobalNetworkSet, { name: 'a' })).spec).toEqual(change.spec);
    expect((await failure(client.update(GlobalNetworkSet, change))).code).toBe('Conflict');
    await lost(() => client.create(GlobalNetworkSet, set('b')));
    expect((await failure(client.create(GlobalNetworkSet, set('b')))).code).toBe('AlreadyExists');
    const { uid = '' } = made.metadata;
    await lost(() => client.delete(GlobalNetworkSet, { name: 'a' }, { uid }));
    expect((await failure(client.delete(GlobalNetworkSet, { name: 'a' }, { uid }))).code).toBe('NotFound');
  });

  for (const group of ['projectcalico.org/v3', 'crd.projectcalico.org/v1'] as const) {
    test(`of updates from many sides none is lost (${group})`, async () => {
      const client = calicoClient(server.config, { apiGroup: group });
      await client.create(GlobalNetworkSet, set('a', []));
      const conflicts = { count: 0 };
      const add = async (net: string): Promise<void> => {
        for (;;) {
          const old = await client.get(GlobalNetworkSet, { name: 'a' });
          try {
            await client.update(GlobalNetworkSet, { ...old, spec: { nets: [...(old.spec.nets ?? []), net] } });
            return;
          } catch (err) {
            if (!isConflict(err)) throw err;
            conflicts.count++;
          }
        }
      };
      const worker = async (worker: number): Promise<void> => {
        for (let i = 0; i < 8; i++) await add(`10.${worker}.${i}.0/24`);
      };
      await Promise.all(Array.from({ length: 8 }, (_, i) => worker(i)));
      const labels = Array.from({ length: 20 }, (_, i) => `label-${i}`);
      const label = (name: string) =>
        client.patch(GlobalNetworkSet, { name: 'a' }, { metadata: { labels: { [name]: 'x' } } }, { type: 'merge' });
      await Promise.all(labels.map(label));
      const { metadata, spec } = await client.get(GlobalNetworkSet, { name: 'a' });
      expect(new Set(spec.nets).size).toBe(64);
      expect(Object.keys(metadata.labels ?? {}).sort()).toEqual(labels.sort());
      expect(conflicts.count).toBeGreaterThan(0);
      await client.delete(GlobalNetworkSet, { name: 'a' });
    });
  }
}

if (missing !== undefined || folder === undefined) {
  test.skip(`faults of a real kube-apiserver (${missing})`, () => {});
} else {
  describe('with a real kube-apiserver', () => faults(folder));
}
