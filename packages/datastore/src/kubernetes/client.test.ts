import { afterEach, describe, expect, test } from 'bun:test';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GlobalNetworkSet, Pod } from '@calico/api';
import { type Clock, ClockFake, seededRandom } from '@calico/reconcile';
import type { Client } from '../client.ts';
import { globalNetworkSet } from '../contract/objects.ts';
import { DatastoreError } from '../error.ts';
import { type Asked, type ScriptedServer, startScriptedServer, statusResponse } from '../testing/scripted-server.ts';
import { type KubernetesClientOptions, kubernetesClient } from './client.ts';
import type { KubernetesConfig } from './config.ts';
import { processClock } from './system-time.ts';

let server: ScriptedServer | undefined;
afterEach(async () => {
  await server?.stop();
  server = undefined;
});

/** The real timers, but sleeping takes no time. */
const quickClock: Clock = { ...processClock, sleep: () => Promise.resolve() };

function start(
  answer: (asked: Asked, count: number) => Response | Promise<Response>,
  options: KubernetesClientOptions = {},
  config: Partial<KubernetesConfig> = {},
) {
  const started = startScriptedServer(answer);
  server = started;
  const client = kubernetesClient(
    { server: started.url, ...config },
    { clock: quickClock, random: seededRandom(1), ...options },
  );
  return { client, asked: started.asked };
}

async function failure(call: Promise<unknown>): Promise<DatastoreError> {
  const err = await call.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  if (err instanceof DatastoreError) return err;
  throw new Error(`expected a DatastoreError, got ${String(err)}`);
}

const list = (names: readonly string[], metadata: object): Response =>
  Response.json({ metadata, items: names.map(name => ({ metadata: { name }, spec: {} })) });

describe('kubernetesClient names every failure', () => {
  const cases: { name: string; status: number; reason: string; message?: string; code: string; unknown?: boolean }[] = [
    { name: 'a bad request', status: 400, reason: 'BadRequest', code: 'Invalid' },
    { name: 'no credentials', status: 401, reason: 'Unauthorized', code: 'Unauthorized' },
    { name: 'no permission', status: 403, reason: 'Forbidden', code: 'Forbidden' },
    { name: 'nothing there', status: 404, reason: 'NotFound', code: 'NotFound' },
    { name: 'something there', status: 409, reason: 'AlreadyExists', code: 'AlreadyExists' },
    { name: 'an old version', status: 409, reason: 'Conflict', code: 'Conflict' },
    {
      name: 'another uid',
      status: 409,
      reason: 'Conflict',
      message: 'Operation cannot be fulfilled: Precondition failed: UID in precondition: a, UID in object meta: b',
      code: 'NotFound',
    },
    {
      name: 'another uid, on deletion',
      status: 409,
      reason: 'Conflict',
      message: 'Operation cannot be fulfilled: the UID in the precondition (a) does not match the UID in record (b).',
      code: 'NotFound',
    },
    { name: 'compaction', status: 410, reason: 'Expired', code: 'Gone' },
    { name: 'an object that is not valid', status: 422, reason: 'Invalid', code: 'Invalid' },
    { name: 'too many requests', status: 429, reason: 'TooManyRequests', code: 'Unavailable' },
    { name: 'a fault of the server', status: 500, reason: 'InternalError', code: 'Internal', unknown: true },
    {
      name: 'a server that is not there',
      status: 503,
      reason: 'ServiceUnavailable',
      code: 'Unavailable',
      unknown: true,
    },
    { name: 'a timeout of the server', status: 504, reason: 'Timeout', code: 'Timeout', unknown: true },
  ];
  for (const { name, status, reason, message = 'because', code, unknown = false } of cases) {
    test(name, async () => {
      const { client, asked } = start(() => statusResponse(status, reason, message));
      const err = await failure(client.update(GlobalNetworkSet, globalNetworkSet('a')));
      expect({ code: err.code, op: err.op, resource: err.resource, unknown: err.outcomeUnknown }).toEqual({
        code: code as DatastoreError['code'],
        op: 'update',
        resource: 'GlobalNetworkSet(a)',
        unknown,
      });
      expect(err.message).toBe(`Cannot update GlobalNetworkSet(a): ${message}`);
      expect(asked).toHaveLength(1);
    });
  }

  const refusedFields = [
    { name: 'another uid, of a patch', fields: ['metadata.uid', 'metadata.uid'], code: 'NotFound' as const },
    { name: 'another uid among other faults', fields: ['metadata.uid', 'spec.x'], code: 'Invalid' as const },
  ];
  for (const { name, fields, code } of refusedFields) {
    test(name, async () => {
      const causes = fields.map(field => ({ reason: 'FieldValueInvalid', message: 'field is immutable', field }));
      const { client } = start(() =>
        Response.json({ kind: 'Status', reason: 'Invalid', code: 422, details: { causes } }, { status: 422 }),
      );
      const patch = client.patch(Pod, { namespace: 'n', name: 'p' }, { metadata: {} }, { type: 'merge' });
      expect((await failure(patch)).code).toBe(code);
    });
  }

  test('an answer that is no JSON', async () => {
    const { client } = start(() => new Response('<html>welcome</html>'));
    const err = await failure(client.get(GlobalNetworkSet, { name: 'a' }));
    expect([err.code, err.reason.includes('<html>')]).toEqual(['Internal', true]);
  });
});

describe('a write whose connection breaks is not sent again, and its outcome is unknown:', () => {
  const a = globalNetworkSet('a');
  const key = { name: 'a' };
  const writes: Record<string, (client: Client) => Promise<unknown>> = {
    POST: client => client.create(GlobalNetworkSet, a),
    PUT: client => client.update(GlobalNetworkSet, a),
    PATCH: client => client.patch(GlobalNetworkSet, key, {}, { type: 'merge' }),
    DELETE: client => client.delete(GlobalNetworkSet, key),
  };
  for (const [method, write] of Object.entries(writes)) {
    for (const connection of ['new', 'kept'] as const) {
      test(`${method} on a ${connection} connection`, async () => {
        const seen: string[] = [];
        const socketServer = createServer(socket => {
          socket.on('error', () => {});
          socket.on('data', data => {
            const [verb = ''] = data.toString().split(' ');
            if (verb !== 'GET') {
              seen.push(verb);
              socket.destroy();
            } else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{"spec":{}}');
          });
        });
        await new Promise<void>(resolve => socketServer.listen(0, '127.0.0.1', resolve));
        const address = socketServer.address();
        const port = typeof address === 'object' ? address?.port : undefined;
        const client = kubernetesClient({ server: `http://127.0.0.1:${port}` });
        if (connection === 'kept') await client.get(GlobalNetworkSet, key);
        const err = await failure(write(client));
        expect([err.code, err.outcomeUnknown, seen]).toEqual(['Unavailable', true, [method]]);
        socketServer.close();
      });
    }
  }
});

test('a write that never left has a known outcome', async () => {
  const client = kubernetesClient({ server: 'http://127.0.0.1:1' });
  const err = await failure(client.update(GlobalNetworkSet, globalNetworkSet('a')));
  expect([err.code, err.outcomeUnknown]).toEqual(['Unavailable', false]);
});

test('a server that does not answer in time is given up', async () => {
  const clock = new ClockFake();
  const arrived = Promise.withResolvers<void>();
  const { client } = start(
    () => {
      arrived.resolve();
      return new Promise<Response>(() => {});
    },
    { clock, requestTimeoutMs: 5000 },
  );
  const failed = failure(client.update(GlobalNetworkSet, globalNetworkSet('a')));
  await arrived.promise;
  await clock.advance(5000);
  const err = await failed;
  expect([err.code, err.outcomeUnknown]).toEqual(['Timeout', true]);
});

test('a read is tried again while the server is not there', async () => {
  const { client, asked } = start((_, count) =>
    count < 3 ? statusResponse(503, 'ServiceUnavailable', 'starting') : list([], { resourceVersion: '7' }),
  );
  expect(await client.list(Pod)).toEqual({ items: [], resourceVersion: '7' });
  expect(asked).toHaveLength(3);
});

test('a read waits as long as the server asks for, and gives up after some tries', async () => {
  const sleeps: number[] = [];
  const clock: Clock = {
    ...processClock,
    sleep: ms => {
      sleeps.push(ms);
      return Promise.resolve();
    },
  };
  const { client, asked } = start(() => statusResponse(429, 'TooManyRequests', 'slow', { 'retry-after': '3' }), {
    clock,
  });
  expect((await failure(client.list(Pod))).code).toBe('Unavailable');
  expect(asked).toHaveLength(4);
  expect(sleeps).toEqual([3000, 3000, 3000]);
});

test('a list goes through its pages, and fills in what items lack', async () => {
  const { client, asked } = start(({ query }) =>
    query.continue === undefined
      ? list(['a', 'b'], { resourceVersion: '7', continue: 'more' })
      : list(['c'], { resourceVersion: '7' }),
  );
  const { items, resourceVersion } = await client.list(Pod, { namespace: 'n', labelSelector: 'a=b' });
  expect(items.map(({ kind, apiVersion, metadata }) => `${apiVersion} ${kind} ${metadata.name}`)).toEqual([
    'v1 Pod a',
    'v1 Pod b',
    'v1 Pod c',
  ]);
  expect(resourceVersion).toBe('7');
  expect(asked.map(({ path }) => path)).toEqual(Array(2).fill('/api/v1/namespaces/n/pods'));
  expect(asked.map(({ query }) => query)).toEqual([
    { labelSelector: 'a=b', limit: '500' },
    { labelSelector: 'a=b', limit: '500', continue: 'more' },
  ]);
});

test('a list whose pages expire starts again, whole', async () => {
  const { client, asked } = start(({ query }) => {
    if (query.continue !== undefined) return statusResponse(410, 'Expired', 'too old');
    return query.limit === undefined
      ? list(['a', 'b', 'c'], { resourceVersion: '9' })
      : list(['a'], { resourceVersion: '7', continue: 'more' });
  });
  const { items, resourceVersion } = await client.list(Pod);
  expect([items.length, resourceVersion, asked.length]).toEqual([3, '9', 3]);
});

test('a list is handed over page by page, the next on its way, and once more whole when its pages expire', async () => {
  const { client, asked } = start(({ query }) => {
    if (query.continue === 'late') return statusResponse(410, 'Expired', 'too old');
    if (query.continue === 'more') return list(['b'], { resourceVersion: '7', continue: 'late' });
    return query.limit === undefined
      ? list(['b', 'c'], { resourceVersion: '9' })
      : list(['a'], { resourceVersion: '7', continue: 'more' });
  });
  const taken: string[] = [];
  const version = await client.listPages(Pod, {}, async (items, first) => {
    const before = asked.length;
    taken.push(`${first ? 'first' : 'then'} ${items.map(({ metadata }) => metadata.name).join(' ')}`);
    if (taken.length < 3) while (asked.length === before) await Bun.sleep(1);
  });
  expect(taken).toEqual(['first a', 'then b', 'first b c']);
  expect(version).toBe('9');
});

test('an empty list of a Go server is null', async () => {
  const { client } = start(() => Response.json({ metadata: { resourceVersion: '1' }, items: null }));
  expect((await client.list(Pod)).items).toEqual([]);
});

test('requests carry credentials, paths and types as the API has them', async () => {
  let token = 'one';
  const { client, asked } = start(
    () => Response.json({ metadata: { name: 'a' }, spec: {} }),
    {},
    { credentials: { get: () => ({ authorization: `Bearer ${token}` }), refused: () => false } },
  );
  await client.get(GlobalNetworkSet, { name: 'a' });
  token = 'two';
  await client.patch(Pod, { namespace: 'n', name: 'p' }, { a: 1 }, { type: 'strategic', subresource: 'status' });
  await client.delete(Pod, { namespace: 'n', name: 'p' }, { uid: 'u' });
  expect(asked.map(({ method, path, headers }) => `${method} ${path} ${headers.authorization}`)).toEqual([
    'GET /apis/projectcalico.org/v3/globalnetworksets/a Bearer one',
    'PATCH /api/v1/namespaces/n/pods/p/status Bearer two',
    'DELETE /api/v1/namespaces/n/pods/p Bearer two',
  ]);
  expect(asked[1]?.headers['content-type']).toBe('application/strategic-merge-patch+json');
  expect(JSON.parse(asked[2]?.body ?? '')).toMatchObject({ kind: 'DeleteOptions', preconditions: { uid: 'u' } });
});

test('credentials that are refused are asked for anew, once', async () => {
  const tokens = ['old', 'new'];
  const { client, asked } = start(
    ({ headers }) =>
      headers.authorization === 'new'
        ? Response.json({ metadata: { name: 'a' }, spec: {} })
        : statusResponse(401, 'Unauthorized', 'expired'),
    {},
    {
      credentials: {
        get: () => ({ authorization: tokens[0] ?? '' }),
        refused: () => tokens.length > 1 && tokens.shift() !== undefined,
      },
    },
  );
  await client.create(GlobalNetworkSet, globalNetworkSet('a'));
  expect(asked.map(({ headers }) => headers.authorization ?? '')).toEqual(['old', 'new']);
});

test('a unix socket can stand for the address', async () => {
  const unix = join(tmpdir(), `calico-datastore-${process.pid}.sock`);
  server = startScriptedServer(() => list(['a'], { resourceVersion: '1' }), { unix });
  const client = kubernetesClient({ server: 'http://localhost', unix });
  expect((await client.list(Pod)).items).toHaveLength(1);
});
