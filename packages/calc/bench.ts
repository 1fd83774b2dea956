/**
 * Times the first sync of a generated cluster and single changes afterwards.
 *
 *   bun packages/calc/bench.ts [markers | sets | tenants] [size]
 *
 * `markers` (size: remote endpoints, 25000; a 25th as many policies): 200 local endpoints besides, 100 namespaces; an
 * endpoint has five labels `one-in-N: value-k` and one of 30 marker labels; a policy is for `has(marker)` and has five
 * Allow rules from `has(other marker)`.
 * `sets` (size: network sets, 1000): each of 1 to 1,000 addresses, with a policy for all that allows it; 10,000 remote
 * and 200 local endpoints.
 * `tenants` (size: namespaces, 10000): one pod with 15 labels and one policy each; 100 pods are local.
 */
import type { ResourceUpdate } from '@calico/api';
import { CalcGraph } from '@calico/calc';
import { given, namespaceProfile, workload } from './src/testing/builders.ts';
import { NODE } from './src/testing/replay.ts';

/** A generated cluster, and changes to it: each is called with 0, 1, 2, … */
interface Workload {
  readonly size: number;
  readonly cluster: (size: number) => ResourceUpdate[];
  readonly changes: Readonly<Record<string, (index: number, size: number) => ResourceUpdate>>;
}

const LOCAL = 200;
const MARKERS = 30;

const count = <T>(n: number, make: (index: number) => T) => Array.from({ length: n }, (_, index) => make(index));
const address = (index: number) => `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}/32`;
const nodeOf = (index: number, local: number) => (index < local ? NODE : `remote-${index % 1000}`);
const TIER = given('Tier', 'default', { order: 1_000_000, defaultAction: 'Deny' });

function markedEndpoint(index: number, marker = index % MARKERS): ResourceUpdate {
  const labels: Record<string, string> = { [`marker-${marker}`]: 'true' };
  for (const n of [10, 11, 20, 30, 40]) labels[`one-in-${n}`] = `value-${index % n}`;
  return workload(`ns-${index % 100}/pod-${index}`, nodeOf(index, LOCAL), [address(index)], labels);
}

function markerPolicy(index: number, shift = 0): ResourceUpdate {
  const source = (offset: number) => ({ selector: `has(marker-${(index + offset + shift) % MARKERS})` });
  return given('GlobalNetworkPolicy', `policy-${index}`, {
    order: index,
    selector: `has(marker-${index % MARKERS})`,
    types: ['Ingress'],
    ingress: [1, 2, 3, 4, 5].map(offset => ({ action: 'Allow', source: source(offset) })),
  });
}

function networkSet(index: number, shift = 0): ResourceUpdate {
  const size = [1, 2, 5, 10, 20, 50, 100, 200, 300, 1000][index % 10] ?? 1;
  const nets = count(
    Math.ceil(size * 0.65),
    i => `11.${index & 255}.${(index >> 8) + (i >> 8) * 64}.${(i + shift) & 255}/32`,
  );
  return given('GlobalNetworkSet', `set-${index}`, { nets }, { labels: { set: `set-${index}` } });
}

function setPolicy(index: number): ResourceUpdate {
  const ingress = [{ action: 'Allow', source: { selector: `set == 'set-${index}'` } }];
  return given('GlobalNetworkPolicy', `policy-${index}`, { selector: 'all()', types: ['Ingress'], ingress });
}

function tenantPod(index: number, change = 0): ResourceUpdate {
  const labels: Record<string, string> = { app: `app-${index % 5000}`, change: `${change}` };
  for (let i = 0; i < 5; i++) labels[`unique-${i}`] = `value-${index}-${i}`;
  for (let i = 0; i < 8; i++) labels[`common-${i}`] = `value-${index % (i + 2)}`;
  return workload(`tenant-${index}/pod`, nodeOf(index, 100), [address(index)], labels);
}

function tenantPolicy(index: number): ResourceUpdate {
  const dns = { namespaceSelector: "projectcalico.org/name == 'tenant-0'", ports: [53] };
  return given('NetworkPolicy', `tenant-${index}/isolate`, {
    types: ['Ingress', 'Egress'],
    ingress: [{ action: 'Allow', source: { selector: 'all()' } }],
    egress: [
      { action: 'Allow', destination: { selector: 'all()' } },
      { action: 'Allow', protocol: 'UDP', destination: dns },
    ],
  });
}

const WORKLOADS: Readonly<Record<string, Workload>> = {
  markers: {
    size: 25_000,
    cluster: size => [
      TIER,
      ...count(100, i => namespaceProfile(`ns-${i}`, { team: `team-${i % 7}` })),
      ...count(size / 25, i => markerPolicy(i)),
      ...count(size + LOCAL, i => markedEndpoint(i)),
    ],
    changes: {
      'relabel a remote endpoint': i => markedEndpoint(LOCAL + i, (i + 1) % MARKERS),
      'relabel a local endpoint': i => markedEndpoint(i, (i + 1) % MARKERS),
      'create a policy': (i, size) => markerPolicy(size + i),
      'change the rules of a policy': (i, size) => markerPolicy(size + i, 1),
      'add an endpoint': (i, size) => markedEndpoint(LOCAL + size + i),
    },
  },
  sets: {
    size: 1000,
    cluster: size => [
      TIER,
      ...count(100, i => namespaceProfile(`ns-${i}`)),
      ...count(10_000 + LOCAL, i => markedEndpoint(i)),
      ...count(size, i => networkSet(i)),
      ...count(size, setPolicy),
    ],
    changes: {
      'relabel a local endpoint': i => markedEndpoint(i, (i + 1) % MARKERS),
      'change a set': i => networkSet(i, 1),
      'create a policy': (i, size) => setPolicy(size + i),
    },
  },
  tenants: {
    size: 10_000,
    cluster: size => [
      TIER,
      ...count(size, i => namespaceProfile(`tenant-${i}`)),
      ...count(size, i => tenantPod(i)),
      ...count(size, tenantPolicy),
    ],
    changes: {
      'relabel a remote endpoint': i => tenantPod(100 + i, 1),
      'relabel a local endpoint': i => tenantPod(i % 100, i + 1),
    },
  },
};

function line(what: string, milliseconds: number, more = ''): void {
  console.log(`${what.padEnd(40)} ${milliseconds.toFixed(3).padStart(10)} ms ${more}`);
}

function timed<T>(act: () => T): { readonly ms: number; readonly result: T } {
  const start = performance.now();
  const result = act();
  return { ms: performance.now() - start, result };
}

const [name = 'markers', sizeText] = process.argv.slice(2);
const chosen = WORKLOADS[name];
if (chosen === undefined) throw new Error(`Cannot run workload ${name}; allowed: ${Object.keys(WORKLOADS).join(', ')}`);
const size = sizeText === undefined ? chosen.size : Number(sizeText);

const graph = new CalcGraph({ nodeName: NODE });
const cluster = chosen.cluster(size);
const update = timed(() => {
  for (const each of cluster) graph.update(each);
});
graph.inSync();
const flush = timed(() => graph.flush());
line(`${name} ${size}: first sync`, update.ms + flush.ms, `of it flush ${flush.ms.toFixed(0)} ms`);
for (const [what, make] of Object.entries(chosen.changes)) {
  const times = count(100, index => {
    const change = make(index, size);
    return timed(() => {
      graph.update(change);
      graph.flush();
    }).ms;
  }).sort((a, b) => a - b);
  line(what, times[50] ?? Number.NaN, `worst ${times.at(-1)?.toFixed(2)} ms`);
}
const { heapUsed, rss } = process.memoryUsage();
console.log(`heap ${(heapUsed / 2 ** 20).toFixed(0)} MiB, resident ${(rss / 2 ** 20).toFixed(0)} MiB`);
