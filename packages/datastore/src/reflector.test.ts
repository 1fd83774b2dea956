import { afterEach, beforeEach, expect, test } from 'bun:test';
import { GlobalNetworkSet } from '@calico/api';
import { ClockFake, seededRandom } from '@calico/reconcile';
import { globalNetworkSet } from './contract/objects.ts';
import { DatastoreError } from './error.ts';
import { type MemoryClient, memoryClient } from './memory/index.ts';
import { type Reflector, type ReflectorOptions, startReflector } from './reflector.ts';
import { eventually } from './testing/collect.ts';

let client: MemoryClient;
let clock: ClockFake;
let stop: AbortController;
let said: string[];

beforeEach(() => {
  client = memoryClient();
  clock = new ClockFake();
  stop = new AbortController();
  said = [];
});
afterEach(() => stop.abort());

function start(options: ReflectorOptions = {}): Reflector {
  return startReflector(
    client,
    GlobalNetworkSet,
    {
      onSync: items => {
        said.push(`sync ${items.map(({ metadata }) => metadata.name).join(' ')}`.trim());
      },
      onEvent: ({ type, key }, more) => {
        said.push(`${type} ${key.name}${more ? ' …' : ''}`);
      },
      onStatus: ({ state, error }) => {
        said.push(error === undefined ? state : `${state}: ${error.code}`);
      },
    },
    { clock, random: seededRandom(1), signal: stop.signal },
    options,
  );
}

const create = (name: string) => client.create(GlobalNetworkSet, globalNetworkSet(name));
const remove = (name: string) => client.delete(GlobalNetworkSet, { name });
const change = (name: string) =>
  client.patch(GlobalNetworkSet, { name }, { spec: { nets: ['10.0.0.0/8'] } }, { type: 'merge' });
const hear = (what: string) => eventually(() => said.includes(what));
const lost = new DatastoreError({ code: 'Unavailable', op: 'watch', resource: 'all', reason: 'lost' });

test('startReflector gives the first list, then changes, and ends with its signal', async () => {
  await create('a');
  const reflector = start();
  expect(reflector.age()).toBe(Number.POSITIVE_INFINITY);
  await hear('watching');
  await create('b');
  await hear('set b');
  await remove('a');
  await hear('delete a');
  stop.abort();
  await reflector.done;
  expect(said).toEqual(['sync a', 'watching', 'set b', 'delete a', 'stopped']);
});

test('startReflector hands over what came together as such', async () => {
  start();
  await hear('watching');
  await Promise.all([create('a'), create('b'), create('c')]);
  await hear('set c');
  expect(said.filter(text => text.startsWith('set'))).toEqual(['set a …', 'set b …', 'set c']);
});

test('startReflector tells the first list as it arrives, and what was gone before its end', async () => {
  const tries = [
    ['a', 'b', 'lost'],
    ['b', 'gone'],
    ['b', 'c'],
  ];
  const listPages: MemoryClient['listPages'] = async (_kind, _selection, take) => {
    const [first, second] = [tries.shift(), tries.length === 2 ? undefined : tries.shift()];
    await take((first ?? []).map(name => globalNetworkSet(name)) as never[], true);
    // The first try breaks off; the second begins anew in its midst.
    if (second === undefined)
      throw new DatastoreError({ code: 'Unavailable', op: 'list', resource: 'all', reason: 'away' });
    await take(second.map(name => globalNetworkSet(name)) as never[], true);
    return (await client.list(GlobalNetworkSet)).resourceVersion;
  };
  const paged = new Proxy(client, {
    get: (target, key) => (key === 'listPages' ? listPages : Reflect.get(target, key).bind(target)),
  });
  startReflector(
    paged,
    GlobalNetworkSet,
    {
      onPage: items => void said.push(`page ${items.map(({ metadata }) => metadata.name).join(' ')}`),
      onSync: items => void said.push(`sync ${items.length}`),
      onEvent: ({ type, key }) => void said.push(`${type} ${key.name}`),
      onStatus: ({ state }) => void said.push(state),
    },
    { clock, random: seededRandom(1), signal: stop.signal },
  );
  await hear('waiting');
  await clock.advance(1000);
  await hear('watching');
  await create('d');
  await hear('set d');
  const expected = ['page a b lost', 'waiting', 'listing', 'page b gone', 'page b c'];
  expect(said).toEqual([...expected, 'delete a', 'delete lost', 'delete gone', 'sync 0', 'watching', 'set d']);
});

test('startReflector goes on after a watch that ended, without a new list', async () => {
  start();
  await hear('watching');
  await clock.advance(5000);
  client.failNext('list', { code: 'Internal' });
  client.endWatches();
  await create('a');
  await hear('set a');
  expect(said).toEqual(['sync', 'watching', 'set a']);
});

test('startReflector takes a silence of a watch for no trouble, as long as the next one opens', async () => {
  const reflector = start();
  await hear('watching');
  await create('a');
  await hear('set a');
  await clock.advance(90_000);
  const silent = new DatastoreError({ code: 'Timeout', op: 'watch', resource: 'all', reason: 'sent nothing for 90 s' });
  client.endWatches(silent);
  await create('b');
  await hear('set b');
  expect(reflector.status).toEqual({ state: 'watching', error: undefined });
  expect(said).toEqual(['sync', 'watching', 'set a', 'set b']);
  client.failNext('watch', { code: 'Timeout' });
  client.endWatches(silent);
  await hear('waiting: Timeout');
});

test('startReflector tells the differences of a new list when history is compacted, deletions and remakes too', async () => {
  for (const name of ['kept', 'changed', 'deleted', 'remade']) await create(name);
  start();
  await hear('watching');
  await clock.advance(5000);
  said = [];
  client.failNext('watch', { code: 'Unavailable' });
  client.endWatches(lost);
  await change('changed');
  await remove('deleted');
  await remove('remade');
  await create('remade');
  await create('new');
  client.compact();
  await eventually(() => said.includes('waiting: Unavailable'));
  await clock.advance(1000);
  await hear('set remade');
  expect(said.filter(text => /^(set|delete|sync)/.test(text))).toEqual([
    'delete deleted …',
    'set changed …',
    'set new …',
    'delete remade …',
    'set remade',
  ]);
});

test('startReflector waits ever longer for a datastore that does not answer, and says why', async () => {
  for (let i = 0; i < 8; i++) client.failNext('list', { code: 'Unavailable', reason: `try ${i}` });
  const reflector = start();
  const waits: number[] = [];
  for (let i = 0; i < 8; i++) {
    await eventually(() => reflector.status.error?.reason === `try ${i}` && clock.timers === 1);
    waits.push(clock.untilNext ?? 0);
    await clock.advance(clock.untilNext ?? 0);
  }
  await hear('sync');
  for (const [i, wait] of waits.entries()) {
    const longest = Math.min(30_000, 100 * 2 ** i);
    expect(wait).toBeGreaterThan(longest / 2 - 1);
    expect(wait).toBeLessThanOrEqual(longest);
  }
  await hear('watching');
  expect(reflector.status).toEqual({ state: 'watching', error: undefined });
});

test('startReflector does not hurry a server that ends every watch at once', async () => {
  const reflector = start();
  await hear('watching');
  client.endWatches();
  await hear('waiting: Unavailable');
  expect(reflector.status.error?.reason).toBe('the server ended the watch at once');
});

test('startReflector lists anew when watches time out again and again', async () => {
  start();
  await hear('watching');
  await clock.advance(5000);
  for (let i = 0; i < 4; i++) client.failNext('watch', { code: 'Timeout' });
  client.failNext('list', { code: 'Internal', reason: 'seen' });
  client.endWatches();
  await clock.advance(10_000);
  await eventually(() => said.includes('waiting: Internal'));
});

test('startReflector takes an optional kind that is not served for one without objects, and asks again', async () => {
  client.failNext('list', { code: 'NotFound' });
  const reflector = start({ optional: true });
  await eventually(() => said.includes('waiting'));
  expect({ inSync: reflector.inSync, status: reflector.status }).toEqual({
    inSync: true,
    status: { state: 'waiting', error: undefined },
  });
  await create('a');
  await clock.advance(30_000);
  await hear('set a');
  expect(said).toEqual(['sync', 'waiting', 'listing', 'set a', 'watching']);
});

test('startReflector forgets no object because its optional kind is no longer served', async () => {
  await create('a');
  start({ optional: true });
  await hear('watching');
  await clock.advance(5000);
  client.failNext('watch', { code: 'NotFound' });
  client.endWatches();
  await hear('waiting: NotFound');
  expect(said).toEqual(['sync a', 'watching', 'waiting: NotFound']);
});

test('startReflector knows how old its view may be', async () => {
  const reflector = start();
  await hear('watching');
  await clock.advance(700);
  expect(reflector.age()).toBe(700);
  client.bookmark();
  await eventually(() => reflector.age() === 0);
});

test('a fault of a handler ends the reflector and is told', async () => {
  await create('a');
  const reflector = startReflector(
    client,
    GlobalNetworkSet,
    {
      onSync: () => {
        throw new Error('handler');
      },
      onEvent: () => {},
    },
    { clock, random: seededRandom(1), signal: stop.signal },
  );
  await expect(reflector.done).rejects.toThrow('handler');
});
