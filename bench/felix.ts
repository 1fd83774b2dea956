// npm run bench:felix: what a user of a node waits for, against a real kube-apiserver and etcd on loopback: from an API
// request to what packets meet, and from an agent's start to its readiness, in a small cluster and in a large one.
//
//   node tools/bench.mjs felix.ts [--w1] [--json]
//
// With --w1 instead: what the agent answers while it sees 250,000 pods and 10,000 policies for the first time.
// A change's time starts before its request is sent; packets go every 150 µs, each from a source port of its own.
import { Namespace, Pod } from '@calico/api';
import { tableName } from '@calico/dataplane';
import type { Client } from '@calico/datastore';
import { calicoClient } from '@calico/datastore/kubernetes';
import { openKernel } from '@calico/kernel/linux';
import { FateWatch } from '@calico/lab';
import { localPods, namespaceNames, nodes, policies, remotePod, sizes } from './felix/cluster.ts';
import { measureFirstSync } from './felix/first-sync.ts';
import { type Figure, noteLoad, report } from './figures.ts';
import { addressOf, BenchNode, type BenchPod, executable, processorMs, residentMemory } from './node/bench-node.ts';
import { type FatePair, fateFigures, timeEvents, timeFates } from './node/fates.ts';
import { enterPrivateNetwork } from './node/private-network.ts';

const rounds = Number(process.env.CALICO_BENCH_ROUNDS ?? 30);
const starts = 5;
/** How many requests of the preparation are under way at once. */
const inFlight = 48;
/** How long an agent is left alone before its memory is looked at again, in ms. */
const settleMs = 5_000;
const port = 9000;
const MB = 1e6;

await enterPrivateNetwork();

const figures: Figure[] = [];
const note = (text: string) => console.error(text);
const node = await BenchNode.start();
const client = calicoClient(node.server.config);
try {
  noteLoad('at the start');
  if (process.argv.includes('--w1')) figures.push(...(await measureFirstSync(node)));
  else await measureChangesAndStarts();
  noteLoad('at the end');
} finally {
  await node.stop();
}
report(figures);
process.exit(0);

async function measureChangesAndStarts(): Promise<void> {
  let agent = await node.startAgent();
  await makeNamespaces(namespaceNames());
  const [server, ...others] = localPods();
  if (server === undefined) throw new Error('Cannot measure: the cluster has no pod here');
  const { namespace } = server;
  const shapes = [{ ...server, labels: { ...server.labels, role: 'server' } }, ...others];
  const target = await addPod(shapes[0] ?? server);
  const source = await addPod({ name: 'client', namespace, labels: { access: 'no' } });
  const watch = new FateWatch(executable, {
    fromNetns: source.pod.netns,
    toNetns: target.pod.netns,
    source: source.address,
    destination: target.address,
    port,
  });
  const pair: FatePair = {
    ...{ client, namespace, from: 'client', role: 'server' },
    async timeUntil(fate, change) {
      const watching = Promise.withResolvers<void>();
      const met = watch.first(fate, watching.resolve);
      await Promise.race([watching.promise, met]);
      const changedAt = performance.timeOrigin + performance.now();
      await change();
      return (await met) - changedAt;
    },
  };
  await measureFates(pair, 'small');
  agent = await measureStarts('small', agent);

  const preparedAt = performance.now();
  await fillCluster(client, shapes.slice(1));
  note(`${sizes.pods} pods and ${sizes.policies} policies made in ${Math.round(performance.now() - preparedAt)} ms`);
  await measureFates(pair, 'large');
  agent = await measureStarts('large', agent);
  watch.close();
}

async function measureFates(pair: FatePair, size: 'small' | 'large'): Promise<void> {
  figures.push(...fateFigures(await timeFates(pair, rounds), size));
  const { relabelled, created } = await timeEvents(pair, rounds);
  for (const [what, values] of [
    ['pod relabelled', relabelled],
    ['policy created', created],
  ] as const) {
    figures.push({ name: `  ${what} → event at another watcher`, values, unit: 'ms', target: '-', calico: '-' });
  }
}

/** Starts the agent again and again, over the rules of the one before and on an empty kernel. Gives the last. */
async function measureStarts(size: 'small' | 'large', first: Awaited<ReturnType<BenchNode['startAgent']>>) {
  let agent = first;
  const runs = async (before: () => void) => {
    const agents: (typeof agent)[] = [];
    for (let i = 0; i < starts; i++) {
      await agent.end('kill');
      before();
      agent = await node.startAgent();
      agents.push(agent);
    }
    return agents;
  };
  const fresh = await runs(forgetRules);
  const again = await runs(() => {});
  const isLarge = size === 'large';
  const add = (name: string, values: readonly number[], unit: string, target: string, calico: string) =>
    figures.push({ name: `${name}, ${size} cluster`, values, unit, target, calico });
  const [startTarget, startCalico] = isLarge ? ['500', '1500'] : ['-', '-'];
  for (const [what, agents] of [
    ['', again],
    [', empty kernel', fresh],
  ] as const) {
    const ready = agents.map(({ readyMs }) => readyMs);
    add(`agent start → ready${what}`, ready, 'ms', startTarget, startCalico);
    const cpu = agents.map(({ cpuMs }) => cpuMs);
    add('  its CPU then', cpu, 'ms', '-', isLarge ? '1200' : '-');
  }
  const [memoryTarget, memoryCalico] = isLarge ? ['110', '141 Felix alone'] : ['-', '-'];
  const memory = again.map(({ resident }) => resident / MB);
  add('  its resident memory then', memory, 'MB', memoryTarget, memoryCalico);
  await Bun.sleep(settleMs);
  add('  its resident memory later', [residentMemory(agent.pid) / MB], 'MB', memoryTarget, memoryCalico);
  note(`CPU of the ${size} cluster's agent ${settleMs / 1000} s later: ${processorMs(agent.pid)} ms`);
  return agent;
}

/** The kernel as after a start of the machine, but for the pods and their routes. */
function forgetRules(): void {
  const kernel = openKernel();
  kernel.nftables.transaction({ family: 'inet', name: tableName }, [{ op: 'deleteTable' }]);
  kernel.close();
}

/** Creates a pod of this node and gives it its network. */
async function addPod(shape: {
  name: string;
  namespace: string;
  labels: Record<string, string>;
}): Promise<{ pod: BenchPod; address: string }> {
  const pod = await node.makePod(shape);
  const { output } = await node.call('ADD', pod, { agent: node.agentSocket });
  return { pod, address: addressOf(output) };
}

async function makeNamespaces(names: readonly string[]): Promise<void> {
  await each(names, name =>
    client.create(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name }, spec: {} }),
  );
}

/** Makes the large cluster around the pods that there are. */
async function fillCluster(to: Client, locals: readonly ReturnType<typeof localPods>[number][]): Promise<void> {
  await each(nodes(), body => node.create('/api/v1/nodes', body));
  for (const shape of locals) await addPod(shape);
  await each(policies(), ({ path, body }) => node.create(path, body));
  const remote = Array.from({ length: sizes.pods - sizes.localPods }, (_, i) => remotePod(i) as Pod);
  await each(remote, async pod => {
    const { metadata } = await to.create(Pod, pod);
    await to.updateStatus(Pod, { ...pod, metadata });
  });
}

/** Does something for each, many at once. */
async function each<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const queue = items.values();
  const worker = async () => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
}
