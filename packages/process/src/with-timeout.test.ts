import { expect, test } from 'bun:test';
import { ClockFake } from '@calico/reconcile';
import { systemClock, systemRandom } from './system.ts';
import { TimeoutError, withTimeout } from './with-timeout.ts';

test('withTimeout gives the result or error of work that ends in time, and leaves no timer', async () => {
  const clock = new ClockFake();
  expect(await withTimeout(Promise.resolve(1), 10, 'count', clock)).toBe(1);
  await expect(withTimeout(Promise.reject(new Error('lost')), 10, 'count', clock)).rejects.toThrow('lost');
  await clock.advance(0);
  expect(clock.timers).toBe(0);
});

test('withTimeout throws a TimeoutError when the time is over', async () => {
  const clock = new ClockFake();
  const late = withTimeout(clock.sleep(20), 10, 'read the table', clock).catch((error: unknown) => error);
  await clock.advance(20);
  expect(await late).toEqual(new TimeoutError('Cannot read the table: no end within 10 ms'));
});

test('systemClock goes on, calls and cancels', async () => {
  const before = systemClock.now();
  const calls: string[] = [];
  systemClock.setTimeout(() => calls.push('cancelled'), 0).cancel();
  const every = systemClock.setInterval(() => calls.push('interval'), 1);
  while (calls.length < 2) await systemClock.sleep(1);
  every.cancel();
  expect(calls).not.toContain('cancelled');
  expect(systemClock.now()).toBeGreaterThan(before);
  expect(Math.abs(systemClock.wallTime() - Date.now())).toBeLessThan(1000);
  await expect(systemClock.sleep(1e12, AbortSignal.abort(new Error('stop')))).rejects.toThrow('stop');
  const draw = systemRandom.next();
  expect(draw >= 0 && draw < 1).toBe(true);
});

test('systemClock calls after no time without an idle millisecond, and lets others have their turn', async () => {
  const turn = () => new Promise<void>(done => systemClock.setTimeout(done, 0));
  let others = 0;
  const every = systemClock.setInterval(() => others++, 1);
  const before = systemClock.now();
  for (let i = 0; i < 1000; i++) await turn();
  // Timers of the platform take a millisecond each at least.
  expect(systemClock.now() - before).toBeLessThan(900);
  while (others === 0) await turn();
  every.cancel();
});
