import { describe, expect, test } from 'bun:test';
import { ClockFake } from '@calico/reconcile';
import { HealthAggregator } from './health.ts';

function aggregator() {
  const clock = new ClockFake();
  return { clock, health: new HealthAggregator(clock) };
}

describe('HealthAggregator', () => {
  test('is live and ready, without text, when nobody reports', () => {
    const { health } = aggregator();
    expect(health.liveness()).toEqual({ ok: true, causes: [], text: '' });
    expect(health.readiness()).toEqual({ ok: true, causes: [], text: '' });
  });

  test('counts a part that has not reported yet as live, not as ready', () => {
    const { health } = aggregator();
    health.register({ name: 'CalculationGraph', timeoutMs: 30_000 });
    expect(health.liveness().ok).toBe(true);
    expect(health.readiness().causes).toEqual(['CalculationGraph is not ready: no report yet']);
  });

  test('gives every cause in words below the table', () => {
    const { health } = aggregator();
    health.register({ name: 'FelixStartup' });
    health.register({ name: 'CalculationGraph', timeoutMs: 30_000 });
    health.report('FelixStartup', { live: true, ready: true });
    health.report('CalculationGraph', { live: true, ready: false, detail: 'waiting for the list of pods' });
    expect(health.readiness().text).toBe(
      [
        '+------------------+---------+----------+-----------+------------------------------+',
        '| COMPONENT        | TIMEOUT | LIVENESS | READINESS | DETAIL                       |',
        '+------------------+---------+----------+-----------+------------------------------+',
        '| CalculationGraph | 30s     | live     | not ready | waiting for the list of pods |',
        '| FelixStartup     | -       | live     | ready     |                              |',
        '+------------------+---------+----------+-----------+------------------------------+',
        'CalculationGraph is not ready: waiting for the list of pods',
        '',
      ].join('\n'),
    );
    expect(health.liveness().ok).toBe(true);
  });

  test('is neither live nor ready when a report is overdue, until the next', async () => {
    const { clock, health } = aggregator();
    health.register({ name: 'loop', timeoutMs: 30_000 });
    health.report('loop', { live: true, ready: true });
    await clock.advance(30_000);
    expect(health.liveness().ok).toBe(true);
    await clock.advance(5_000);
    expect(health.liveness().causes).toEqual(['loop is not live: no report for 35 s, allowed are 30 s']);
    expect(health.readiness().ok).toBe(false);
    health.report('loop', { live: true, ready: true });
    expect(health.readiness().ok).toBe(true);
  });

  test('does not wait for a first report longer than for any', async () => {
    const { clock, health } = aggregator();
    health.register({ name: 'loop', timeoutMs: 30_000 });
    await clock.advance(30_001);
    expect(health.liveness().ok).toBe(false);
  });

  test('takes overrides of timeouts while it runs', async () => {
    const { clock, health } = aggregator();
    health.register({ name: 'loop', timeoutMs: 30_000 });
    health.report('loop', { live: true, ready: true });
    await clock.advance(31_000);
    health.overrideTimeouts({ loop: 60_000 });
    expect(health.liveness().ok).toBe(true);
    health.overrideTimeouts({});
    expect(health.liveness().ok).toBe(false);
  });

  test('says so when a bad report has no cause', () => {
    const { health } = aggregator();
    health.register({ name: 'loop' });
    health.report('loop', { live: false, ready: false });
    expect(health.liveness().causes).toEqual(['loop is not live: no cause given']);
  });

  test('refuses the report of a stranger', () => {
    const { health } = aggregator();
    health.register({ name: 'loop' });
    expect(() => health.report('lop', { live: true, ready: true })).toThrow(
      'Cannot take health report: reporter is "lop"; allowed: loop',
    );
  });
});
