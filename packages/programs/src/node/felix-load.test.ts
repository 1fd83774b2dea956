import { expect, test } from 'bun:test';
import type { ModelKind, ResourceUpdate, WorkloadEndpoint } from '@calico/api';
import { fakeKernel } from '@calico/kernel/fake';
import { createLogger, createMetrics, HealthAggregator, systemClock } from '@calico/process';
import { seededRandom } from '@calico/reconcile';
import { Felix } from './felix.ts';
import { felixMetrics } from './felix-metrics.ts';

const markers = 30;

function object(kind: ModelKind, name: string, spec: object, more: object = {}): ResourceUpdate {
  const metadata = { name, ...more };
  const resource = { apiVersion: 'projectcalico.org/v3', kind, metadata, spec };
  return { kind, name, resource, ...('namespace' in more ? { namespace: String(more.namespace) } : {}) };
}

function policy(index: number): ResourceUpdate {
  const selector = (offset: number) => `has(marker-${(index + offset) % markers})`;
  const ingress = [1, 2, 3].map(offset => ({ action: 'Allow', source: { selector: selector(offset) } }));
  return object('GlobalNetworkPolicy', `policy-${index}`, { selector: selector(0), types: ['Ingress'], ingress });
}

function endpoint(index: number, node: string): ResourceUpdate {
  const spec = {
    node,
    orchestrator: 'k8s',
    pod: `pod-${index}`,
    interfaceName: `cali${index}`,
    ipNetworks: [`10.${index >> 16}.${(index >> 8) & 255}.${index & 255}/32`],
    profiles: ['kns.shop'],
  };
  const labels = { [`marker-${index % markers}`]: 'true', 'one-in-11': `value-${index % 11}` };
  return object('WorkloadEndpoint', `pod-${index}`, spec, { namespace: 'shop', labels });
}

test('the event loop is free every few milliseconds while a large cluster is seen for the first time', async () => {
  const kernel = fakeKernel();
  const felix = new Felix({
    nodeName: 'node-1',
    kernel,
    parameters: {},
    clock: systemClock,
    random: seededRandom(1),
    log: createLogger({ component: 'felix', write: () => {} }),
    health: new HealthAggregator(systemClock),
    metrics: felixMetrics(createMetrics()),
  });
  let turns = 0;
  let [last, longest] = [performance.now(), 0];
  const ticking = setInterval(() => {
    const now = performance.now();
    [last, longest] = [now, Math.max(longest, now - last)];
    turns++;
  }, 1);
  try {
    felix.start();
    const rules = [{ action: 'Allow' }];
    felix.onUpdates([
      object('Profile', 'kns.shop', { ingress: rules, egress: rules }),
      ...Array.from({ length: 300 }, (_, i) => policy(i)),
      ...Array.from({ length: 30_000 }, (_, i) => endpoint(i, 'node-2')),
      ...Array.from({ length: 60 }, (_, i) => endpoint(30_000 + i, 'node-1')),
    ]);
    expect(felix.onUpdates([])).toBeInstanceOf(Promise);
    felix.onInSync();
    await felix.whenReady;
    // A turn has 8 ms of work, and all of it is more than a hundred: one that holds the loop all along would leave none.
    expect(turns).toBeGreaterThan(5);
    // Many times what a turn takes on a machine of its own: `npm run bench:dataplane` tells that.
    expect(longest).toBeLessThan(1_500);
    const request = felix.endpointAdded(endpoint(40_000, 'node-1').resource as WorkloadEndpoint);
    felix.onUpdates(Array.from({ length: 30_000 }, (_, i) => endpoint(i, 'node-3')));
    const first = await Promise.race([
      request.then(() => 'the pod'),
      felix.onUpdates([])?.then(() => 'the updates before it'),
    ]);
    expect(first).toBe('the pod');
  } finally {
    clearInterval(ticking);
    felix.stop();
  }
}, 60_000);
