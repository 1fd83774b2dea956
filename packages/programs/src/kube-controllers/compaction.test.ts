import { expect, test } from 'bun:test';
import { DatastoreError } from '@calico/datastore';
import { ClockFake, seededRandom } from '@calico/reconcile';
import { type Compactable, compactEtcd } from './compaction.ts';

const PERIOD_MS = 600_000;

/** An etcd at some revision, that notes up to where it was told to forget. */
function etcd() {
  const state = { revision: 1, compacted: [] as string[], failure: undefined as DatastoreError | undefined };
  const client = {
    list: async () => ({ items: [], resourceVersion: String(state.revision) }),
    compact: async (version: string) => {
      if (state.failure !== undefined) throw state.failure;
      state.compacted.push(version);
    },
  } as unknown as Compactable;
  return { state, client };
}

function run(client: Compactable, periodMs: number) {
  const clock = new ClockFake();
  const end = new AbortController();
  const done = compactEtcd(client, periodMs, { clock, random: seededRandom(1), signal: end.signal });
  return { clock, end, done };
}

test('etcd forgets after each period what was history at the end of the one before', async () => {
  const { state, client } = etcd();
  const { clock, end, done } = run(client, PERIOD_MS);
  for (const revision of [10, 20, 30]) {
    await clock.advance(0);
    state.revision = revision;
    await clock.advance(PERIOD_MS);
  }
  expect(state.compacted).toEqual(['1', '10', '20']);
  end.abort();
  await done;
});

test('a failure, or another that was faster, does not end it', async () => {
  const { state, client } = etcd();
  const { clock, end, done } = run(client, PERIOD_MS);
  await clock.advance(0);
  for (const code of ['Unavailable', 'Gone'] as const) {
    state.failure = new DatastoreError({ code, op: 'compact', resource: 'etcd', reason: 'no' });
    await clock.advance(2 * PERIOD_MS);
  }
  state.failure = undefined;
  state.revision = 50;
  await clock.advance(3 * PERIOD_MS);
  expect(state.compacted.at(-1)).toBe('50');
  end.abort();
  await done;
});

test('a period of 0 is never', async () => {
  const { state, client } = etcd();
  const { clock, done } = run(client, 0);
  await done;
  expect([clock.timers, state.compacted.length]).toEqual([0, 0]);
});
