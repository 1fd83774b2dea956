import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fakeKernel } from '@calico/kernel/fake';
import { createLogger, createMetrics, HealthAggregator } from '@calico/process';
import { ClockFake, seededRandom } from '@calico/reconcile';
import { bgpMetrics } from './bgp-metrics.ts';
import { Felix } from './felix.ts';
import { countNftCalls, felixGauges } from './felix-gauges.ts';
import { felixMetrics } from './felix-metrics.ts';
import { watchLoopDelay } from './loop-delay.ts';
import { RuleHits } from './rule-hits.ts';
import { watchViewHealth } from './view-health.ts';

const root = join(import.meta.dir, '../../../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const docs = read('docs/metrics.md');

/** Every metric of the agent, from what registers them. */
function agentMetrics() {
  const metrics = createMetrics();
  const kernel = fakeKernel();
  const clock = new ClockFake();
  const log = createLogger({ component: 'test', write: () => {} });
  const health = new HealthAggregator(clock);
  const felix = new Felix({
    ...{ nodeName: 'node1', kernel, parameters: {}, clock, random: seededRandom(1), log, health },
    metrics: felixMetrics(metrics),
  });
  felixGauges(metrics, { nodeName: 'node1', felix, hits: new RuleHits({ kernel, clock, log }) });
  countNftCalls(metrics, kernel.nftables);
  bgpMetrics(metrics, { bgpSessions: async () => [] }, clock);
  watchLoopDelay(clock, health, metrics).cancel();
  const done = Promise.resolve();
  watchViewHealth({ inSync: true, status: () => [], age: () => 0, done }, health, metrics);
  return metrics.registry;
}

/** What the tables of the page say. */
const documented = [
  ...docs.matchAll(/^\| `([a-z_]+)` +\| (gauge|counter|summary|histogram) +\| ([a-z_, ]*?) *\|/gm),
].map(([, name, kind, labels]) => `${name} ${kind} ${labels}`.trim());

test('the page on metrics names every metric of the agent with its kind and labels, and no other', () => {
  const registered = agentMetrics()
    .getMetricsAsArray()
    .map(metric => {
      const {
        name,
        type,
        labelNames = [],
      } = metric as unknown as { name: string; type: string; labelNames?: string[] };
      return `${name} ${type} ${labelNames.join(', ')}`.trim();
    });
  expect(documented.toSorted()).toEqual(registered.toSorted());
});

test('every metric that a source of the agent registers is on the page', async () => {
  const named: string[] = [];
  for (const folder of ['programs/src/node', 'dataplane/src', 'node/src', 'cni/src', 'ipam/src', 'bird/src']) {
    for await (const path of new Bun.Glob(`packages/${folder}/**/*.ts`).scan(root)) {
      const names = read(path).matchAll(/metrics\s*\.(?:gauge|counter|histogram|summary)\(\s*'([a-z_]+)'/g);
      named.push(...Array.from(names, ([, name = '']) => name));
    }
  }
  expect(named.length).toBeGreaterThan(20);
  const known = new Set(documented.map(line => line.split(' ')[0]));
  expect(named.filter(name => !known.has(name))).toEqual([]);
});
