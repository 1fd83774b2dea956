// npm run bench:cni: what a container runtime waits for: lives of the plugin's process against a real kube-apiserver and etcd
// on loopback, one node agent, all in a network namespace of their own.
import { readFileSync } from 'node:fs';
import type { Namespace } from '@calico/kernel';
import { inNamespace } from '@calico/kernel/linux';
import { type Figure, noteLoad, report, timeProcess } from './figures.ts';
import { addressOf, BenchNode, type BenchPod, executable, processorMs } from './node/bench-node.ts';
import { enterPrivateNetwork } from './node/private-network.ts';

const rounds = Number(process.env.CALICO_BENCH_ROUNDS ?? 40);
/** As many pods as a kubelet takes at most by default twice over, and then some. */
const manyPods = Number(process.env.CALICO_BENCH_PODS ?? 250);

await enterPrivateNetwork();

const figures: Figure[] = [];
const add = (name: string, values: readonly number[], target: string, calico: string, unit = 'ms') =>
  figures.push({ name, values, target, calico, unit });

let made = 0;
/** Whose processor time is counted, and their processes. */
const running: (readonly [part: string, pid: number])[] = [];
const node = await BenchNode.start();
try {
  noteLoad('at the start');
  const { pid } = await node.startAgent();
  running.push(['agent', pid], ['API server', node.server.pid], ['etcd', node.server.etcd.pid]);
  const managed = { agent: node.agentSocket };
  // How fast the machine is at this moment: on a quiet one of two cores it takes 7 to 10 ms.
  add('calico version, for comparison', await timeProcess([executable, 'version'], rounds), '-', '49');
  // The first pods claim the node's block and warm the caches up.
  await live(await makePods(4), managed, 1);
  const one = await live(await makePods(rounds), managed, 1, true);
  add('CNI ADD, one at a time', one.addMs, '20', '190-220');
  add('CNI DEL, one at a time', one.delMs, '15', '235');
  add('first packet to the neighbour, after ADD', one.answerMs, '-', '-');
  add('  segments sent again meanwhile', [one.resent], '0', '-', '');
  const eight = await live(await makePods(rounds * 3), managed, 8);
  add('CNI ADD, 8 at once', eight.addMs, '-', '850-950');
  add('  rate of ADD', [(1000 * rounds * 3) / eight.addWallMs], '120 at least', '9', '/s');
  for (const [part, ms] of eight.shares) add(`  processor time of an ADD: ${part}`, [ms], '-', '-');
  add('CNI DEL, 8 at once', eight.delMs, '-', '-');
  const many = await live(await makePods(manyPods), managed, 8);
  add(`slowest ADD of ${manyPods} pods, 8 at once`, [Math.max(...many.addMs)], '200', '-');
  const serial = await live(await makePods(manyPods), managed, 1);
  add(`slowest ADD of ${manyPods} pods, one at a time`, [Math.max(...serial.addMs)], '200', '-');
  const alone = { agent: 'none' };
  await live(await makePods(2), alone, 1);
  const standalone = await live(await makePods(rounds), alone, 1);
  add('CNI ADD without an agent', standalone.addMs, '60', '190-220');
  add('CNI DEL without an agent', standalone.delMs, '-', '235');
  noteLoad('at the end');
} finally {
  await node.stop();
}
report(figures);
process.exit(0);

async function makePods(count: number): Promise<BenchPod[]> {
  return await Promise.all(Array.from({ length: count }, () => node.makePod({ name: `pod-${++made}` })));
}

/** Every ADD, then every DEL, each from its process's start to its end; with `probe`, packets right after each ADD. */
async function live(pods: readonly BenchPod[], config: object, concurrency: number, probe = false) {
  const neighbour = probe ? (await makePods(1))[0] : undefined;
  if (neighbour !== undefined) await node.call('ADD', neighbour, config);
  const answerMs: number[] = [];
  let pluginMs = 0;
  const before = used();
  const startedAt = performance.now();
  const addMs = await timeAll(pods, concurrency, async pod => {
    const { ms, output, cpuMs } = await node.call('ADD', pod, config);
    pluginMs += cpuMs;
    if (neighbour !== undefined) answerMs.push(await answered(neighbour.namespace, pod.namespace, addressOf(output)));
    return ms;
  });
  const addWallMs = performance.now() - startedAt;
  const shares = used().map(([part, ms], i) => [part, (ms - (before[i]?.[1] ?? 0)) / pods.length] as const);
  const resent = neighbour === undefined ? 0 : segmentsSentAgain(neighbour.namespace);
  const delMs = await timeAll(pods, concurrency, async pod => (await node.call('DEL', pod, config)).ms);
  if (neighbour !== undefined) await node.call('DEL', neighbour, config);
  for (const pod of [...pods, ...(neighbour ? [neighbour] : [])]) await node.removePod(pod);
  return {
    addMs,
    delMs,
    addWallMs,
    answerMs,
    resent,
    shares: [['plugin', pluginMs / pods.length] as const, ...shares],
  };
}

function used(): (readonly [part: string, ms: number])[] {
  return running.map(([part, pid]) => [part, processorMs(pid)] as const);
}

async function timeAll(
  pods: readonly BenchPod[],
  concurrency: number,
  work: (pod: BenchPod) => Promise<number>,
): Promise<number[]> {
  const times: number[] = [];
  const queue = [...pods];
  const worker = async () => {
    for (let pod = queue.shift(); pod !== undefined; pod = queue.shift()) times.push(await work(pod));
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return times;
}

/** How long a connection from one pod to another takes; sockets stay in the namespace where they were made. */
async function answered(from: Namespace, to: Namespace, address: string): Promise<number> {
  const socket = { data: () => {} };
  const { listener } = inNamespace(to, () => ({ listener: Bun.listen({ hostname: address, port: 0, socket }) }));
  const startedAt = performance.now();
  const { connecting } = inNamespace(from, () => ({
    connecting: Bun.connect({ hostname: address, port: listener.port, socket }),
  }));
  (await connecting).end();
  const ms = performance.now() - startedAt;
  listener.stop(true);
  return ms;
}

/** A first packet that was lost would have been sent again. /proc/net/snmp */
function segmentsSentAgain(namespace: Namespace): number {
  const text = inNamespace(namespace, () => readFileSync('/proc/thread-self/net/snmp', 'latin1'));
  const [names = '', values = ''] = text.split('\n').filter(line => line.startsWith('Tcp:'));
  return Number(values.split(' ')[names.split(' ').indexOf('RetransSegs')]);
}
