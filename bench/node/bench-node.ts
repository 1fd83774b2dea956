import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Namespace } from '@calico/kernel';
import { fillThreadPool, linuxMachine } from '@calico/kernel/linux';
import { pluginFiles } from '@calico/process/plugin-files';
import { createCrds, OUR_CRDS, readCrds } from '../../tests/kubernetes/crds.ts';
import { type KubernetesServer, startKubernetes } from '../../tests/kubernetes/server.ts';
import { nodeAddress } from './private-network.ts';

/** What is measured; another one for comparison by the environment. */
export const executable = process.env.CALICO_BENCH_EXECUTABLE ?? join(import.meta.dir, '..', '..', 'dist', 'calico');
export const nodeName = 'node1';

/** Where profiles go of agents that end in order; they run from source then. */
const profiles = process.env.CALICO_BENCH_PROFILE;
const source = join(import.meta.dir, '..', '..', 'packages', 'programs', 'src', 'main.ts');
const agentCommand = profiles ? [process.execPath, '--cpu-prof', `--cpu-prof-dir=${profiles}`, source] : [executable];

/** A pod of the node as its runtime knows it. */
export interface BenchPod {
  readonly name: string;
  readonly kubernetesNamespace: string;
  readonly containerId: string;
  readonly netns: string;
  readonly namespace: Namespace;
}

/** How a pod is to be made. */
export interface PodShape {
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/** A node agent that has been ready. */
export interface BenchAgent {
  readonly pid: number;
  /** From its process's start to the first answer that it is ready. */
  readonly readyMs: number;
  /** What it had used of a processor then. */
  readonly cpuMs: number;
  /** Its resident memory then, in bytes. */
  readonly resident: number;
  /** Ends it: at once, as a crash would, or in order. */
  end(how: 'kill' | 'stop'): Promise<void>;
}

/** One life of the plugin. */
export interface BenchCall {
  readonly ms: number;
  /** What it printed. */
  readonly output: string;
  /** What it used of the processors, in ms. */
  readonly cpuMs: number;
}

/** How often a starting agent is asked whether it is ready, in ms. */
const askReadyMs = 10;
/** How long an agent may take to be ready, in ms. */
const readyPatience = 180_000;

/** One node with its agent beside a real kube-apiserver and etcd on loopback; see `enterPrivateNetwork`. */
export class BenchNode {
  readonly server: KubernetesServer;
  readonly folder: string;
  readonly kubeconfig: string;
  #agent: Bun.Subprocess | undefined;

  private constructor(server: KubernetesServer, folder: string) {
    this.server = server;
    this.folder = folder;
    this.kubeconfig = join(folder, 'kubeconfig');
  }

  /** Starts the server with our CRDs, a node and a pool. */
  static async start(): Promise<BenchNode> {
    await fillThreadPool();
    const folder = mkdtempSync(join(tmpdir(), 'calico-bench-node-'));
    for (const name of ['bin', 'lib', 'run']) mkdirSync(join(folder, name));
    for (const [name, file] of pluginFiles(executable)) symlinkSync(file, join(folder, 'bin', name));
    writeFileSync(join(folder, 'lib', 'nodename'), nodeName);
    const node = new BenchNode(await startKubernetes(), folder);
    try {
      await node.#prepare();
    } catch (err) {
      await node.stop();
      throw err;
    }
    return node;
  }

  async #prepare(): Promise<void> {
    const { server } = this;
    await createCrds(server, readCrds(OUR_CRDS, 'projectcalico.org'));
    this.writeKubeconfig(server.url);
    await this.create('/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: nodeName } });
    await this.create('/apis/projectcalico.org/v3/ippools', {
      apiVersion: 'projectcalico.org/v3',
      kind: 'IPPool',
      metadata: { name: 'pods' },
      spec: { cidr: '10.77.0.0/16' },
    });
    await server.until(async () => (await server.request('GET', '/api/v1/namespaces/default')).ok);
  }

  /** What the agent and the plugin find the server by. */
  writeKubeconfig(url: string): void {
    const { ca, token } = this.server;
    const cluster = { server: url, ...(url.startsWith('https:') ? { 'certificate-authority-data': btoa(ca) } : {}) };
    const config = {
      'current-context': 'bench',
      contexts: [{ name: 'bench', context: { cluster: 'bench', user: 'bench' } }],
      clusters: [{ name: 'bench', cluster }],
      users: [{ name: 'bench', user: { token } }],
    };
    writeFileSync(this.kubeconfig, JSON.stringify(config), { mode: 0o600 });
  }

  async create(path: string, body: object): Promise<void> {
    const response = await this.server.request('POST', path, body);
    if (!response.ok) throw new Error(`Cannot create ${path}: ${await response.text()}`);
  }

  /** The socket on which the agent's CNI server listens. */
  get agentSocket(): string {
    return join(this.folder, 'run', 'cni.sock');
  }

  /** Starts the agent and waits until it is ready, asking every `askMs`. `onStarted` is told its process at once. */
  async startAgent(onStarted: (pid: number) => void = () => {}, askMs = askReadyMs): Promise<BenchAgent> {
    const startedAt = performance.now();
    const child = Bun.spawn([...agentCommand, 'component', 'node'], {
      env: {
        PATH: process.env.PATH ?? '',
        NODENAME: nodeName,
        IP: nodeAddress,
        DATASTORE_TYPE: 'kubernetes',
        KUBECONFIG: this.kubeconfig,
        CALICO_NETWORKING_BACKEND: 'none',
        CALICO_RUN_DIR: join(this.folder, 'run'),
        CALICO_LIB_DIR: join(this.folder, 'lib'),
        FELIX_HEALTHENABLED: 'true',
        FELIX_LOGSEVERITYSCREEN: process.env.CALICO_BENCH_LOG ?? 'Error',
      },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    this.#agent = child;
    onStarted(child.pid);
    while (!(await answersWell('readiness'))) {
      if (child.exitCode !== null) throw new Error(`The node agent ended with ${child.exitCode}`);
      if (performance.now() - startedAt > readyPatience) throw new Error('The node agent does not get ready');
      await Bun.sleep(askMs);
    }
    const readyMs = performance.now() - startedAt;
    const { pid } = child;
    return {
      ...{ pid, readyMs, cpuMs: processorMs(pid), resident: residentMemory(pid) },
      end: async how => {
        child.kill(how === 'kill' ? 'SIGKILL' : 'SIGTERM');
        await child.exited;
      },
    };
  }

  /** Creates a pod of this node, with its network namespace. */
  async makePod({ name, namespace: kubernetesNamespace = 'default', labels = {} }: PodShape): Promise<BenchPod> {
    const containerId = randomBytes(32).toString('hex');
    const netns = `/run/netns/${containerId.slice(0, 12)}`;
    const namespace = linuxMachine.createNamespace(netns);
    const kernel = linuxMachine.openKernel({ namespace });
    kernel.setLink(kernel.link('lo')?.index ?? 1, { up: true });
    kernel.close();
    await this.create(`/api/v1/namespaces/${kubernetesNamespace}/pods`, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, labels },
      spec: { nodeName, containers: [{ name: 'main', image: 'none' }] },
    });
    return { name, kubernetesNamespace, containerId, netns, namespace };
  }

  /** Removes a pod and its network namespace. */
  async removePod({ name, kubernetesNamespace, netns, namespace }: BenchPod): Promise<void> {
    namespace.close();
    linuxMachine.deleteNamespace(netns);
    const path = `/api/v1/namespaces/${kubernetesNamespace}/pods/${name}?gracePeriodSeconds=0`;
    await this.server.request('DELETE', path);
  }

  /** One life of the plugin's process; `config` goes into its network configuration. Rejects when it fails. */
  async call(command: 'ADD' | 'DEL', pod: BenchPod, config: object): Promise<BenchCall> {
    const { name, kubernetesNamespace, containerId, netns } = pod;
    const env = {
      CNI_COMMAND: command,
      CNI_CONTAINERID: containerId,
      CNI_NETNS: netns,
      CNI_IFNAME: 'eth0',
      CNI_PATH: join(this.folder, 'bin'),
      CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=${kubernetesNamespace};K8S_POD_NAME=${name};K8S_POD_INFRA_CONTAINER_ID=${containerId}`,
      CALICO_LIB_DIR: join(this.folder, 'lib'),
      PATH: process.env.PATH ?? '',
    };
    const stdin = new TextEncoder().encode(
      JSON.stringify({
        cniVersion: '1.0.0',
        name: 'k8s-pod-network',
        type: 'calico',
        log_level: 'warning',
        log_file_path: join(this.folder, 'cni.log'),
        datastore_type: 'kubernetes',
        ipam: { type: 'calico-ipam' },
        policy: { type: 'k8s' },
        kubernetes: { kubeconfig: this.kubeconfig },
        ...config,
      }),
    );
    const startedAt = performance.now();
    const child = Bun.spawn([join(this.folder, 'bin', 'calico')], { env, stdin, stdout: 'pipe', stderr: 'pipe' });
    const [output, code] = await Promise.all([new Response(child.stdout).text(), child.exited]);
    const ms = performance.now() - startedAt;
    if (code !== 0) throw new Error(`${command} of ${name} ended with ${code}: ${output}`);
    return { ms, output, cpuMs: Number(child.resourceUsage()?.cpuTime.total ?? 0) / 1000 };
  }

  /** Ends the agent and the server, and removes the folder. */
  async stop(): Promise<void> {
    this.#agent?.kill();
    await this.#agent?.exited;
    await this.server.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The address that an ADD answered with. */
export function addressOf(output: string): string {
  const { ips } = JSON.parse(output) as { ips: { address: string }[] };
  return ips[0]?.address.split('/')[0] ?? '';
}

/** Whether the agent answers a question about its health, and that all is well. */
export async function answersWell(question: 'liveness' | 'readiness'): Promise<boolean> {
  return await fetch(`http://127.0.0.1:9099/${question}`).then(
    ({ ok }) => ok,
    () => false,
  );
}

/** Ticks of the clock in a second, as the kernel counts in /proc (proc(5), USER_HZ). */
const ticksPerSecond = 100;

/** What a process has used of a processor, in ms; in steps of 10. */
export function processorMs(pid: number): number {
  // Behind the name, which may hold anything but ends with the last parenthesis: field 3 and on; 14 and 15 are utime and stime.
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
    .replace(/^.*\) /s, '')
    .split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / ticksPerSecond;
}

/** Resident memory of a process, in bytes. */
export function residentMemory(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  return Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) * 1024;
}
