import { expect, test } from 'bun:test';
import { ClockFake } from './clock-fake.ts';
import { eachInSteps, finished, inTurns } from './steps.ts';
import { TURN_MS } from './turn.ts';

/** A clock that work moves on. */
class BusyClock extends ClockFake {
  worked = 0;

  override now(): number {
    return super.now() + this.worked;
  }
}

/** Steps that take a millisecond each. */
function* steps(clock: BusyClock, count: number, log: unknown[]): Generator<void, string> {
  try {
    for (let i = 0; i < count; i++) {
      clock.worked++;
      log.push(i);
      yield;
    }
    return 'done';
  } finally {
    log.push('ended');
  }
}

const into = (log: unknown[]) => ({
  done: (value: string) => void log.push(value),
  failed: (error: unknown) => void log.push(error),
});

test('all steps at once give what the work gives', () => {
  const log: unknown[] = [];
  expect(finished(steps(new BusyClock(), 3, log))).toBe('done');
  expect(log).toEqual([0, 1, 2, 'ended']);
});

test('work that fits into a turn is done before the call returns', () => {
  const log: unknown[] = [];
  const clock = new BusyClock();
  inTurns(clock, steps(clock, 3, []), into(log));
  expect(log).toEqual(['done']);
});

test('work that does not fit goes on in other turns, and tells its end once', async () => {
  const [clock, log] = [new BusyClock(), [] as unknown[]];
  inTurns(clock, steps(clock, 2 * TURN_MS + 1, log), into(log));
  expect(log).toHaveLength(TURN_MS);
  await clock.advance(0);
  await clock.advance(0);
  await clock.advance(100);
  expect(log.slice(-2)).toEqual(['ended', 'done']);
  expect(log).toHaveLength(2 * TURN_MS + 3);
});

test('an error is told as the end, also one in a later turn', async () => {
  const [clock, log] = [new BusyClock(), [] as unknown[]];
  const failing = function* (): Generator<void, string> {
    yield* steps(clock, TURN_MS, []);
    throw new Error('refused');
  };
  inTurns(clock, failing(), into(log));
  expect(log).toEqual([]);
  await clock.advance(0);
  expect(log).toEqual([new Error('refused')]);
});

test('cancelled work ends between two steps, cleans up and tells nothing', async () => {
  const [clock, log] = [new BusyClock(), [] as unknown[]];
  inTurns(clock, steps(clock, 100, log), into(log)).cancel();
  await clock.advance(1_000);
  expect(log).toHaveLength(TURN_MS + 1);
  expect(log.at(-1)).toBe('ended');
});

test('work for each item is done in order, in steps of so many', () => {
  const done: number[] = [];
  const steps = eachInSteps([1, 2, 3], item => done.push(item), 2);
  expect([steps.next().done, [...done]]).toEqual([false, [1, 2]]);
  expect([steps.next().done, done]).toEqual([true, [1, 2, 3]]);
});
