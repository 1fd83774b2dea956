import { expect, test } from 'bun:test';
import { ClockFake, seededRandom } from '@calico/reconcile';
import { RepeatedWork, type RepeatedWorkOptions } from './repeated-work.ts';

function start(
  work: (signal: AbortSignal, clock: ClockFake) => Promise<void>,
  more: Partial<RepeatedWorkOptions> = {},
) {
  const clock = new ClockFake();
  const random = seededRandom(1);
  const repeated = new RepeatedWork({ work: signal => work(signal, clock), clock, random, ...more });
  repeated.ask();
  return { clock, repeated };
}

test('work is done at once, then an interval after the end of each round', async () => {
  let rounds = 0;
  const { clock } = start(
    async (_, time) => {
      rounds++;
      await time.sleep(500);
    },
    { intervalMs: 1_000 },
  );
  expect(rounds).toBe(1);
  await clock.advance(1_499);
  expect(rounds).toBe(1);
  await clock.advance(1);
  expect(rounds).toBe(2);
});

test('work that is asked for while it runs is done once more, however often it was asked for', async () => {
  let rounds = 0;
  let open = Promise.withResolvers<void>();
  const { clock, repeated } = start(async () => {
    rounds++;
    await open.promise;
  });
  for (let i = 0; i < 3; i++) repeated.ask();
  expect(rounds).toBe(1);
  const first = open;
  open = Promise.withResolvers<void>();
  first.resolve();
  await clock.advance(0);
  expect(rounds).toBe(2);
  open.resolve();
  await clock.advance(60_000);
  expect(rounds).toBe(2);
});

test('work that fails is tried again after growing delays, which start anew with a success', async () => {
  let fails = 8;
  const delays: number[] = [];
  const { clock, repeated } = start(
    async () => {
      if (fails-- > 0) throw new Error('no');
    },
    { onRound: failure => failure && delays.push(failure.retryMs) },
  );
  await clock.advance(60_000);
  expect(delays).toHaveLength(8);
  expect(delays[7] ?? 0).toBeGreaterThan((delays[0] ?? 0) * 20);
  fails = 1;
  repeated.ask();
  await clock.advance(0);
  expect(delays[8] ?? 0).toBeLessThanOrEqual(50);
});

test('stop aborts the round that runs, waits for it, and lets nothing start again', async () => {
  let rounds = 0;
  let aborted = false;
  const { clock, repeated } = start(
    async (signal, time) => {
      rounds++;
      await time.sleep(10_000, signal).catch(() => {
        aborted = true;
        throw new Error('stopped');
      });
    },
    { intervalMs: 10 },
  );
  await repeated.stop();
  expect(aborted).toBe(true);
  repeated.ask();
  await clock.advance(100_000);
  expect(rounds).toBe(1);
  expect(clock.timers).toBe(0);
});

test('stop waits a second for a round that does not heed its signal, and no longer', async () => {
  const { clock, repeated } = start(() => new Promise(() => {}));
  let stopped = false;
  const stopping = repeated.stop().then(() => {
    stopped = true;
  });
  await clock.advance(999);
  expect(stopped).toBe(false);
  await clock.advance(1);
  await stopping;
  expect(clock.timers).toBe(0);
});
