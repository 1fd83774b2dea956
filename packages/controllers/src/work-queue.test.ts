import { expect, test } from 'bun:test';
import { ClockFake } from '@calico/reconcile';
import { type QueueOptions, WorkQueue } from './work-queue.ts';

function queue(options: Partial<QueueOptions> = {}) {
  const clock = new ClockFake();
  const end = new AbortController();
  const done: string[] = [];
  const log = { debug: () => {}, info: () => {}, warn: () => {} };
  const work = new WorkQueue(
    {
      name: 'test',
      ready: () => true,
      keys: () => [],
      resyncMs: () => 0,
      reconcile: async key => void done.push(key),
      ...options,
    },
    // No chance: delays are whole.
    { clock, random: { next: () => 0 }, log, signal: end.signal },
  );
  return { clock, end, done, work };
}

test('a key that is touched while it is worked on is worked on once more, never twice at once', async () => {
  let atOnce = 0;
  let most = 0;
  const { clock, done, work } = queue({
    workers: 4,
    reconcile: async key => {
      most = Math.max(most, ++atOnce);
      done.push(key);
      await clock.sleep(10);
      atOnce--;
    },
  });
  for (let i = 0; i < 5; i++) work.touch('a');
  await clock.advance(5);
  for (let i = 0; i < 5; i++) work.touch('a');
  await clock.advance(100);
  expect([done, most]).toEqual([['a', 'a'], 1]);
});

test('what fails is tried again, after 5 ms at first and half a minute at last, and told until it works', async () => {
  const times: number[] = [];
  let fails = true;
  const { clock, work } = queue({
    reconcile: async () => {
      times.push(clock.now());
      if (fails) throw new Error('no');
    },
  });
  work.touch('a');
  await clock.advance(300_000);
  expect(times.slice(0, 4)).toEqual([0, 5, 15, 35]);
  expect((times.at(-1) ?? 0) - (times.at(-2) ?? 0)).toBe(30_000);
  expect([...work.errors.keys()]).toEqual(['a']);
  fails = false;
  await clock.advance(30_000);
  expect([...work.errors.keys()]).toEqual([]);
  const count = times.length;
  await clock.advance(300_000);
  expect(times).toHaveLength(count);
});

test('nothing is done until the work may be done, and everything again after each period', async () => {
  let ready = false;
  const { clock, done, work } = queue({ ready: () => ready, keys: () => ['a', 'b'], resyncMs: () => 60_000 });
  work.touch('a');
  await clock.advance(1000);
  expect(done).toEqual([]);
  ready = true;
  work.kick();
  await clock.advance(1000);
  expect(done).toEqual(['a']);
  await clock.advance(60_000);
  expect(done).toEqual(['a', 'a', 'b']);
});

test('keys that come together are gathered', async () => {
  const { clock, done, work } = queue({ gatherMs: 1000 });
  work.touch('a');
  await clock.advance(900);
  work.touch('b');
  work.touch('a');
  expect(done).toEqual([]);
  await clock.advance(100);
  expect(done).toEqual(['a', 'b']);
});

test('it ends when what is under way has ended, and takes nothing further', async () => {
  const { clock, end, done, work } = queue({
    reconcile: async key => {
      await clock.sleep(50);
      done.push(key);
    },
  });
  work.touch('a');
  work.touch('b');
  let ended = false;
  void work.done.then(() => {
    ended = true;
  });
  await clock.advance(10);
  end.abort();
  await clock.advance(10);
  expect(ended).toBe(false);
  await clock.advance(100);
  expect([ended, done, clock.timers]).toEqual([true, ['a'], 0]);
});
