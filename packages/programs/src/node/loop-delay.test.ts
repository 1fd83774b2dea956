import { expect, test } from 'bun:test';
import { createMetrics, HealthAggregator } from '@calico/process';
import { ClockFake } from '@calico/reconcile';
import { watchLoopDelay } from './loop-delay.ts';

/** A clock whose timers come late when asked to. */
class LateClock extends ClockFake {
  lateMs = 0;

  override now(): number {
    return super.now() + this.lateMs;
  }
}

test('a held event loop is in the histogram and in readiness, in words, until it is ten seconds ago', async () => {
  const clock = new LateClock();
  const health = new HealthAggregator(clock);
  const metrics = createMetrics();
  const watch = watchLoopDelay(clock, health, metrics);
  await clock.advance(500);
  expect(health.readiness().ok).toBe(true);
  clock.lateMs = 1500;
  await clock.advance(50);
  expect(health.readiness().causes).toEqual(['EventLoop is not ready: longest delay of the last 10 s: 1.500 s']);
  expect(health.liveness().ok).toBe(true);
  await clock.advance(9_900);
  expect(health.readiness().ok).toBe(false);
  await clock.advance(300);
  expect(health.readiness().ok).toBe(true);
  expect(await metrics.registry.metrics()).toContain('calico_event_loop_delay_seconds_bucket{le="1"} ');
  watch.cancel();
  expect(clock.timers).toBe(0);
});
