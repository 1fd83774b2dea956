import { describe, expect, test } from 'bun:test';
import { EventEmitter } from 'node:events';
import { ClockFake } from '@calico/reconcile';
import { type Component, Lifecycle } from './lifecycle.ts';
import { runUntilSignal } from './run-until-signal.ts';

/** Parts that write down what happens to them; `fail` names the acts that throw, `hang` the parts that never stop. */
function story(names: string, { fail = '', hang = '' } = {}) {
  const clock = new ClockFake();
  const log: string[] = [];
  const act = (what: string) => {
    log.push(what);
    if (what === fail) throw new Error('out of order');
  };
  const components = names.split(' ').map(
    (name): Component => ({
      name,
      start: () => act(`+${name}`),
      stop: () => (name === hang ? new Promise(() => act(`-${name}`)) : act(`-${name}`)),
    }),
  );
  const { promise: allStarted, resolve } = Promise.withResolvers<void>();
  components.push({ name: 'the end', start: resolve, stop: () => undefined });
  return { clock, log, allStarted, lifecycle: new Lifecycle({ components, clock, stopTimeoutMs: 1000 }) };
}

describe('Lifecycle', () => {
  test('starts in order and stops in reverse, once', async () => {
    const { lifecycle, log } = story('a b c');
    await lifecycle.start();
    await lifecycle.stop();
    await lifecycle.stop();
    expect(log).toEqual(['+a', '+b', '+c', '-c', '-b', '-a']);
  });

  test('stops what has started when a part cannot start, and says why', async () => {
    const { lifecycle, log } = story('a b c d', { fail: '+c' });
    await expect(lifecycle.start()).rejects.toThrow('Cannot start c: out of order');
    expect(log).toEqual(['+a', '+b', '+c', '-b', '-a']);
  });

  test('stops the others when a part cannot stop, and says so at the end', async () => {
    const { lifecycle, log } = story('a b c', { fail: '-b' });
    await lifecycle.start();
    await expect(lifecycle.stop()).rejects.toThrow('Cannot stop b: out of order');
    expect(log.slice(3)).toEqual(['-c', '-b', '-a']);
  });

  test('stops waiting at the deadline, and still stops the others', async () => {
    const { clock, lifecycle, log } = story('a b c', { hang: 'b' });
    await lifecycle.start();
    const stopped = lifecycle.stop().then(
      () => 'stopped',
      (error: Error) => error.message,
    );
    await clock.advance(999);
    expect(log.slice(3)).toEqual(['-c', '-b']);
    await clock.advance(1);
    expect(await stopped).toBe('Cannot stop b: no end within 1000 ms');
    expect(log.slice(3)).toEqual(['-c', '-b', '-a']);
  });
});

describe('runUntilSignal', () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    test(`stops at ${signal} and leaves no listener`, async () => {
      const signals = new EventEmitter();
      const { lifecycle, log, allStarted } = story('a b');
      const run = runUntilSignal(lifecycle, { signals });
      await allStarted;
      expect(log).toEqual(['+a', '+b']);
      signals.emit(signal);
      expect(await run).toBe(signal);
      expect(log).toEqual(['+a', '+b', '-b', '-a']);
      expect(signals.eventNames()).toEqual([]);
    });
  }

  test('finishes the start when the signal comes within it', async () => {
    const signals = new EventEmitter();
    const { lifecycle, log } = story('a b');
    const run = runUntilSignal(lifecycle, { signals });
    signals.emit('SIGTERM');
    expect(await run).toBe('SIGTERM');
    expect(log).toEqual(['+a', '+b', '-b', '-a']);
  });

  test('gives up at a second signal while a part hangs', async () => {
    const signals = new EventEmitter();
    const { lifecycle } = story('a', { hang: 'a' });
    const run = runUntilSignal(lifecycle, { signals });
    signals.emit('SIGTERM');
    signals.emit('SIGINT');
    await expect(run).rejects.toThrow('Cannot stop in order: a second SIGINT came');
  });

  test('stops, then throws what a part ended the run with', async () => {
    const signals = new EventEmitter();
    const end = new AbortController();
    const { lifecycle, log } = story('a');
    const run = runUntilSignal(lifecycle, { signals, end: end.signal });
    end.abort(new Error('felix has failed'));
    await expect(run).rejects.toThrow('felix has failed');
    expect(log).toEqual(['+a', '-a']);
  });

  test('stops quietly when the run is ended without an error', async () => {
    const end = new AbortController();
    const run = runUntilSignal(story('a').lifecycle, { signals: new EventEmitter(), end: end.signal });
    end.abort();
    expect(await run).toBeUndefined();
  });

  test('throws the error of the start', async () => {
    const signals = new EventEmitter();
    const { lifecycle } = story('a b', { fail: '+b' });
    await expect(runUntilSignal(lifecycle, { signals })).rejects.toThrow('Cannot start b: out of order');
    expect(signals.eventNames()).toEqual([]);
  });
});
