import { beforeEach, describe, expect, test } from 'bun:test';
import type { ResourceUpdate, WorkloadEndpoint } from '@calico/api';
import { tableName } from '@calico/dataplane';
import { cidr, printCidr } from '@calico/ip';
import { type FakeKernel, fakeKernel } from '@calico/kernel/fake';
import { createLogger, createMetrics, HealthAggregator } from '@calico/process';
import { ClockFake, finished, seededRandom } from '@calico/reconcile';
import { Felix } from './felix.ts';
import type { AgentConfig } from './felix-config.ts';
import { felixMetrics } from './felix-metrics.ts';
import { TurnClockFake } from './turn-clock-fake.ts';

let kernel: FakeKernel;
let clock: ClockFake;
let health: HealthAggregator;
let felix: Felix;
let configs: AgentConfig[];
let lines: string[];

beforeEach(() => {
  kernel = fakeKernel();
  clock = new ClockFake();
  health = new HealthAggregator(clock);
  configs = [];
  lines = [];
  felix = makeFelix();
  felix.start();
});

function makeFelix(parameters: Record<string, string> = {}): Felix {
  return new Felix({
    nodeName: 'node1',
    kernel,
    parameters,
    clock,
    random: seededRandom(1),
    log: createLogger({ component: 'felix', write: line => void lines.push(line) }),
    health,
    metrics: felixMetrics(createMetrics()),
    onConfig: config => void configs.push(config),
  });
}

const profile: ResourceUpdate = {
  kind: 'Profile',
  name: 'kns.default',
  resource: {
    apiVersion: 'projectcalico.org/v3',
    kind: 'Profile',
    metadata: { name: 'kns.default' },
    spec: { ingress: [{ action: 'Allow' }], egress: [{ action: 'Allow' }] },
  },
};
const endpoint = (containerID: string, ip: string): WorkloadEndpoint => ({
  apiVersion: 'projectcalico.org/v3',
  kind: 'WorkloadEndpoint',
  metadata: { name: 'node1-k8s-web-eth0', namespace: 'default' },
  spec: {
    orchestrator: 'k8s',
    node: 'node1',
    pod: 'web',
    endpoint: 'eth0',
    containerID,
    interfaceName: 'cali1',
    profiles: ['kns.default'],
    ipNetworks: [`${ip}/32`],
  },
});
const seen = (resource: WorkloadEndpoint | undefined): ResourceUpdate => ({
  kind: 'WorkloadEndpoint',
  namespace: 'default',
  name: 'node1-k8s-web-eth0',
  resource,
});
const config = (spec: Record<string, unknown>): ResourceUpdate => ({
  kind: 'FelixConfiguration',
  name: 'default',
  resource: { apiVersion: 'projectcalico.org/v3', kind: 'FelixConfiguration', metadata: { name: 'default' }, spec },
});
const nodeAt = (i: number): ResourceUpdate => ({
  kind: 'CalicoNode',
  name: `other-${i}`,
  resource: {
    apiVersion: 'projectcalico.org/v3',
    kind: 'Node',
    metadata: { name: `other-${i}` },
    spec: { bgp: { ipv4Address: `172.16.${i >> 8}.${i & 255}/12` } },
  },
});
const podRoutes = () =>
  kernel
    .routes({ table: 254 })
    .filter(route => route.protocol === 3)
    .map(route => printCidr(route.destination));
const readyInWords = () => health.readiness().causes.join('\n');

/** The first view of the cluster, and the interface that the CNI server has made. */
function getReady(): void {
  felix.onUpdates([profile]);
  felix.onInSync();
  kernel.createLink({ kind: 'dummy', name: 'cali1', up: true });
}

describe('Felix', () => {
  test('writes nothing before the first whole view, and says what it waits for', () => {
    felix.onUpdates([profile, seen(endpoint('c1', '10.0.0.1'))]);
    expect(kernel.nftables.tables()).toEqual([]);
    expect(readyInWords()).toContain('waiting for the first view of the cluster');
    felix.onInSync();
    expect(kernel.nftables.tables()).toEqual([{ family: 'inet', name: tableName }]);
    expect(health.readiness().ok).toBe(true);
  });

  test('answers a request for an endpoint when its rules and routes are in the kernel', async () => {
    let answered = false;
    const added = felix.endpointAdded(endpoint('c1', '10.0.0.1')).then(() => {
      answered = true;
    });
    await Promise.resolve();
    expect(answered).toBe(false);
    getReady();
    await added;
    expect(podRoutes()).toEqual(['10.0.0.1/32']);
    expect(kernel.nftables.elements({ family: 'inet', name: tableName }, 'to-workload-4')).toHaveLength(1);
  });

  test('lets a pod start closed when the first view takes long and an earlier run left its rules in the kernel', async () => {
    getReady();
    felix.stop();
    felix = makeFelix();
    felix.start();
    let answered = false;
    const added = felix.endpointAdded(endpoint('c1', '10.0.0.1')).then(() => {
      answered = true;
    });
    await clock.advance(499);
    expect(answered).toBe(false);
    await clock.advance(1);
    await added;
    expect(podRoutes()).toEqual([]);
    expect(lines.join('')).toContain('Pod starts closed');
    felix.onUpdates([profile]);
    felix.onInSync();
    expect(podRoutes()).toEqual(['10.0.0.1/32']);
  });

  test('lets a pod start closed while a large change is being written, and opens it with the next', async () => {
    felix.stop();
    const slow = new TurnClockFake();
    clock = slow;
    felix = makeFelix();
    felix.start();
    getReady();
    slow.busyMs = 1;
    let taken = false;
    void felix.onUpdates(Array.from({ length: 500 }, (_, i) => nodeAt(i)))?.then(() => {
      taken = true;
    });
    while (!taken && slow.turn()) await Promise.resolve();
    let answered = false;
    const added = felix.endpointAdded(endpoint('c1', '10.0.0.1')).then(() => {
      answered = true;
    });
    await slow.advance(499);
    for (let i = 0; i < 10; i++) slow.turn();
    expect(answered).toBe(false);
    await slow.advance(1);
    await added;
    expect(lines.join('')).toContain('Pod starts closed: a large change is being written');
    expect(podRoutes()).toEqual([]);
    await slow.turns();
    expect(podRoutes()).toEqual(['10.0.0.1/32']);
    expect(felix.interfaceProblem('cali1')).toBeUndefined();
  });

  /** A Felix that is writing its first view of the cluster, for many turns, and a pod that has waited for 500 ms of it. */
  async function whileFirstViewIsWritten(): Promise<{
    slow: TurnClockFake;
    isAnswered: () => boolean;
    answer: Promise<void>;
  }> {
    felix.stop();
    const slow = new TurnClockFake();
    clock = slow;
    felix = makeFelix();
    felix.start();
    slow.busyMs = 1;
    felix.onUpdates([profile, ...Array.from({ length: 500 }, (_, i) => nodeAt(i))]);
    felix.onInSync();
    while (felix.tables === undefined) expect(slow.turn()).toBe(true);
    // Messages reach the dataplane together, and are then taken in one by one.
    while ([...felix.tables.sets()].every(({ elements }) => elements < 100)) expect(slow.turn()).toBe(true);
    kernel.createLink({ kind: 'dummy', name: 'cali1', up: true });
    let answered = false;
    const answer = felix.endpointAdded(endpoint('c1', '10.0.0.1')).then(() => {
      answered = true;
    });
    for (let i = 0; i < 10; i++) slow.turn();
    await slow.advance(499);
    expect(answered).toBe(false);
    await slow.advance(1);
    return { slow, isAnswered: () => answered, answer };
  }

  test('lets a pod start closed while the first view is being written, though it is the first pod', async () => {
    const { slow, isAnswered } = await whileFirstViewIsWritten();
    expect(isAnswered()).toBe(true);
    expect(lines.join('')).toContain('Pod starts closed: the whole cluster has not been seen yet');
    const chains = kernel.nftables.dump({ family: 'inet', name: tableName })?.chains ?? [];
    expect(chains.filter(({ chain }) => chain.hook === 'forward')).toHaveLength(2);
    expect(podRoutes()).toEqual([]);
    await slow.turns();
    expect(podRoutes()).toEqual(['10.0.0.1/32']);
  });

  test('lets no pod start while the first view is being written of a node whose pods have other rules than ours', async () => {
    kernel.createLink({ kind: 'veth', name: 'cali2', peer: { name: 'eth0' } });
    const { slow, isAnswered, answer } = await whileFirstViewIsWritten();
    await slow.advance(5_000);
    expect(isAnswered()).toBe(false);
    await slow.turns();
    for (let i = 0; i < 100; i++) if (!slow.turn()) await Promise.resolve();
    await answer;
    expect(podRoutes()).toEqual(['10.0.0.1/32']);
  });

  test('waits for a large change where the pod’s interface is still open to what it may do now', async () => {
    felix.stop();
    const slow = new TurnClockFake();
    clock = slow;
    felix = makeFelix();
    felix.start();
    getReady();
    await felix.endpointAdded(endpoint('c1', '10.0.0.1'));
    slow.busyMs = 1;
    void felix.onUpdates(Array.from({ length: 500 }, (_, i) => nodeAt(i)));
    let answered = false;
    const added = felix.endpointAdded(endpoint('c2', '10.0.0.2')).then(() => {
      answered = true;
    });
    for (let i = 0; i < 10; i++) slow.turn();
    await slow.advance(5_000);
    expect(answered).toBe(false);
    await slow.turns();
    await added;
    expect(podRoutes()).toEqual(['10.0.0.2/32']);
  });

  test('a kernel that does not tell of its links is asked again, and what was missed is looked for', async () => {
    felix.stop();
    const subscribe = kernel.subscribe.bind(kernel);
    kernel.subscribe = () => {
      kernel.subscribe = subscribe;
      throw new Error('not now');
    };
    felix = makeFelix();
    felix.start();
    getReady();
    await felix.endpointAdded(endpoint('c1', '10.0.0.1'));
    kernel.deleteRoute({ destination: cidr('10.0.0.1/32'), table: 254 });
    await clock.advance(100);
    expect(podRoutes()).toEqual(['10.0.0.1/32']);
  });

  test('lets a pod start closed before the first view of a node that had no pods', async () => {
    const added = felix.endpointAdded(endpoint('c1', '10.0.0.1'));
    await clock.advance(500);
    await added;
    expect(lines.join('')).toContain('Pod starts closed: the whole cluster has not been seen yet');
    expect(felix.interfaceProblem('cali1')).toBeDefined();
    getReady();
    expect(felix.interfaceProblem('cali1')).toBeUndefined();
  });

  test('writes the first view although the kernel refuses to tell whether it is closed', () => {
    const { tables } = kernel.nftables;
    kernel.nftables.tables = () => {
      kernel.nftables.tables = tables;
      throw new Error('not now');
    };
    getReady();
    expect(health.readiness().ok).toBe(true);
  });

  test('lets no pod start before the first view of a node whose pods have other rules than ours', async () => {
    felix.stop();
    kernel.createLink({ kind: 'veth', name: 'cali2', peer: { name: 'eth0' } });
    felix = makeFelix();
    felix.start();
    let answered = false;
    const added = felix.endpointAdded(endpoint('c1', '10.0.0.1')).then(() => {
      answered = true;
    });
    await clock.advance(60_000);
    expect(answered).toBe(false);
    getReady();
    await added;
  });

  test('an older state of the pod from the watch does not take a new endpoint away, the state that shows it does not either', async () => {
    getReady();
    await felix.endpointAdded(endpoint('c2', '10.0.0.2'));
    felix.onUpdates([seen(endpoint('c1', '10.0.0.1'))]);
    expect(podRoutes()).toEqual(['10.0.0.2/32']);
    felix.onUpdates([seen(endpoint('c2', '10.0.0.2'))]);
    expect(podRoutes()).toEqual(['10.0.0.2/32']);
    felix.onUpdates([seen(undefined)]);
    expect(podRoutes()).toEqual([]);
  });

  test('rules that another program has changed are mended a moment later where a table has no owner, and it is said', async () => {
    const { transaction } = kernel.nftables;
    kernel.nftables.transaction = (table, ops) =>
      transaction.call(
        kernel.nftables,
        table,
        ops.map(op => (op.op === 'addTable' ? { op: 'addTable' } : op)),
      );
    getReady();
    await felix.endpointAdded(endpoint('c1', '10.0.0.1'));
    const table = { family: 'inet', name: tableName } as const;
    const elements = () => kernel.nftables.elements(table, 'to-workload-4').length;
    expect(lines.join('')).toContain('knows no owners of tables');
    kernel.nftables.another().transaction(table, [{ op: 'flushSet', name: 'to-workload-4' }]);
    expect(elements()).toBe(0);
    await clock.advance(200);
    expect(elements()).toBe(1);
    expect(readyInWords()).toBe('');
    expect(health.readiness().text).toContain('1 objects of rules were not as written');
  });

  test('a removed endpoint has no rules and no routes', async () => {
    getReady();
    await felix.endpointAdded(endpoint('c1', '10.0.0.1'));
    await felix.endpointRemoved(endpoint('c1', '10.0.0.1'));
    expect(podRoutes()).toEqual([]);
    expect(kernel.nftables.elements({ family: 'inet', name: tableName }, 'to-workload-4')).toEqual([]);
  });

  test('a refusal of the kernel fails the request, is named, and is tried again until it works', async () => {
    getReady();
    // What follows from the interfaces' events is written.
    await clock.advance(0);
    kernel.failNext('replaceRoute', 'ENOBUFS');
    expect(felix.endpointAdded(endpoint('c1', '10.0.0.1'))).rejects.toThrow('not in the kernel yet');
    await clock.advance(0);
    expect(readyInWords()).toContain('ENOBUFS');
    expect(lines.join('')).toContain('Kernel refused a change');
    await clock.advance(100);
    expect(podRoutes()).toEqual(['10.0.0.1/32']);
    expect(health.readiness().ok).toBe(true);
  });

  test('follows parameters as they change: routes, rules and what the agent does', async () => {
    getReady();
    await felix.endpointAdded(endpoint('c1', '10.0.0.1'));
    const toHost = () => {
      const source = { family: 4, value: 0x0a000001n } as const;
      const packet = { source, destination: { family: 4, value: 1n } as const, protocol: 6 };
      return kernel.nftables.classify('input', packet, { iif: 'cali1', fib: () => ({ type: 'local' }) }).verdict;
    };
    const metric = () => kernel.routes({ table: 254 }).find(route => route.protocol === 3)?.metric;
    expect([toHost(), metric(), configs.at(-1)?.logLevel]).toEqual(['drop', 1024, 'info']);
    felix.onUpdates([
      config({
        defaultEndpointToHostAction: 'Accept',
        ipv4NormalRoutePriority: 77,
        logSeverityScreen: 'Debug',
        prometheusMetricsPort: 9191,
      }),
    ]);
    expect([toHost(), metric(), configs.at(-1)?.logLevel]).toEqual(['accept', 77, 'debug']);
    expect(configs.at(-1)?.metricsPort).toBe(9191);
    felix.onUpdates([config({})]);
    expect([toHost(), metric(), configs.at(-1)?.logLevel]).toEqual(['drop', 1024, 'info']);
  });

  test('leads floating IPs to a pod from its request on, as long as they are switched on', async () => {
    getReady();
    const floating = () => kernel.nftables.dump({ family: 'inet', name: tableName })?.sets.find(isFloating)?.elements;
    const isFloating = ({ set }: { set: { name: string } }) => set.name === 'floating-ips-4';
    const pod = endpoint('c1', '10.0.0.1');
    const ipNATs = [{ internalIP: '10.0.0.1', externalIP: '192.0.2.1' }];
    felix.onUpdates([config({ floatingIPs: 'Enabled' })]);
    expect(floating()).toEqual([]);
    await felix.endpointAdded({ ...pod, spec: { ...pod.spec, ipNATs } });
    expect(floating()).toEqual([{ key: Uint8Array.of(192, 0, 2, 1), data: Uint8Array.of(10, 0, 0, 1) }]);
    expect(podRoutes().sort()).toEqual(['10.0.0.1/32', '192.0.2.1/32']);
    felix.onUpdates([config({ floatingIPs: 'Disabled' })]);
    expect(floating()).toBeUndefined();
    expect(podRoutes()).toEqual(['10.0.0.1/32']);
    felix.onUpdates([config({ floatingIPs: 'Enabled' })]);
    expect(floating()).toHaveLength(1);
    expect(podRoutes()).toHaveLength(2);
    await felix.endpointRemoved(pod);
    expect(floating()).toEqual([]);
    expect(podRoutes()).toEqual([]);
  });

  test('lets what the node says itself beat the cluster, name by name', () => {
    felix.stop();
    felix = makeFelix({ LOGSEVERITYSCREEN: 'Warning' });
    felix.onUpdates([config({ logSeverityScreen: 'Debug', logPrefix: 'mine' })]);
    felix.onInSync();
    expect(configs.at(-1)).toMatchObject({ logLevel: 'warn', logPrefix: 'mine' });
  });

  test('says once of each parameter that it does not follow why, and nothing of what is usual', () => {
    const odd = { bpfEnabled: true, floatingIPs: 'Disabled', vxlanPort: 99999, defaultEndpointToHostAction: 'Drop' };
    felix.onUpdates([config(odd)]);
    felix.onInSync();
    felix.onUpdates([config({ ...odd, logPrefix: 'x' })]);
    const said = lines.filter(line => line.includes('is not followed'));
    expect(said).toHaveLength(2);
    expect(said.join('')).toContain('BPFEnabled');
    expect(said.join('')).toContain('VXLANPort');
  });

  test('compares routes and rules with the kernel as often as is asked, or never', async () => {
    getReady();
    await felix.endpointAdded(endpoint('c1', '10.0.0.1'));
    const spoil = () => kernel.deleteRoute({ destination: cidr('10.0.0.1/32'), table: 254 });
    felix.onUpdates([config({ routeRefreshInterval: '10s' })]);
    spoil();
    await clock.advance(9_999);
    expect(podRoutes()).toEqual([]);
    await clock.advance(1);
    expect(podRoutes()).toHaveLength(1);
    felix.onUpdates([config({ routeRefreshInterval: '0s' })]);
    spoil();
    await clock.advance(3_600_000);
    expect(podRoutes()).toEqual([]);
  });

  test('renews its health while it runs; silence is noticed after as long as Calico waits', async () => {
    getReady();
    await clock.advance(600_000);
    expect(health.liveness()).toMatchObject({
      ok: true,
      text: expect.stringMatching(/InternalDataplaneMainLoop +\| 90s/),
    });
    felix.stop();
    await clock.advance(31_000);
    expect(health.liveness().causes.join()).toStartWith('CalculationGraph is not live: no report for 3');
    await clock.advance(60_000);
    expect(health.liveness().causes).toHaveLength(2);
  });

  test('forgets the connections of an address a moment after its endpoint has gone', async () => {
    getReady();
    await felix.endpointAdded(endpoint('c1', '10.0.0.1'));
    const tuple = {
      source: { family: 4, value: 0x0a000001n },
      destination: { family: 4, value: 1n },
      protocol: 6,
    } as const;
    kernel.track({ original: tuple, reply: { ...tuple, source: tuple.destination, destination: tuple.source } });
    await felix.endpointRemoved(endpoint('c1', '10.0.0.1'));
    expect(kernel.conntrack.list()).toHaveLength(1);
    await clock.advance(250);
    expect(kernel.conntrack.list()).toEqual([]);
  });

  test('cuts a connection that policy no longer allows, where the cluster asks for it, and not where it does not', async () => {
    getReady();
    await felix.endpointAdded(endpoint('c1', '10.0.0.1'));
    const peer = { family: 4, value: 1n } as const;
    const own = { family: 4, value: 0x0a000001n } as const;
    const [ports, back] = [
      { sourcePort: 40000, destinationPort: 80 },
      { sourcePort: 80, destinationPort: 40000 },
    ];
    kernel.track({
      original: { source: peer, destination: own, protocol: 6, ...ports },
      reply: { source: own, destination: peer, protocol: 6, ...back },
    });
    const isCut = () => finished(kernel.conntrack.listInSteps([own])).map(({ fixedTimeout }) => fixedTimeout);
    const closed = { ...profile, resource: { ...profile.resource, spec: {} } } as ResourceUpdate;
    felix.onUpdates([closed]);
    await clock.advance(0);
    expect(isCut()).toEqual([false]);
    felix.onUpdates(
      [config({})].map(update => annotated(update, { 'config.projectcalico.org/CutLiveConnections': 'Enabled' })),
    );
    await clock.advance(0);
    expect(isCut()).toEqual([true]);
    felix.onUpdates([profile]);
    await clock.advance(0);
    expect(isCut()).toEqual([]);
  });
});

function annotated(update: ResourceUpdate, annotations: Record<string, string>): ResourceUpdate {
  const { resource } = update;
  const metadata = { ...resource?.metadata, annotations };
  return { ...update, resource: { ...resource, metadata } } as ResourceUpdate;
}
