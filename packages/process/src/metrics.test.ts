import { expect, test } from 'bun:test';
import { createMetrics } from './metrics.ts';

test('createMetrics counts on when a metric is asked for again', async () => {
  const metrics = createMetrics();
  metrics.counter('felix_resyncs', 'Resyncs.', ['cause']).inc({ cause: 'start' });
  metrics.counter('felix_resyncs', 'Resyncs.', ['cause']).inc({ cause: 'start' });
  metrics.gauge('felix_routes', 'Routes.').set(5);
  metrics.histogram('felix_apply_seconds', 'Time.', [0.1, 1]).observe(0.5);
  const text = await metrics.registry.metrics();
  expect(text).toContain('felix_resyncs{cause="start"} 2');
  expect(text).toContain('felix_routes 5');
  expect(text).toContain('felix_apply_seconds_bucket{le="0.1"} 0');
  expect(text).toContain('felix_apply_seconds_bucket{le="1"} 1');
});

test('createMetrics refuses one name for two kinds', () => {
  const metrics = createMetrics();
  metrics.counter('felix_things', 'Things.');
  expect(() => metrics.gauge('felix_things', 'Things.')).toThrow('felix_things');
});

test('createMetrics has the metrics of the process, each time as they are', async () => {
  const { registry } = createMetrics();
  const read = async (name: string) => Number(new RegExp(`^${name} (.*)$`, 'm').exec(await registry.metrics())?.[1]);
  const cpu = await read('process_cpu_seconds_total');
  expect(cpu).toBeGreaterThan(0);
  expect(await read('process_cpu_seconds_total')).toBeLessThan(2 * cpu + 1);
  expect(await read('process_resident_memory_bytes')).toBeGreaterThan(1e6);
  expect(await read('process_open_fds')).toBeGreaterThan(2);
  expect(await read('process_start_time_seconds')).toBeGreaterThan(1.7e9);
});
