import { expect, test } from 'bun:test';
import { ClockFake } from './clock-fake.ts';
import { Mutex } from './mutex.ts';

test('Mutex runs one piece of work at a time, in order, whatever fails', async () => {
  const clock = new ClockFake();
  const mutex = new Mutex();
  const log: string[] = [];
  const work = (name: string, ms: number) => async () => {
    log.push(`${name} starts`);
    await clock.sleep(ms);
    log.push(`${name} ends`);
    if (name === 'b') throw new Error('b failed');
    return name;
  };
  const results = [mutex.run(work('a', 30)), mutex.run(work('b', 20)), mutex.run(work('c', 10)), mutex.run(() => 'd')];
  const settled = Promise.allSettled(results);
  expect(mutex.pending).toBe(4);
  await clock.advance(60);
  expect((await settled).map(r => (r.status === 'fulfilled' ? r.value : String(r.reason)))).toEqual([
    'a',
    'Error: b failed',
    'c',
    'd',
  ]);
  expect(log).toEqual(['a starts', 'a ends', 'b starts', 'b ends', 'c starts', 'c ends']);
  expect(mutex.pending).toBe(0);
});
