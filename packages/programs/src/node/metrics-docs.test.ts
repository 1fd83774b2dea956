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
import { noView, watchViewHealth } from './view-health.ts';

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
  felixGauges(metrics, { nodeName: 'node1', felix, hits: new RuleHits({ kernel, clock, log }), clock });
  countNftCalls(metrics, kernel.nftables);
  bgpMetrics(metrics, { bgpSessions: async () => [] }, clock);
  watchLoopDelay(clock, health, metrics).cancel();
  watchViewHealth(noView, health, metrics);
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

interface Dashboard {
  readonly uid: string;
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: unknown }[] };
  readonly panels: readonly {
    readonly id: number;
    readonly type: string;
    readonly title: string;
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
    readonly targets?: readonly { readonly expr: string }[];
  }[];
}

/** What can be asked of the documented metrics: their series. */
function knownSeries(): Set<string> {
  const ours = documented.flatMap(line => {
    const [name = '', kind = ''] = line.split(' ');
    const parts = { histogram: ['_bucket', '_sum', '_count'], summary: ['', '_sum', '_count'] }[kind] ?? [''];
    return parts.map(part => name + part);
  });
  const ipam = [...read('docs/controllers.md').matchAll(/`(ipam_[a-z_]+)`/g)].map(([, name = '']) => name);
  return new Set([...ours, ...ipam]);
}

test.each(['felix', 'ipam', 'bgp'])('the dashboard %s asks for documented metrics alone', name => {
  const dashboard: Dashboard = JSON.parse(read(`packaging/grafana/${name}.json`));
  const asked = [
    ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
    ...dashboard.templating.list.map(({ query }) => JSON.stringify(query)),
  ].flatMap(expr => expr.match(/\b(?:felix|calico|bgp|process|ipam)_[a-z_]+/g) ?? []);
  expect(asked.length).toBeGreaterThan(4);
  const known = knownSeries();
  expect(asked.filter(series => !known.has(series))).toEqual([]);
});

test.each(['felix', 'ipam', 'bgp'])(
  'the panels of the dashboard %s have a place, a title and something to show each',
  name => {
    const { panels, templating }: Dashboard = JSON.parse(read(`packaging/grafana/${name}.json`));
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const variables = new Set([...templating.list.map(each => each.name), '__rate_interval']);
    const places = new Set<string>();
    for (const { type, title, targets = [], gridPos } of panels) {
      expect(title).not.toBe('');
      expect(`${title}: ${targets.length > 0 || type === 'row'}`).toBe(`${title}: true`);
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(`${title} at ${x},${y}: ${places.has(`${x},${y}`)}`).toEndWith('false');
          places.add(`${x},${y}`);
        }
      }
      const used = targets.flatMap(({ expr }) =>
        [...expr.matchAll(/\$([a-z_]+)/g)].map(([, variable = '']) => variable),
      );
      expect(used.filter(variable => !variables.has(variable))).toEqual([]);
    }
  },
);
