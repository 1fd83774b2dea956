import { afterEach, beforeEach, expect, test } from 'bun:test';
import { startTestServer, type TestServer } from './testing.ts';

const SETS = '/apis/projectcalico.org/v3/namespaces/default/networksets';
let t: TestServer;
beforeEach(async () => {
  t = await startTestServer();
});
afterEach(async () => {
  expect(t.log.errors).toEqual([]);
  await t.server.stop();
});

async function make(name: string, labels: Record<string, string> = {}): Promise<string> {
  const { body } = await t.call('POST', SETS, { metadata: { name, labels }, spec: {} });
  return String(body.metadata?.resourceVersion);
}
const merge = { 'content-type': 'application/merge-patch+json' };
const relabel = (name: string, labels: Record<string, string | null>) =>
  t.call('PATCH', `${SETS}/${name}`, { metadata: { labels } }, merge);

test('a watch from a revision gives every later change in order', async () => {
  const from = await make('a');
  await make('b');
  await relabel('a', { x: '1' });
  const watch = await t.watch(`${SETS}?watch=true&resourceVersion=${from}`);
  expect(await watch.names(2)).toEqual(['ADDED b', 'MODIFIED a']);
  await t.call('DELETE', `${SETS}/b`);
  const event = await watch.next();
  expect([event?.type, event?.object.metadata?.name] as unknown[]).toEqual(['DELETED', 'b']);
  expect(Number(event?.object.metadata?.resourceVersion)).toBeGreaterThan(Number(from) + 2);
  await watch.close();
});

test('a watch without a revision begins with what is there', async () => {
  await make('a');
  const watch = await t.watch(`${SETS}?watch=true`);
  await make('b');
  expect(await watch.names(2)).toEqual(['ADDED a', 'ADDED b']);
  await watch.close();
});

test('an object that comes into or leaves the selection is ADDED or DELETED to the watcher', async () => {
  await make('a', { app: 'db' });
  const watch = await t.watch(`${SETS}?watch=true&labelSelector=app%3Dweb`);
  await relabel('a', { app: 'web' });
  await relabel('a', { more: '1' });
  const left = await relabel('a', { app: 'other' });
  expect(await watch.names(2)).toEqual(['ADDED a', 'MODIFIED a']);
  const event = await watch.next();
  expect(event?.type).toBe('DELETED');
  expect(event?.object.metadata as unknown).toMatchObject({ labels: { app: 'web', more: '1' } });
  expect(event?.object.metadata?.resourceVersion as unknown).toBe(left.body.metadata?.resourceVersion as never);
  await watch.close();
});

test('a watch from compacted history gets 410 as an ERROR event and ends', async () => {
  const from = await make('a');
  await make('b');
  await make('c');
  t.server.compact(1);
  const watch = await t.watch(`${SETS}?watch=true&resourceVersion=${from}`);
  const event = await watch.next();
  expect([event?.type, event?.object.code, event?.object.reason] as unknown[]).toEqual(['ERROR', 410, 'Expired']);
  expect(await watch.next()).toBeUndefined();
});

test('a watch from a revision of the future is told 410 as well', async () => {
  const watch = await t.watch(`${SETS}?watch=true&resourceVersion=99999`);
  expect((await watch.next())?.object.code as unknown).toBe(410);
});

test('bookmarks come every five seconds to those who allow them', async () => {
  const revision = await make('a');
  const watch = await t.watch(`${SETS}?watch=true&resourceVersion=${revision}&allowWatchBookmarks=true`);
  await t.clock.advance(5_000);
  const event = await watch.next();
  expect(event).toEqual({
    type: 'BOOKMARK',
    object: {
      kind: 'NetworkSet',
      apiVersion: 'projectcalico.org/v3',
      metadata: { resourceVersion: revision },
    } as never,
  });
  await watch.close();
});

test('sendInitialEvents ends the initial events with a marked bookmark', async () => {
  await make('a');
  const query = 'watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true';
  const watch = await t.watch(`${SETS}?${query}`);
  expect(await watch.names(1)).toEqual(['ADDED a']);
  const mark = await watch.next();
  expect(mark?.object.metadata?.annotations as unknown).toEqual({ 'k8s.io/initial-events-end': 'true' });
  await watch.close();
  expect((await t.call('GET', `${SETS}?watch=true&sendInitialEvents=true`)).code).toBe(400);
});

test('a watch ends after timeoutSeconds', async () => {
  const watch = await t.watch(`${SETS}?watch=true&timeoutSeconds=5`);
  await t.clock.advance(5_000);
  expect(await watch.next()).toBeUndefined();
});

test('a watch can be had as a table or as metadata', async () => {
  const table = await t.watch(`${SETS}?watch=true`, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' });
  const partial = await t.watch(`${SETS}?watch=true`, {
    accept: 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io',
  });
  await make('a');
  const row = (await table.next())?.object;
  expect(row).toMatchObject({
    kind: 'Table',
    rows: [{ object: { kind: 'PartialObjectMetadata', metadata: { name: 'a' } } }],
  });
  expect((await partial.next())?.object).toMatchObject({ kind: 'PartialObjectMetadata', metadata: { name: 'a' } });
  await Promise.all([table.close(), partial.close()]);
});

test('stopping the server ends open watches', async () => {
  const other = await startTestServer();
  const watch = await other.watch(`${SETS}?watch=true`);
  await other.server.stop();
  expect(await watch.next()).toBeUndefined();
});

test('with many watches the changes of a burst go out together, in order, and no bookmark overtakes one', async () => {
  const from = await make('a');
  const query = `${SETS}?watch=true&resourceVersion=${from}&allowWatchBookmarks=true`;
  const many = await Promise.all(Array.from({ length: 40 }, () => t.watch(query)));
  await make('b');
  for (const watch of many) expect(await watch.names(1)).toEqual(['ADDED b']);
  for (const name of ['c', 'd', 'e']) await make(name);
  // One that comes now has them as its past, and the others at once too.
  const late = await t.watch(query);
  expect(await late.names(4)).toEqual(['ADDED b', 'ADDED c', 'ADDED d', 'ADDED e']);
  for (const watch of many) expect(await watch.names(3)).toEqual(['ADDED c', 'ADDED d', 'ADDED e']);
  const last = await make('f');
  const bookmarks = t.clock.advance(5_000);
  for (const watch of [...many, late]) {
    expect(await watch.names(1)).toEqual(['ADDED f']);
    expect(await watch.next()).toMatchObject({ type: 'BOOKMARK', object: { metadata: { resourceVersion: last } } });
  }
  await bookmarks;
  await t.clock.advance(5);
  await make('g');
  for (const watch of [...many, late]) {
    expect(await watch.names(1)).toEqual(['ADDED g']);
    await watch.close();
  }
});

test('a wall clock that jumps hours ends no watch, and bookmarks and time limits keep to their spans', async () => {
  const revision = await make('a');
  const query = `watch=true&resourceVersion=${revision}&allowWatchBookmarks=true&timeoutSeconds=12`;
  for (const hours of [5, -5]) {
    const watch = await t.watch(`${SETS}?${query}`);
    t.clock.setWallTime(t.clock.wallTime() + hours * 3_600_000);
    await t.clock.advance(5_000);
    expect((await watch.next())?.type).toBe('BOOKMARK');
    await t.clock.advance(5_000);
    expect((await watch.next())?.type).toBe('BOOKMARK');
    await t.clock.advance(2_000);
    expect(await watch.next()).toBeUndefined();
  }
});
