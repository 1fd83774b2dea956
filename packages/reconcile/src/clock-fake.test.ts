import { describe, expect, test } from 'bun:test';
import { ClockFake } from './clock-fake.ts';

describe('ClockFake', () => {
  test('stands still until it is advanced', async () => {
    const clock = new ClockFake(1000);
    expect([clock.now(), clock.wallTime()]).toEqual([0, 1000]);
    await clock.advance(250);
    expect([clock.now(), clock.wallTime()]).toEqual([250, 1250]);
    clock.setWallTime(5);
    expect([clock.now(), clock.wallTime()]).toEqual([250, 5]);
  });

  test('calls timers in order of time, then of setting, each at its time', async () => {
    const clock = new ClockFake();
    const calls: string[] = [];
    const note = (name: string) => () => calls.push(`${name}@${clock.now()}`);
    clock.setTimeout(note('late'), 20);
    clock.setTimeout(note('first'), 10);
    clock.setTimeout(note('second'), 10);
    clock.setTimeout(note('never'), 15).cancel();
    expect(clock.untilNext).toBe(10);
    await clock.advance(19);
    expect(calls).toEqual(['first@10', 'second@10']);
    await clock.advance(1);
    expect(calls).toEqual(['first@10', 'second@10', 'late@20']);
    expect(clock.timers).toBe(0);
    expect(clock.untilNext).toBeUndefined();
  });

  test('calls an interval until it is cancelled, even by itself', async () => {
    const clock = new ClockFake();
    const calls: number[] = [];
    const timer = clock.setInterval(() => {
      calls.push(clock.now());
      if (calls.length === 3) timer.cancel();
    }, 10);
    await clock.advance(100);
    expect(calls).toEqual([10, 20, 30]);
  });

  test('runs a loop of sleeps to its end within one advance', async () => {
    const clock = new ClockFake();
    const wakes: number[] = [];
    const loop = async () => {
      for (let i = 0; i < 3; i++) {
        await clock.sleep(10);
        wakes.push(clock.now());
      }
    };
    const done = loop();
    await clock.advance(30);
    await done;
    expect(wakes).toEqual([10, 20, 30]);
  });

  test('ends a sleep with the reason of its signal, before it starts or in the middle', async () => {
    const clock = new ClockFake();
    const stop = new AbortController();
    const sleep = clock.sleep(10, stop.signal);
    stop.abort(new Error('stopping'));
    expect(clock.timers).toBe(0);
    await expect(sleep).rejects.toThrow('stopping');
    await expect(clock.sleep(10, stop.signal)).rejects.toThrow('stopping');
    expect(clock.timers).toBe(0);
  });
});
