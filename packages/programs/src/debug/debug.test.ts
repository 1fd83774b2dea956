import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ResourceUpdate } from '@calico/api';
import { fakeKernel } from '@calico/kernel/fake';
import {
  type Component,
  createLogger,
  createMetrics,
  HealthAggregator,
  socketServer,
  systemClock,
} from '@calico/process';
import { seededRandom } from '@calico/reconcile';
import { Felix } from '../node/felix.ts';
import { felixMetrics } from '../node/felix-metrics.ts';
import { watchLoopDelay } from '../node/loop-delay.ts';
import { RuleHits } from '../node/rule-hits.ts';
import { agentTables } from './agent-tables.ts';
import { askTable, debugSocket } from './ask.ts';
import { debugCommands } from './command.ts';
import { felixTables } from './felix-tables.ts';
import { debugHandler } from './server.ts';

let folder: string;
const started: (() => unknown)[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'debug-'));
});
afterEach(async () => {
  for (const stop of started.splice(0).reverse()) await stop();
  rmSync(folder, { recursive: true });
});

function object(kind: ResourceUpdate['kind'], name: string, spec: object, more: object = {}): ResourceUpdate {
  const metadata = { name, ...more };
  const resource = { apiVersion: 'projectcalico.org/v3', kind, metadata, spec };
  return { kind, name, resource, ...('namespace' in more ? { namespace: String(more.namespace) } : {}) } as never;
}

const cluster: ResourceUpdate[] = [
  object('Profile', 'kns.shop', { ingress: [{ action: 'Allow' }], egress: [{ action: 'Allow' }] }),
  object('IPPool', 'pods', { cidr: '10.0.0.0/16', vxlanMode: 'Always', natOutgoing: true }),
  object('CalicoNode', 'node1', { bgp: { ipv4Address: '192.0.2.1/24' }, ipv4VXLANTunnelAddr: '10.0.0.0' }),
  object('IPAMBlock', '10-0-0-0-26', { cidr: '10.0.0.0/26', affinity: 'host:node1', allocations: [], attributes: [] }),
  object('FelixConfiguration', 'default', { logSeverityScreen: 'Info' }),
  object(
    'NetworkPolicy',
    'web',
    {
      selector: 'all()',
      types: ['Ingress'],
      ingress: [{ action: 'Allow', source: { selector: 'app == "client"' } }, { action: 'Deny' }],
    },
    { namespace: 'shop' },
  ),
  ...['web', 'client'].map((pod, i) =>
    object(
      'WorkloadEndpoint',
      `node1-k8s-${pod}-eth0`,
      {
        ...{ node: 'node1', orchestrator: 'k8s', pod, endpoint: 'eth0', interfaceName: `cali${pod}` },
        ...{ ipNetworks: [`10.0.0.${i + 1}/32`], profiles: ['kns.shop'] },
      },
      { namespace: 'shop', labels: { app: pod } },
    ),
  ),
];

/** An agent's Felix with its tables on a socket; gives the socket's folder. */
async function agent(): Promise<Felix> {
  const kernel = fakeKernel();
  for (const pod of ['web', 'client']) kernel.createLink({ kind: 'dummy', name: `cali${pod}`, up: true });
  const log = createLogger({ component: 'test', write: () => {} });
  const health = new HealthAggregator(systemClock);
  const metrics = createMetrics();
  const felix = new Felix({
    ...{ nodeName: 'node1', kernel, parameters: {}, clock: systemClock, random: seededRandom(1), log, health },
    metrics: felixMetrics(metrics),
  });
  felix.start();
  felix.onUpdates(cluster);
  felix.onInSync();
  await felix.whenReady;
  const hits = new RuleHits({ kernel, clock: systemClock, log });
  const loop = watchLoopDelay(systemClock, health, metrics);
  started.push(
    () => felix.stop(),
    () => loop.cancel(),
  );
  const view = () => [{ kind: 'Pod', state: 'watching', inSync: true, error: undefined, age: 1500 } as const];
  const tables = [
    ...felixTables({ nodeName: 'node1', felix, hits, kernel, interfaceProblem: name => felix.interfaceProblem(name) }),
    ...agentTables({ view, health, loop }),
  ];
  await serve(
    socketServer('debug', join(folder, debugSocket), debugHandler({ node: 'node1', tables, clock: systemClock })),
  );
  return felix;
}

async function serve(server: Component): Promise<void> {
  await server.start();
  started.push(() => server.stop());
}

async function run(...args: string[]): Promise<string> {
  let out = '';
  const commands = debugCommands({ CALICO_RUN_DIR: folder }, text => {
    out += text;
  });
  await commands.parseAsync(args, { from: 'user' });
  return out;
}

const rowsOf = async (name: string) => (await askTable(join(folder, debugSocket), name, 1_000)).rows;

test('every table there is can be printed, and has rows where the cluster has what it is about', async () => {
  await agent();
  const names = (await rowsOf('tables')).map(([name]) => String(name));
  expect(names.length).toBeGreaterThan(20);
  const docs = readFileSync(join(import.meta.dir, '../../../../docs/troubleshooting.md'), 'utf8');
  expect(names.filter(name => !docs.includes(`\`${name}\``))).toEqual([]);
  for (const name of names) {
    const rows = await rowsOf(name);
    expect(`${name}: ${rows.length > 0}`).toBe(`${name}: true`);
  }
});

test('tables hold what the calculation and the dataplane have', async () => {
  await agent();
  expect(await rowsOf('endpoints')).toEqual([
    ...['web', 'client'].map((pod, i) => [
      ...[`shop/node1-k8s-${pod}-eth0`, `cali${pod}`, [`10.0.0.${i + 1}/32`], true],
      ...[['np/shop/web'], [], ['kns.shop'], null],
    ]),
  ]);
  const rules = await rowsOf('rules');
  expect(rules.map(row => row.slice(0, 5))).toEqual([
    ['np/shop/web', 'default', 'ingress', 0, 'allow'],
    ['np/shop/web', 'default', 'ingress', 1, 'deny'],
  ]);
  // The counters were read for this.
  expect(rules.map(row => typeof row[8])).toEqual(['string', 'string']);
  expect((await rowsOf('members')).map(([, member]) => member)).toEqual(['10.0.0.2/32']);
  expect(await rowsOf('blocks')).toEqual([['10.0.0.0/26', 'vxlan']]);
  expect(await rowsOf('tiers')).toEqual([['default', 'deny', 1, 2]]);
  expect((await rowsOf('routes')).filter(([destination]) => destination === '10.0.0.1/32')).toEqual([
    ['10.0.0.1/32', 'unicast', null, 'caliweb', 'present'],
  ]);
  expect(await rowsOf('view')).toEqual([['Pod', 'watching', true, 1.5, null]]);
});

test('a table is printed for people, and as JSON for scripts', async () => {
  await agent();
  expect(await run('tables', 'pools')).toBe(
    [
      'CIDR          NATOUTGOING   VXLAN    IPIP    USES',
      '10.0.0.0/16   true          Always   Never   Workload,Tunnel',
      '',
    ].join('\n'),
  );
  const json = JSON.parse(await run('tables', 'pools', '-o', 'json'));
  expect(json).toMatchObject({
    table: 'pools',
    node: 'node1',
    more: false,
    rows: [{ cidr: '10.0.0.0/16', natOutgoing: true, vxlan: 'Always', ipip: 'Never', uses: ['Workload', 'Tunnel'] }],
  });
  expect(await run('tables', 'endpoints', '--limit', '1')).toEndWith('more rows are not shown (--limit)\n');
});

test('what cannot be printed is told with what can', async () => {
  expect(run('tables')).rejects.toThrow('the agent is not running');
  await agent();
  expect(run('tables', 'pods')).rejects.toThrow(/no table "pods"; allowed: blocks, chains, /);
  expect(run('tables', '-o', 'yaml')).rejects.toThrow('--output is "yaml"; allowed: json');
  expect(run('tables', '--limit', '-1')).rejects.toThrow('--limit is "-1"');
});

test('a large table is made in turns, and no further than it is read', async () => {
  let made = 0;
  const large = {
    ...{ name: 'large', about: '', columns: ['n'] },
    *rows() {
      for (; ; made++) yield [`${made} ${'x'.repeat(1_000)}`];
    },
  };
  await serve(
    socketServer('debug', join(folder, debugSocket), debugHandler({ node: 'n', tables: [large], clock: systemClock })),
  );
  const { rows, more } = await askTable(join(folder, debugSocket), 'large', 20_000);
  expect([rows.length, more, made]).toEqual([20_000, true, 20_000]);
});

test('a table that fails half-way is not taken for a whole one', async () => {
  const broken = {
    ...{ name: 'broken', about: '', columns: ['n'] },
    *rows() {
      yield [1];
      throw new Error('no more');
    },
  };
  await serve(
    socketServer('debug', join(folder, debugSocket), debugHandler({ node: 'n', tables: [broken], clock: systemClock })),
  );
  expect(askTable(join(folder, debugSocket), 'broken', 10)).rejects.toThrow('the agent broke off its answer: no more');
});
