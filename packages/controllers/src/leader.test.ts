import { expect, test } from 'bun:test';
import { Lease } from '@calico/api';
import { type MemoryClient, memoryClient } from '@calico/datastore/memory';
import { ClockFake } from '@calico/reconcile';
import { type Leadership, lead } from './leader.ts';

const nothing = { debug: () => {}, info: () => {}, warn: () => {} };
const key = { namespace: 'kube-system', name: 'controllers' };

function candidate(client: MemoryClient, clock: ClockFake, identity: string) {
  const end = new AbortController();
  const state: { lead?: Leadership } = {};
  const waiting = lead({ ...key, client, clock, identity, log: nothing, signal: end.signal }).then(
    leadership => {
      state.lead = leadership;
    },
    () => undefined,
  );
  return { state, end, waiting };
}

function world() {
  const clock = new ClockFake();
  return { clock, client: memoryClient({ clock }) };
}

test('one of two leads, and the other at once when the first gives the lead back', async () => {
  const { clock, client } = world();
  const [one, two] = [candidate(client, clock, 'one'), candidate(client, clock, 'two')];
  await clock.advance(60_000);
  const [first, second] = one.state.lead === undefined ? [two, one] : [one, two];
  expect(first.state.lead?.lost.aborted).toBe(false);
  expect(second.state.lead).toBeUndefined();
  await first.state.lead?.release();
  await clock.advance(2000);
  expect(second.state.lead?.lost.aborted).toBe(false);
  expect((await client.get(Lease, key)).spec?.leaseTransitions).toBe(1);
});

test('a holder that is gone without a word is followed after 15 s, whatever its clock says', async () => {
  const { clock, client } = world();
  await client.create(Lease, {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: key,
    spec: { holderIdentity: 'killed', leaseDurationSeconds: 15, renewTime: '2099-01-01T00:00:00.000000Z' },
  });
  const { state } = candidate(client, clock, 'two');
  await clock.advance(14_000);
  expect(state.lead).toBeUndefined();
  await clock.advance(4000);
  expect(state.lead?.lost.aborted).toBe(false);
});

test('a holder that cannot renew for ten seconds stops, before another may start', async () => {
  const { clock, client } = world();
  const { state } = candidate(client, clock, 'one');
  await clock.advance(0);
  for (let i = 0; i < 50; i++) client.failNext('get', { code: 'Unavailable' }, Lease);
  await clock.advance(8000);
  expect(state.lead?.lost.aborted).toBe(false);
  await clock.advance(4000);
  expect(state.lead?.lost.aborted).toBe(true);
});

test('a holder stops when it sees that another has the Lease', async () => {
  const { clock, client } = world();
  const { state } = candidate(client, clock, 'one');
  await clock.advance(0);
  await client.patch(Lease, key, { spec: { holderIdentity: 'two' } }, { type: 'merge' });
  await clock.advance(2000);
  expect(state.lead?.lost.reason?.message).toContain('"two"');
});

test('trouble on the way delays the lead and does not end it', async () => {
  const { clock, client } = world();
  client.failNext('get', { code: 'Unavailable' });
  client.failNext('create', { code: 'Timeout', done: true });
  const { state } = candidate(client, clock, 'one');
  await clock.advance(6000);
  expect(state.lead?.lost.aborted).toBe(false);
  client.failNext('update', { code: 'Unavailable' });
  client.failNext('update', { code: 'Timeout', done: true });
  await clock.advance(60_000);
  expect(state.lead?.lost.aborted).toBe(false);
});

test('a holder goes on when somebody else writes something into its Lease', async () => {
  const { clock, client } = world();
  const { state } = candidate(client, clock, 'one');
  await clock.advance(0);
  for (let i = 0; i < 10; i++) {
    client.failNext('update', { code: 'Conflict' }, Lease);
    await clock.advance(4000);
  }
  expect(state.lead?.lost.aborted).toBe(false);
});

test('where Leases are forbidden it leads without', async () => {
  const { clock, client } = world();
  client.failNext('get', { code: 'Forbidden' });
  const { state } = candidate(client, clock, 'one');
  await clock.advance(60_000);
  expect(state.lead?.lost.aborted).toBe(false);
});

test('a wait that is ended leaves the Lease alone', async () => {
  const { clock, client } = world();
  const first = candidate(client, clock, 'one');
  await clock.advance(0);
  const second = candidate(client, clock, 'two');
  await clock.advance(10_000);
  second.end.abort();
  await second.waiting;
  expect((await client.get(Lease, key)).spec?.holderIdentity).toBe('one');
  expect(first.state.lead?.lost.aborted).toBe(false);
});
