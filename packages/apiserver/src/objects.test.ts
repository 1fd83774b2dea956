import { afterAll, beforeAll, expect, test } from 'bun:test';
import { startTestServer, type TestServer } from './testing.ts';

const POOLS = '/apis/projectcalico.org/v3/ippools';
const SETS = '/apis/projectcalico.org/v3/namespaces/default/networksets';
const PODS = '/api/v1/namespaces/default/pods';

let t: TestServer;
beforeAll(async () => {
  t = await startTestServer();
});
afterAll(async () => {
  expect(t.log.errors).toEqual([]);
  await t.server.stop();
});

const pool = (name: string, cidr: string, more: object = {}) => ({
  apiVersion: 'projectcalico.org/v3',
  kind: 'IPPool',
  metadata: { name },
  spec: { cidr, ...more },
});
const set = (name: string, more: object = {}) => ({
  apiVersion: 'projectcalico.org/v3',
  kind: 'NetworkSet',
  metadata: { name, ...more },
  spec: { nets: ['10.0.0.0/8'] },
});
const pod = (name: string, spec: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: { containers: [{ name: 'c', image: 'i' }], ...spec },
});

test('create fills in identity and defaults, and answers 201', async () => {
  const { code, body } = await t.call('POST', POOLS, pool('created', '10.1.0.0/16'));
  expect(code).toBe(201);
  expect(body).toMatchObject({
    metadata: { name: 'created', generation: 1 },
    spec: { blockSize: 26, vxlanMode: 'Never' },
  });
  expect(body.metadata?.creationTimestamp as unknown).toBe('2026-01-01T00:00:00Z');
  expect(String(body.metadata?.uid)).toMatch(/^[0-9a-f-]{36}$/);
});

test('create makes a name from generateName', async () => {
  const { body } = await t.call('POST', SETS, { ...set(''), metadata: { generateName: 'gen-' } });
  expect(String(body.metadata?.name)).toMatch(/^gen-[a-z0-9]{5}$/);
});

test('create refuses a name that exists with 409 AlreadyExists', async () => {
  await t.call('POST', SETS, set('twice'));
  const { code, body } = await t.call('POST', SETS, set('twice'));
  expect([code, body.reason, body.message] as unknown[]).toEqual([
    409,
    'AlreadyExists',
    'networksets.projectcalico.org "twice" already exists',
  ]);
});

test('create in a namespace that does not exist is 404', async () => {
  const { code, body } = await t.call('POST', SETS.replace('default', 'nowhere'), set('x'));
  expect([code, body.message] as unknown[]).toEqual([404, 'namespaces "nowhere" not found']);
});

test('an invalid object is 422 with causes that name the fields', async () => {
  const { code, body } = await t.call('POST', POOLS, pool('bad', '10.1.2.3/16', { vxlanMode: 'Sometimes' }));
  expect(code).toBe(422);
  expect(body).toMatchObject({
    reason: 'Invalid',
    details: { name: 'bad', kind: 'IPPool', group: 'projectcalico.org' },
  });
  const causes = body.details?.causes as unknown as { field: string; reason: string }[];
  expect(causes.map(c => c.field).toSorted()).toEqual(['spec.cidr', 'spec.vxlanMode']);
  expect(String(body.message)).toStartWith('IPPool.projectcalico.org "bad" is invalid: ');
});

test('update bumps the generation with the spec only, and compares resourceVersion', async () => {
  const made = (await t.call('POST', SETS, set('upd'))).body;
  const labelled = { ...made, metadata: { ...made.metadata, labels: { a: 'b' } } };
  const first = await t.call('PUT', `${SETS}/upd`, labelled);
  expect([first.code, first.body.metadata?.generation] as unknown[]).toEqual([200, 1]);
  const stale = await t.call('PUT', `${SETS}/upd`, labelled);
  expect([stale.code, stale.body.reason] as unknown[]).toEqual([409, 'Conflict']);
  const second = await t.call('PUT', `${SETS}/upd`, { ...first.body, spec: { nets: ['11.0.0.0/8'] } });
  expect(second.body.metadata?.generation as unknown).toBe(2);
  const same = await t.call('PUT', `${SETS}/upd`, second.body);
  expect(same.body.metadata?.resourceVersion).toBe(second.body.metadata?.resourceVersion);
});

test('update without resourceVersion is unconditional; of what is absent, 404', async () => {
  await t.call('POST', SETS, set('free'));
  expect((await t.call('PUT', `${SETS}/free`, set('free'))).code).toBe(200);
  expect((await t.call('PUT', `${SETS}/absent`, set('absent'))).code).toBe(404);
});

test('spec and status are updated apart from each other', async () => {
  await t.call('POST', POOLS, { ...pool('st', '10.2.0.0/16'), status: { conditions: [] } });
  const status = {
    conditions: [
      { type: 'Allocatable', status: 'True', reason: 'OK', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' },
    ],
  };
  const byStatus = await t.call('PUT', `${POOLS}/st/status`, {
    ...pool('st', '10.2.0.0/16', { disabled: true }),
    status,
  });
  expect(byStatus.body).toMatchObject({ status, metadata: { generation: 1 } });
  expect(byStatus.body.spec?.disabled).toBeUndefined();
  const bySpec = await t.call('PUT', `${POOLS}/st`, { ...pool('st', '10.2.0.0/16', { disabled: true }), status: {} });
  expect(bySpec.body).toMatchObject({ status, spec: { disabled: true }, metadata: { generation: 2 } });
});

test('pod status updates may carry annotations, not a spec', async () => {
  await t.call('POST', PODS, pod('annotated'));
  const { code, body } = await t.call(
    'PATCH',
    `${PODS}/annotated/status`,
    { metadata: { annotations: { k: 'v' } }, spec: { nodeName: 'n' }, status: { podIP: '10.0.0.1' } },
    { 'content-type': 'application/strategic-merge-patch+json' },
  );
  expect(code).toBe(200);
  expect(body).toMatchObject({ metadata: { annotations: { k: 'v' } }, status: { podIP: '10.0.0.1' } });
  expect(body.spec?.nodeName).toBeUndefined();
});

test('the three kinds of patches change an object', async () => {
  await t.call('POST', PODS, pod('patched'));
  const patch = (type: string, body: unknown) =>
    t.call('PATCH', `${PODS}/patched`, body, { 'content-type': `application/${type}+json` });
  await patch('merge-patch', { metadata: { labels: { a: '1' } } });
  await patch('json-patch', [{ op: 'add', path: '/metadata/labels/b', value: '2' }]);
  const { code, body } = await patch('strategic-merge-patch', { spec: { containers: [{ name: 'c', image: 'j' }] } });
  expect([code, body.message]).toEqual([200, undefined] as never);
  expect(body).toMatchObject({
    metadata: { labels: { a: '1', b: '2' } },
    spec: { containers: [{ name: 'c', image: 'j' }] },
  });
  expect((await patch('merge-patch', { metadata: { resourceVersion: '1' } })).code).toBe(409);
  expect((await patch('merge-patch', { metadata: { name: 'other' } })).code).toBe(400);
  expect((await patch('odd-patch', {})).code).toBe(415);
});

test('dry runs answer like the real thing and change nothing', async () => {
  const { code, body } = await t.call('POST', `${SETS}?dryRun=All`, set('dry'));
  expect([code, body.metadata?.name] as unknown[]).toEqual([201, 'dry']);
  expect((await t.call('GET', `${SETS}/dry`)).code).toBe(404);
  expect((await t.call('POST', `${SETS}?dryRun=Some`, set('dry'))).code).toBe(400);
});

test.each([
  { mode: 'Strict', code: 400, warnings: null },
  {
    mode: 'Warn',
    code: 201,
    warnings: '299 - "duplicate field \\"spec.nets\\"", 299 - "unknown field \\"spec.color\\""',
  },
  { mode: 'Ignore', code: 201, warnings: null },
])('unknown and duplicate fields under fieldValidation=$mode are answered $code', async ({ mode, code, warnings }) => {
  const text = `{"metadata":{"name":"fields-${mode.toLowerCase()}"},"spec":{"nets":[],"nets":["10.0.0.0/8"],"color":"red"}}`;
  const answer = await t.call('POST', `${SETS}?fieldValidation=${mode}`, text);
  expect([answer.code, answer.headers.get('warning')]).toEqual([code, warnings]);
});

test('delete honours preconditions, and answers with the uid', async () => {
  const made = (await t.call('POST', SETS, set('del'))).body;
  expect((await t.call('DELETE', `${SETS}/del`, { preconditions: { uid: 'other' } })).code).toBe(409);
  expect((await t.call('DELETE', `${SETS}/del`, { preconditions: { resourceVersion: '1' } })).code).toBe(409);
  const { code, body } = await t.call('DELETE', `${SETS}/del`);
  expect(code).toBe(200);
  expect(body).toMatchObject({ status: 'Success', details: { name: 'del' } });
  expect(body.details?.uid).toBe(made.metadata?.uid as never);
  expect((await t.call('DELETE', `${SETS}/del`)).code).toBe(404);
});

test('an object with finalizers stays, marked, until the last finalizer is taken away', async () => {
  await t.call('POST', SETS, set('fin', { finalizers: ['example.com/a'] }));
  const marked = await t.call('DELETE', `${SETS}/fin`);
  expect(marked.body.metadata?.deletionTimestamp as unknown).toBe('2026-01-01T00:00:00Z');
  const merge = { 'content-type': 'application/merge-patch+json' };
  const more = await t.call(
    'PATCH',
    `${SETS}/fin`,
    { metadata: { finalizers: ['example.com/a', 'example.com/b'] } },
    merge,
  );
  expect(more.code).toBe(422);
  expect((await t.call('PATCH', `${SETS}/fin`, { metadata: { finalizers: null } }, merge)).code).toBe(200);
  expect((await t.call('GET', `${SETS}/fin`)).code).toBe(404);
});

test('a pod on a node is deleted gracefully: marked first, gone with grace period 0', async () => {
  await t.call('POST', PODS, pod('running', { nodeName: 'n1' }));
  const marked = await t.call('DELETE', `${PODS}/running`);
  expect(marked.body.metadata as unknown).toMatchObject({
    deletionGracePeriodSeconds: 30,
    deletionTimestamp: '2026-01-01T00:00:30Z',
  });
  expect((await t.call('GET', `${PODS}/running`)).code).toBe(200);
  await t.call('DELETE', `${PODS}/running?gracePeriodSeconds=0`);
  expect((await t.call('GET', `${PODS}/running`)).code).toBe(404);
});

test('deletecollection deletes what the selector matches', async () => {
  for (const name of ['dc-1', 'dc-2']) await t.call('POST', SETS, set(name, { labels: { dc: name } }));
  await t.call('DELETE', `${SETS}?labelSelector=dc%3Ddc-1`);
  expect((await t.call('GET', `${SETS}/dc-1`)).code).toBe(404);
  expect((await t.call('GET', `${SETS}/dc-2`)).code).toBe(200);
});

test('integers beyond 2^53 survive the way in and out', async () => {
  const block = `{"apiVersion":"projectcalico.org/v3","kind":"IPAMBlock","metadata":{"name":"10-9-0-0-26"},"spec":{"cidr":"10.9.0.0/26","allocations":[${Array(64).fill('null').join(',')}],"unallocated":[${Array.from({ length: 64 }, (_, i) => i).join(',')}],"attributes":[],"deleted":false,"strictAffinity":false,"sequenceNumber":1762345678901234567}}`;
  const { code, text } = await t.call('POST', '/apis/projectcalico.org/v3/ipamblocks', block);
  expect([code, text.includes('"sequenceNumber":1762345678901234567')]).toEqual([201, true]);
});
