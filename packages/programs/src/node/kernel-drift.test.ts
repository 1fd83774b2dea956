import { expect, test } from 'bun:test';
import { createMetrics, HealthAggregator } from '@calico/process';
import { ClockFake } from '@calico/reconcile';
import { felixMetrics } from './felix-metrics.ts';
import { KernelDrift } from './kernel-drift.ts';

test('what another program has changed is counted, and keeps the node from being ready until it is mended', async () => {
  const clock = new ClockFake();
  const health = new HealthAggregator(clock);
  const metrics = createMetrics();
  const drift = new KernelDrift({ clock, health, metrics: felixMetrics(metrics) });
  const words = () => health.readiness().text;
  expect(health.readiness().ok).toBe(true);
  expect(words()).toContain('rules not compared with the kernel yet');
  drift.compared('routes', 0);
  expect(words()).toMatch(/routes as written at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/);
  drift.compared('rules', 3);
  expect(health.readiness().causes.join()).toContain('3 objects of rules were not as written at');
  drift.written();
  expect(health.readiness().ok).toBe(true);
  expect(words()).toContain('mended since');
  const scraped = await metrics.registry.metrics();
  expect(scraped).toContain('felix_dataplane_drift{part="rules"} 3');
  expect(scraped).toContain('felix_dataplane_compared_time_seconds{part="routes"}');
});
