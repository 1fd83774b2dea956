import { afterAll, beforeAll, expect, test } from 'bun:test';
import { startTestServer, type TestServer } from './testing.ts';

const SETS = '/apis/projectcalico.org/v3/namespaces/default/networksets';
let t: TestServer;
beforeAll(async () => {
  t = await startTestServer();
  for (const name of ['a', 'b', 'c', 'd', 'e']) {
    await t.call('POST', SETS, { metadata: { name, labels: { odd: String(name.charCodeAt(0) % 2 === 1) } }, spec: {} });
  }
});
afterAll(async () => {
  expect(t.log.errors).toEqual([]);
  await t.server.stop();
});

type Page = {
  metadata: { continue?: string; remainingItemCount?: number; resourceVersion: string };
  items: { metadata: { name: string } }[];
};
async function page(query: string): Promise<Page> {
  const { code, body } = await t.call('GET', `${SETS}?${query}`);
  expect(code).toBe(200);
  return body as unknown as Page;
}
const namesOf = (p: Page) => p.items.map(item => item.metadata.name).join('');

test('a list comes in pages that all show one revision, whatever is written between them', async () => {
  const first = await page('limit=2');
  expect([namesOf(first), first.metadata.remainingItemCount]).toEqual(['ab', 3]);
  await t.call('DELETE', `${SETS}/d`);
  await t.call('POST', SETS, { metadata: { name: 'bb' }, spec: {} });
  const second = await page(`limit=2&continue=${first.metadata.continue}`);
  expect([namesOf(second), second.metadata.resourceVersion]).toEqual(['cd', first.metadata.resourceVersion]);
  const third = await page(`limit=2&continue=${second.metadata.continue}`);
  expect([namesOf(third), third.metadata.continue]).toEqual(['e', undefined]);
  expect(namesOf(await page(''))).toBe('abbbce');
  await t.call('DELETE', `${SETS}/bb`);
  await t.call('POST', SETS, { metadata: { name: 'd', labels: { odd: 'false' } }, spec: {} });
});

test('a selector narrows pages and hides the remaining count', async () => {
  const first = await page('limit=2&labelSelector=odd%3Dtrue');
  expect([namesOf(first), first.metadata.remainingItemCount]).toEqual(['ac', undefined]);
  expect(namesOf(await page(`limit=2&labelSelector=odd%3Dtrue&continue=${first.metadata.continue}`))).toBe('e');
  expect(namesOf(await page('fieldSelector=metadata.name!%3Da,metadata.namespace%3Ddefault'))).toBe('bcde');
});

test.each([
  { query: 'resourceVersion=0', code: 200 },
  { query: 'resourceVersion=1', code: 200 },
  { query: 'resourceVersion=1&resourceVersionMatch=NotOlderThan', code: 200 },
  { query: 'resourceVersion=99999', code: 504 },
  { query: 'resourceVersion=x', code: 400 },
  { query: 'resourceVersionMatch=Exact', code: 400 },
  { query: 'resourceVersion=0&resourceVersionMatch=Exact', code: 400 },
  { query: 'resourceVersion=1&resourceVersionMatch=Other', code: 400 },
  { query: 'continue=abc', code: 400 },
  { query: 'limit=-1', code: 400 },
  { query: 'fieldSelector=spec.nets%3Dx', code: 400 },
  { query: 'labelSelector=%3Dx', code: 400 },
  { query: 'watch=maybe', code: 400 },
])('a list with $query is answered $code', async ({ query, code }) => {
  expect((await t.call('GET', `${SETS}?${query}`)).code).toBe(code);
});

test('an exact revision shows the past until it is compacted; then it is 410, and so are old pages', async () => {
  const made = (await t.call('POST', SETS, { metadata: { name: 'f' }, spec: {} })).body.metadata?.resourceVersion;
  const old = await page('limit=1');
  await t.call('DELETE', `${SETS}/f`);
  const exact = `resourceVersion=${made}&resourceVersionMatch=Exact`;
  expect(namesOf(await page(exact))).toBe('abcdef');
  t.server.compact(0);
  expect((await t.call('GET', `${SETS}?${exact}`)).code).toBe(410);
  const { code, body } = await t.call('GET', `${SETS}?limit=1&continue=${old.metadata.continue}`);
  expect([code, body.reason] as unknown[]).toEqual([410, 'Expired']);
});

test('a list can be had as a table, with or without objects, and as metadata', async () => {
  const table = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json' };
  const { body } = await t.call('GET', '/apis/projectcalico.org/v3/tiers', undefined, table);
  expect(body).toMatchObject({ kind: 'Table', apiVersion: 'meta.k8s.io/v1' });
  const rows = body.rows as unknown as { cells: unknown[]; object: { kind: string; spec?: object } }[];
  expect(rows.map(row => row.cells.slice(0, 3))).toEqual([
    ['default', 1000000, 'Deny'],
    ['kube-admin', 1000, 'Pass'],
    ['kube-baseline', 10000000, 'Pass'],
  ]);
  expect(rows[0]?.object).toMatchObject({ kind: 'PartialObjectMetadata', metadata: { name: 'default' } });
  const full = await t.call('GET', '/apis/projectcalico.org/v3/tiers?includeObject=Object', undefined, table);
  expect(full.body.rows?.[0]?.object?.kind as unknown).toBe('Tier');
  const bare = await t.call('GET', '/apis/projectcalico.org/v3/tiers?includeObject=None', undefined, table);
  expect(bare.body.rows?.[0]?.object).toBeUndefined();
  const partial = { accept: 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io' };
  const metadata = await t.call('GET', '/apis/projectcalico.org/v3/tiers', undefined, partial);
  expect(metadata.body).toMatchObject({ kind: 'PartialObjectMetadataList' });
  expect(metadata.body.items?.[0]?.spec).toBeUndefined();
});

test('all namespaces are listed together in order', async () => {
  await t.call('POST', '/api/v1/namespaces', { metadata: { name: 'aaa' } });
  await t.call('POST', SETS.replace('default', 'aaa'), { metadata: { name: 'z' }, spec: {} });
  const { body } = await t.call('GET', '/apis/projectcalico.org/v3/networksets');
  const items = body.items as unknown as Page['items'];
  expect(items[0]?.metadata.name).toBe('z');
  expect(items.length).toBe(6);
});

test('a list of some megabytes is whole, as objects, as a table and as metadata', async () => {
  const nets = Array.from({ length: 2000 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`);
  const names = Array.from({ length: 60 }, (_, i) => `large-${String(i).padStart(2, '0')}`);
  const path = SETS.replace('default', 'large');
  await t.call('POST', '/api/v1/namespaces', { metadata: { name: 'large' } });
  for (const name of names) await t.call('POST', path, { metadata: { name }, spec: { nets } });
  const whole = await t.call('GET', path);
  expect(whole.text.length).toBeGreaterThan(2_000_000);
  expect((whole.body as unknown as Page).items.map(item => item.metadata.name)).toEqual(names);
  const form = (as: string) =>
    t.call('GET', `${path}?includeObject=Object`, undefined, { accept: `application/json;as=${as}` });
  const table = await form('Table;v=v1;g=meta.k8s.io');
  expect(table.body.rows).toHaveLength(60);
  const partial = await form('PartialObjectMetadataList;v=v1;g=meta.k8s.io');
  expect(partial.body.items).toHaveLength(60);
});
