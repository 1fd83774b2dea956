import { expect, test } from 'bun:test';
import { GlobalNetworkSet } from '@calico/api';
import { DatastoreError, FELIX_SOURCES, startSyncer } from '@calico/datastore';
import { memoryClient } from '@calico/datastore/memory';
import { createMetrics, HealthAggregator } from '@calico/process';
import { ClockFake, seededRandom } from '@calico/reconcile';
import { noView, watchViewHealth } from './view-health.ts';

test('before a view is begun it is waited for, and infinitely old', async () => {
  const health = new HealthAggregator(new ClockFake());
  const metrics = createMetrics();
  watchViewHealth(noView, health, metrics)();
  const text = await metrics.registry.metrics();
  expect(text).toMatch(/^felix_resync_state 1$/m);
  expect(text).toMatch(/^felix_datastore_view_age_seconds \+Inf$/m);
  expect(health.readiness().ok).toBe(false);
});

test('readiness and a metric tell how old the view is, and why it is not kept up to date', async () => {
  const clock = new ClockFake();
  const client = memoryClient({ clock });
  const stop = new AbortController();
  const sources = FELIX_SOURCES.filter(({ kind }) => kind.kind === GlobalNetworkSet.kind);
  const handler = { onUpdates: () => {}, onInSync: () => {} };
  const syncer = startSyncer(client, sources, handler, { clock, random: seededRandom(1), signal: stop.signal });
  const health = new HealthAggregator(clock);
  const metrics = createMetrics();
  const report = watchViewHealth(syncer, health, metrics);
  const state = async () => {
    report();
    const text = await metrics.registry.metrics();
    const value = (name: string) => new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1];
    const age = value('felix_datastore_view_age_seconds');
    const resync = `${value('felix_resync_state')}, ${value('felix_resyncs_started')} started`;
    return { ready: health.readiness().ok, text: health.readiness().text, age, resync };
  };

  expect(await state()).toMatchObject({
    ready: false,
    text: expect.stringContaining('not complete yet'),
    age: '+Inf',
    resync: '2, 1 started',
  });
  await clock.advance(1);
  expect(await state()).toMatchObject({
    ready: true,
    text: expect.stringContaining('0.0 s old'),
    resync: '3, 1 started',
  });
  await clock.advance(6999);
  expect(await state()).toMatchObject({ ready: true, text: expect.stringContaining('7.0 s old'), age: '7' });
  client.bookmark();
  await clock.advance(1);
  expect(await state()).toMatchObject({ ready: true, age: '0.001' });

  const failure = { code: 'Unavailable', op: 'watch', resource: 'GlobalNetworkSet(*)', reason: 'no answer' } as const;
  for (let i = 0; i < 3; i++) client.failNext('watch', failure);
  client.endWatches(new DatastoreError(failure));
  await clock.advance(50);
  expect(await state()).toMatchObject({
    ready: false,
    text: expect.stringContaining('no answer'),
    resync: '1, 1 started',
  });
  await clock.advance(60_000);
  expect(await state()).toMatchObject({ ready: true });
  stop.abort();
  await syncer.done;
});
