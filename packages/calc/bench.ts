/**
 * Times the first sync of a generated cluster and one label change afterwards.
 *
 *   bun packages/calc/bench.ts [endpoints = 25000] [policies = 1000]
 *
 * The cluster: endpoints in 100 namespaces, 200 of them local, each with five labels `one-in-N: value-k` and one of 30
 * marker labels; policies in one tier, each for `has(marker)` with five Allow rules from `has(other marker)`.
 */
import type { ResourceUpdate } from '@calico/api';
import { CalcGraph } from '@calico/calc';
import { given, namespaceProfile, workload } from './src/testing/builders.ts';
import { NODE } from './src/testing/replay.ts';

const LOCAL = 200;
const NAMESPACES = 100;
const MARKERS = 30;
const VALUES = [10, 11, 20, 30, 40];

const [endpoints = 25_000, policies = 1000] = process.argv.slice(2).map(Number);

function endpoint(index: number, marker = index % MARKERS): ResourceUpdate {
  const labels: Record<string, string> = { [`marker-${marker}`]: 'true' };
  for (const n of VALUES) labels[`one-in-${n}`] = `value-${index % n}`;
  const address = `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}/32`;
  const node = index < LOCAL ? NODE : `node-${index % 1000}-remote`;
  return workload(`ns-${index % NAMESPACES}/pod-${index}`, node, [address], labels);
}

function policy(index: number, shift = 0): ResourceUpdate {
  const source = (offset: number) => ({ selector: `has(marker-${(index + offset + shift) % MARKERS})` });
  return given('GlobalNetworkPolicy', `policy-${index}`, {
    order: index,
    selector: `has(marker-${index % MARKERS})`,
    types: ['Ingress'],
    ingress: [1, 2, 3, 4, 5].map(offset => ({ action: 'Allow', source: source(offset) })),
  });
}

function* cluster(): Generator<ResourceUpdate> {
  yield given('Tier', 'default', { order: 1_000_000, defaultAction: 'Deny' });
  for (let i = 0; i < NAMESPACES; i++) yield namespaceProfile(`ns-${i}`, { team: `team-${i % 7}` });
  for (let i = 0; i < policies; i++) yield policy(i);
  for (let i = 0; i < endpoints + LOCAL; i++) yield endpoint(i);
}

function timed<T>(what: string, act: () => T): T {
  const start = performance.now();
  const result = act();
  console.log(`${what.padEnd(44)} ${(performance.now() - start).toFixed(2).padStart(10)} ms`);
  return result;
}

const updates = timed('generate', () => [...cluster()]);
const graph = new CalcGraph({ nodeName: NODE });
timed(`first sync, ${endpoints} endpoints, ${policies} policies`, () => {
  for (const update of updates) graph.update(update);
  graph.inSync();
  return graph.flush();
});

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** Median time of an update and its flush, over `count` of them. */
function change(what: string, count: number, make: (index: number) => ResourceUpdate): void {
  let messages = 0;
  const times = Array.from({ length: count }, (_, index) => {
    const update = make(index);
    const start = performance.now();
    graph.update(update);
    messages += graph.flush().length;
    return performance.now() - start;
  });
  const worst = Math.max(...times).toFixed(2);
  console.log(`${what.padEnd(44)} ${median(times).toFixed(3).padStart(10)} ms  worst ${worst}, messages ${messages}`);
}

change('relabel a remote endpoint', 200, i => endpoint(LOCAL + i, (i + 1) % MARKERS));
change('relabel a local endpoint', 200, i => endpoint(i, (i + 1) % MARKERS));
change('create a policy', 100, i => policy(policies + i));
change('change the rules of a policy', 100, i => policy(policies + i, 1));
change('add an endpoint', 200, i => endpoint(LOCAL + endpoints + i));
const { heapUsed, rss } = process.memoryUsage();
console.log(`heap ${(heapUsed / 2 ** 20).toFixed(0)} MiB, resident ${(rss / 2 ** 20).toFixed(0)} MiB`);
