import { afterEach, beforeEach, expect, test } from 'bun:test';
import { startTestServer, type TestServer } from './testing.ts';

const setsIn = (namespace: string) => `/apis/projectcalico.org/v3/namespaces/${namespace}/networksets`;
const SETS = setsIn('default');

let t: TestServer;
beforeEach(async () => {
  t = await startTestServer();
});
afterEach(async () => {
  expect(t.log.errors).toEqual([]);
  await t.server.stop();
});

const owner = (name: string, uid: unknown, kind = 'NetworkSet') => ({
  apiVersion: 'projectcalico.org/v3',
  kind,
  name,
  uid,
  blockOwnerDeletion: true,
});
async function makeSet(name: string, metadata: object = {}, namespace = 'default'): Promise<unknown> {
  const { code, body } = await t.call('POST', setsIn(namespace), { metadata: { name, ...metadata }, spec: {} });
  expect(code).toBe(201);
  return body.metadata?.uid;
}

test('deleting a namespace removes what is in it, then the namespace', async () => {
  await t.call('POST', '/api/v1/namespaces', { metadata: { name: 'doomed' } });
  for (const name of ['a', 'b']) await makeSet(name, {}, 'doomed');
  const watch = await t.watch('/api/v1/namespaces?watch=1&fieldSelector=metadata.name%3Ddoomed');
  expect(await watch.names(1)).toEqual(['ADDED doomed']);
  const { body } = await t.call('DELETE', '/api/v1/namespaces/doomed');
  expect(body.status?.phase as unknown).toBe('Terminating');
  for (;;) {
    const event = await watch.next();
    if (event === undefined || event.type === 'DELETED') break;
  }
  await watch.close();
  expect((await t.call('GET', setsIn('doomed'))).body.items as unknown).toEqual([]);
  expect((await t.call('GET', '/api/v1/namespaces/doomed')).code).toBe(404);
});

test('a namespace waits for finalizers of its content and takes nothing new meanwhile', async () => {
  await t.call('POST', '/api/v1/namespaces', { metadata: { name: 'slow' } });
  await makeSet('held', { finalizers: ['example.com/x'] }, 'slow');
  const watch = await t.watch(`${setsIn('slow')}?watch=1`);
  await t.call('DELETE', '/api/v1/namespaces/slow');
  expect(await watch.names(2)).toEqual(['ADDED held', 'MODIFIED held']);
  const refused = await t.call('POST', setsIn('slow'), { metadata: { name: 'new' } });
  expect([refused.code, refused.body.details?.causes?.[0]?.reason] as unknown[]).toEqual([403, 'NamespaceTerminating']);
  const merge = { 'content-type': 'application/merge-patch+json' };
  const spaces = await t.watch('/api/v1/namespaces?watch=1&fieldSelector=metadata.name%3Dslow');
  expect(await spaces.names(1)).toEqual(['ADDED slow']);
  await t.call('PATCH', `${setsIn('slow')}/held`, { metadata: { finalizers: null } }, merge);
  const rest = await spaces.names(2);
  expect(rest.at(-1)).toBe('DELETED slow');
  await Promise.all([watch.close(), spaces.close()]);
});

test('background deletion takes dependents along, and theirs', async () => {
  const root = await makeSet('root');
  const child = await makeSet('child', { ownerReferences: [owner('root', root)] });
  await makeSet('grandchild', { ownerReferences: [owner('child', child)] });
  await makeSet('stranger');
  const watch = await t.watch(
    `${SETS}?watch=1&resourceVersion=${(await t.call('GET', SETS)).body.metadata?.resourceVersion}`,
  );
  await t.call('DELETE', `${SETS}/root`);
  expect(await watch.names(3)).toEqual(['DELETED root', 'DELETED child', 'DELETED grandchild']);
  await watch.close();
  expect((await t.call('GET', `${SETS}/stranger`)).code).toBe(200);
});

test('foreground deletion removes dependents before the owner', async () => {
  const root = await makeSet('root');
  await makeSet('child', { ownerReferences: [owner('root', root)] });
  const watch = await t.watch(
    `${SETS}?watch=1&resourceVersion=${(await t.call('GET', SETS)).body.metadata?.resourceVersion}`,
  );
  await t.call('DELETE', `${SETS}/root?propagationPolicy=Foreground`);
  const seen: string[] = [];
  while (!seen.includes('DELETED root')) seen.push(...(await watch.names(1)));
  expect(seen.filter(line => line.startsWith('DELETED'))).toEqual(['DELETED child', 'DELETED root']);
  await watch.close();
});

test('orphan deletion lets dependents go', async () => {
  const root = await makeSet('root');
  await makeSet('child', { ownerReferences: [owner('root', root)] });
  const watch = await t.watch(`${SETS}?watch=1&fieldSelector=metadata.name%3Droot`);
  await t.call('DELETE', `${SETS}/root?propagationPolicy=Orphan`);
  while ((await watch.next())?.type !== 'DELETED');
  await watch.close();
  const { code, body } = await t.call('GET', `${SETS}/child`);
  expect([code, body.metadata?.ownerReferences]).toEqual([200, undefined] as never);
});

test('an object whose owner never existed is collected; one with another living owner only loses the reference', async () => {
  const root = await makeSet('root');
  const watch = await t.watch(`${SETS}?watch=1&labelSelector=w`);
  await makeSet('orphan', { labels: { w: '' }, ownerReferences: [owner('ghost', 'no-such-uid')] });
  expect(await watch.names(2)).toEqual(['ADDED orphan', 'DELETED orphan']);
  await makeSet('half', { labels: { w: '' }, ownerReferences: [owner('ghost', 'none'), owner('root', root)] });
  expect(await watch.names(2)).toEqual(['ADDED half', 'MODIFIED half']);
  await watch.close();
  expect((await t.call('GET', `${SETS}/half`)).body.metadata?.ownerReferences as unknown).toMatchObject([
    { name: 'root' },
  ]);
});

test('owners of kinds that are not served are left alone', async () => {
  await makeSet('foreign', { ownerReferences: [owner('x', 'u', 'Unheard')] });
  await makeSet('marker', { ownerReferences: [owner('ghost', 'none')] });
  const watch = await t.watch(`${SETS}?watch=1&fieldSelector=metadata.name%3Dmarker`);
  for (;;) {
    if ((await t.call('GET', `${SETS}/marker`)).code === 404) break;
    if ((await watch.next())?.type === 'DELETED') break;
  }
  await watch.close();
  expect((await t.call('GET', `${SETS}/foreign`)).code).toBe(200);
});
