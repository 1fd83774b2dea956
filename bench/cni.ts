// npm run bench:cni: what a container runtime waits for: lives of the plugin's process against a real kube-apiserver and etcd
// on loopback, one node agent, all in a network namespace of their own.
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Namespace } from '@calico/kernel';
import { fillThreadPool, inNamespace, linuxMachine } from '@calico/kernel/linux';
import { createCrds, OUR_CRDS, readCrds } from '../tests/kubernetes/crds.ts';
import { type KubernetesServer, missingForKubernetes, startKubernetes } from '../tests/kubernetes/server.ts';
import { type Figure, printFigures, timeProcess } from './figures.ts';

const root = join(import.meta.dir, '..');
const executable = join(root, 'dist', 'calico');
const rounds = Number(process.env.CALICO_BENCH_ROUNDS ?? 40);
/** As many pods as a kubelet takes at most by default twice over, and then some. */
const manyPods = Number(process.env.CALICO_BENCH_PODS ?? 250);
const json = process.argv.includes('--json');
const nodeName = 'node1';

const missing = process.getuid?.() === 0 ? missingForKubernetes() : 'needs root';
if (missing !== undefined) {
  console.error(`Cannot measure: ${missing}`);
  process.exit(2);
}
if (process.env.CALICO_BENCH_INSIDE === undefined) {
  // Names of namespaces, the node's routes and rules, ports of loopback: all of it ends with this process.
  const setUp =
    'ip link set lo up && ip link add uplink type veth peer name far && ip address add 172.31.7.1/24 dev uplink && ip link set far up && ip link set uplink up && mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns && exec "$@"';
  const inside = ['unshare', '--net', '--mount', '--propagation=private', 'sh', '-c', setUp, 'sh', ...process.argv];
  const env = { ...process.env, CALICO_BENCH_INSIDE: '1' };
  process.exit(await Bun.spawn(inside, { env, stdio: ['ignore', 'inherit', 'inherit'] }).exited);
}

interface Pod {
  readonly name: string;
  readonly containerId: string;
  readonly netns: string;
  readonly namespace: Namespace;
}

const figures: Figure[] = [];
const add = (name: string, values: readonly number[], target: string, calico: string, unit = 'ms') =>
  figures.push({ name, values, target, calico, unit });
const note = (text: string) => console.error(text);

let made = 0;
await fillThreadPool();
const folder = mkdtempSync(join(tmpdir(), 'calico-bench-cni-'));
for (const name of ['bin', 'lib', 'run']) mkdirSync(join(folder, name));
for (const name of ['calico', 'calico-ipam']) symlinkSync(executable, join(folder, 'bin', name));
writeFileSync(join(folder, 'lib', 'nodename'), nodeName);
const kubeconfig = join(folder, 'kubeconfig');
let agent: ReturnType<typeof Bun.spawn> | undefined;
const server = await startKubernetes();
try {
  note(`load at the start: ${loadavg().map(each => each.toFixed(1))}`);
  await prepare(server);
  agent = await startAgent();
  const managed = { agent: join(folder, 'run', 'cni.sock') };
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
  note(`load at the end: ${loadavg().map(each => each.toFixed(1))}`);
} finally {
  agent?.kill();
  await agent?.exited;
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
}
console.log(json ? JSON.stringify(figures, null, 2) : printFigures(figures));
process.exit(0);

async function prepare({ request, url, ca, token, until }: KubernetesServer): Promise<void> {
  await createCrds(server, readCrds(OUR_CRDS, 'projectcalico.org'));
  const user = { token };
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      'current-context': 'bench',
      contexts: [{ name: 'bench', context: { cluster: 'bench', user: 'bench' } }],
      clusters: [{ name: 'bench', cluster: { server: url, 'certificate-authority-data': btoa(ca) } }],
      users: [{ name: 'bench', user }],
    }),
  );
  const created = async (path: string, body: object) => {
    const response = await request('POST', path, body);
    if (!response.ok) throw new Error(`Cannot create ${path}: ${await response.text()}`);
  };
  await created('/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: nodeName } });
  const pool = {
    apiVersion: 'projectcalico.org/v3',
    kind: 'IPPool',
    metadata: { name: 'pods' },
    spec: { cidr: '10.77.0.0/16' },
  };
  await created('/apis/projectcalico.org/v3/ippools', pool);
  await until(async () => (await request('GET', '/api/v1/namespaces/default')).ok);
}

async function startAgent(): Promise<ReturnType<typeof Bun.spawn>> {
  const child = Bun.spawn([executable, 'component', 'node'], {
    env: {
      PATH: process.env.PATH ?? '',
      NODENAME: nodeName,
      IP: '172.31.7.1/24',
      DATASTORE_TYPE: 'kubernetes',
      KUBECONFIG: kubeconfig,
      CALICO_NETWORKING_BACKEND: 'none',
      CALICO_RUN_DIR: join(folder, 'run'),
      CALICO_LIB_DIR: join(folder, 'lib'),
      FELIX_HEALTHENABLED: 'true',
      FELIX_LOGSEVERITYSCREEN: process.env.CALICO_BENCH_LOG ?? 'Warning',
    },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  await server.until(async () => {
    if (child.exitCode !== null) throw new Error(`The node agent ended with ${child.exitCode}`);
    return await fetch('http://127.0.0.1:9099/readiness').then(
      ({ ok }) => ok,
      () => false,
    );
  });
  return child;
}

async function makePods(count: number): Promise<Pod[]> {
  return await Promise.all(
    Array.from({ length: count }, async () => {
      const name = `pod-${++made}`;
      const containerId = randomBytes(32).toString('hex');
      const netns = `/run/netns/${containerId.slice(0, 12)}`;
      const namespace = linuxMachine.createNamespace(netns);
      const kernel = linuxMachine.openKernel({ namespace });
      kernel.setLink(kernel.link('lo')?.index ?? 1, { up: true });
      kernel.close();
      const response = await server.request('POST', '/api/v1/namespaces/default/pods', {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name },
        spec: { nodeName, containers: [{ name: 'main', image: 'none' }] },
      });
      if (!response.ok) throw new Error(`Cannot create pod ${name}: ${await response.text()}`);
      return { name, containerId, netns, namespace };
    }),
  );
}

/** Every ADD, then every DEL, each from its process's start to its end; with `probe`, packets right after each ADD. */
async function live(pods: readonly Pod[], config: object, concurrency: number, probe = false) {
  const neighbour = probe ? (await makePods(1))[0] : undefined;
  if (neighbour !== undefined) await call('ADD', neighbour, config);
  const answerMs: number[] = [];
  const startedAt = performance.now();
  const addMs = await timeAll(pods, concurrency, async pod => {
    const { ms, output } = await call('ADD', pod, config);
    if (neighbour !== undefined) answerMs.push(await answered(neighbour.namespace, pod.namespace, addressOf(output)));
    return ms;
  });
  const addWallMs = performance.now() - startedAt;
  const resent = neighbour === undefined ? 0 : segmentsSentAgain(neighbour.namespace);
  const delMs = await timeAll(pods, concurrency, async pod => (await call('DEL', pod, config)).ms);
  if (neighbour !== undefined) await call('DEL', neighbour, config);
  for (const { name, netns, namespace } of [...pods, ...(neighbour ? [neighbour] : [])]) {
    namespace.close();
    linuxMachine.deleteNamespace(netns);
    await server.request('DELETE', `/api/v1/namespaces/default/pods/${name}?gracePeriodSeconds=0`);
  }
  return { addMs, delMs, addWallMs, answerMs, resent };
}

async function timeAll(
  pods: readonly Pod[],
  concurrency: number,
  work: (pod: Pod) => Promise<number>,
): Promise<number[]> {
  const times: number[] = [];
  const queue = [...pods];
  const worker = async () => {
    for (let pod = queue.shift(); pod !== undefined; pod = queue.shift()) times.push(await work(pod));
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return times;
}

async function call(command: 'ADD' | 'DEL', { name, containerId, netns }: Pod, config: object) {
  const env = {
    CNI_COMMAND: command,
    CNI_CONTAINERID: containerId,
    CNI_NETNS: netns,
    CNI_IFNAME: 'eth0',
    CNI_PATH: join(folder, 'bin'),
    CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=${name};K8S_POD_INFRA_CONTAINER_ID=${containerId}`,
    CALICO_LIB_DIR: join(folder, 'lib'),
    PATH: process.env.PATH ?? '',
  };
  const stdin = new TextEncoder().encode(
    JSON.stringify({
      cniVersion: '1.0.0',
      name: 'k8s-pod-network',
      type: 'calico',
      log_level: 'warning',
      log_file_path: join(folder, 'cni.log'),
      datastore_type: 'kubernetes',
      ipam: { type: 'calico-ipam' },
      policy: { type: 'k8s' },
      kubernetes: { kubeconfig },
      ...config,
    }),
  );
  const startedAt = performance.now();
  const child = Bun.spawn([join(folder, 'bin', 'calico')], { env, stdin, stdout: 'pipe', stderr: 'pipe' });
  const [output, code] = await Promise.all([new Response(child.stdout).text(), child.exited]);
  const ms = performance.now() - startedAt;
  if (code !== 0) throw new Error(`${command} of ${name} ended with ${code}: ${output}`);
  return { ms, output };
}

function addressOf(output: string): string {
  const { ips } = JSON.parse(output) as { ips: { address: string }[] };
  return ips[0]?.address.split('/')[0] ?? '';
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
