import { afterAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AnyResource } from '@calico/api';
import { Store } from './store.ts';

const folder = mkdtempSync(join(tmpdir(), 'calico-store-'));
let files = 0;
const newPath = (): string => join(folder, `${++files}.db`);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const key = (name: string, namespace = 'ns') => ({ resource: '/things', namespace, name });
const object = (name: string, value: unknown = 0): AnyResource => ({
  apiVersion: 'v1',
  kind: 'Thing',
  metadata: { name, namespace: 'ns' },
  spec: { value },
});
const names = (entries: readonly { name: string }[] | undefined) => entries?.map(entry => entry.name);

test('a store gives each write the next revision and keeps list order', async () => {
  const store = new Store({ path: ':memory:' });
  for (const name of ['b', 'c', 'a']) await store.transact(tx => tx.put(key(name), object(name)));
  expect(store.revision).toBe(3);
  expect(names(store.list('/things'))).toEqual(['a', 'b', 'c']);
  expect(store.get(key('a'))?.object.metadata.resourceVersion).toBe('3');
  store.close();
});

test('a store reads back everything after it is opened again, integers beyond 2^53 included', async () => {
  const path = newPath();
  const before = new Store({ path, synchronous: 'normal' });
  await before.transact(tx => tx.put(key('a'), object('a', 12345678901234567890n)));
  await before.transact(tx => tx.put(key('b'), object('b')));
  await before.transact(tx => tx.delete(key('b')));
  before.close();
  const after = new Store({ path });
  expect(after.get(key('a'))?.object.spec).toEqual({ value: 12345678901234567890n });
  expect(names(after.list('/things'))).toEqual(['a']);
  expect(after.revision).toBe(3);
  expect(after.since('/things', 0)?.map(e => e.type)).toEqual(['ADDED', 'ADDED', 'DELETED']);
  after.close();
});

test('a store file can be read by its owner alone and is refused to a second store', () => {
  const path = newPath();
  const store = new Store({ path });
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(() => new Store({ path })).toThrow(`Cannot open store ${path}`);
  store.close();
});

test('writes of one turn see each other, are committed together, and are not read before', async () => {
  const store = new Store({ path: ':memory:' });
  const commits: number[] = [];
  store.onCommit(events => commits.push(events.length));
  const first = store.transact(tx => tx.put(key('a'), object('a', 1)));
  const second = store.transact(tx => tx.get(key('a'))?.object.spec);
  const third = store.transact(tx => tx.put(key('a'), object('a', 2)));
  expect(store.get(key('a'))).toBeUndefined();
  expect(await second).toEqual({ value: 1 });
  await Promise.all([first, third]);
  expect(commits).toEqual([2]);
  expect(store.get(key('a'))?.object.spec).toEqual({ value: 2 });
  store.close();
});

test('a write that throws leaves nothing behind and takes no revision', async () => {
  const store = new Store({ path: ':memory:' });
  const kept = store.transact(tx => tx.put(key('kept'), object('kept')));
  const failed = store.transact(tx => {
    tx.put(key('lost'), object('lost'));
    throw new Error('no');
  });
  await expect(failed).rejects.toThrow('no');
  await kept;
  expect(names(store.list('/things'))).toEqual(['kept']);
  expect((await store.transact(tx => tx.put(key('next'), object('next')))).revision).toBe(2);
  store.close();
});

test('transactions list what is committed, pending and deleted', async () => {
  const store = new Store({ path: ':memory:' });
  await store.transact(tx => [tx.put(key('a'), object('a')), tx.put(key('b'), object('b'))]);
  void store.transact(tx => tx.delete(key('a')));
  const seen = await store.transact(tx => {
    tx.put(key('c'), object('c'));
    return names(tx.list('/things', 'ns'));
  });
  expect(seen?.toSorted()).toEqual(['b', 'c']);
  store.close();
});

test('a store lists the state of any revision that is not compacted', async () => {
  const path = newPath();
  const store = new Store({ path, synchronous: 'normal' });
  for (const name of ['a', 'b']) await store.transact(tx => tx.put(key(name), object(name)));
  await store.transact(tx => tx.put(key('a'), object('a', 1)));
  await store.transact(tx => tx.delete(key('b')));
  expect(names(store.listAt(1, '/things'))).toEqual(['a']);
  expect(names(store.listAt(3, '/things'))).toEqual(['a', 'b']);
  expect(store.listAt(2, '/things')?.[0]?.object.spec).toEqual({ value: 0 });
  store.compact(1);
  expect(store.compacted).toBe(3);
  expect(store.listAt(2, '/things')).toBeUndefined();
  expect(store.since('/things', 2)).toBeUndefined();
  expect(names(store.listAt(3, '/things'))).toEqual(['a', 'b']);
  store.close();
  const again = new Store({ path });
  expect([again.compacted, again.revision]).toEqual([3, 4]);
  expect(names(again.listAt(3, '/things'))).toEqual(['a', 'b']);
  expect(names(again.list('/things'))).toEqual(['a']);
  again.close();
});

test('a compacted store remembers its revision even when every object is gone', async () => {
  const path = newPath();
  const store = new Store({ path, synchronous: 'normal' });
  await store.transact(tx => tx.put(key('a'), object('a')));
  await store.transact(tx => tx.delete(key('a')));
  store.compact(0);
  store.close();
  const again = new Store({ path });
  expect([again.compacted, again.revision]).toEqual([2, 2]);
  again.close();
});

test('a store compacts by itself when its history grows over the limit', async () => {
  const store = new Store({ path: ':memory:', historyLimit: 8 });
  for (let i = 0; i < 30; i++) await store.transact(tx => tx.put(key('a'), object('a', i)));
  expect(store.compacted).toBeGreaterThan(15);
  expect(store.since('/things', store.compacted)?.length).toBeLessThanOrEqual(10);
  store.close();
});

test('one namespace is listed without its neighbours', async () => {
  const store = new Store({ path: ':memory:' });
  await store.transact(tx => {
    for (const namespace of ['a', 'a-b', 'a0', 'b']) tx.put(key('x', namespace), object('x'));
  });
  expect(store.list('/things', 'a').map(entry => entry.namespace)).toEqual(['a']);
  store.close();
});

test('a closed store refuses writes', async () => {
  const store = new Store({ path: ':memory:' });
  store.close();
  await expect(store.transact(tx => tx.put(key('a'), object('a')))).rejects.toThrow('the store is closed');
});
