import { mkdirSync, openSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { Node } from '@calico/api';
import { type Client, isAlreadyExists } from '@calico/datastore';
import type { Namespace } from '@calico/kernel';
import { inNamespace } from '@calico/kernel/linux';
import { pluginFiles } from '@calico/process/plugin-files';
import type { Subprocess } from 'bun';
import { httpGet } from './http-in-namespace.ts';
import type { NodePlan } from './plan.ts';
import type { InnerSetup } from './protocol.ts';

/** Port of /readiness on every node's loopback: Felix's HealthPort. */
const healthPort = 9099;
/** Port of /metrics: Felix's PrometheusMetricsPort. */
const metricsPort = 9091;

/** One node's agent as a process in the node's namespace. */
export class NodeAgent {
  readonly node: NodePlan;
  readonly namespace: Namespace;
  readonly #setup: InnerSetup;
  readonly #folder: string;
  #process: Subprocess | undefined;
  #startedAt = 0;
  #readyMs: number | undefined;

  constructor(setup: InnerSetup, node: NodePlan, namespace: Namespace, folder: string) {
    this.#setup = setup;
    this.node = node;
    this.namespace = namespace;
    this.#folder = folder;
    for (const name of ['run', 'lib', 'bin']) mkdirSync(join(folder, name), { recursive: true, mode: 0o755 });
    symlinkSync(setup.executable, join(folder, 'bin', 'calicoctl'));
    for (const [name, file] of pluginFiles(setup.executable)) symlinkSync(file, join(folder, 'bin', name));
  }

  /** The CNI plugin as the kubelet calls it. */
  get cniPlugin(): string {
    return join(this.#folder, 'bin', 'calico');
  }

  /** Network configuration for one call of the plugin, as a runtime takes it from a conflist. */
  get cniConfig(): string {
    return JSON.stringify({
      cniVersion: '1.0.0',
      name: 'k8s-pod-network',
      type: 'calico',
      nodename: this.node.name,
      datastore_type: 'kubernetes',
      ipam: { type: 'calico-ipam' },
      policy: { type: 'k8s' },
      kubernetes: { kubeconfig: this.#kubeconfig },
      agent: join(this.#folder, 'run', 'cni.sock'),
    });
  }

  get #kubeconfig(): string {
    return join(this.#setup.folder, 'kubeconfig-inner');
  }

  /** Starts the agent; it is started again should it end. */
  start(): void {
    const { plan, executable, folder, logLevel, bird } = this.#setup;
    const env = {
      PATH: `${process.env.PATH}:/usr/sbin:/sbin`,
      NODENAME: this.node.name,
      IP: this.node.address,
      DATASTORE_TYPE: 'kubernetes',
      KUBECONFIG: this.#kubeconfig,
      CALICO_NETWORKING_BACKEND: bird ? 'bird' : 'vxlan',
      CALICO_RUN_DIR: join(this.#folder, 'run'),
      CALICO_LIB_DIR: join(this.#folder, 'lib'),
      CLUSTER_TYPE: 'k8s,lab',
      NO_DEFAULT_POOLS: 'true',
      FELIX_HEALTHENABLED: 'true',
      FELIX_PROMETHEUSMETRICSENABLED: 'true',
      FELIX_DEFAULTENDPOINTTOHOSTACTION: 'ACCEPT',
      FELIX_LOGSEVERITYSCREEN: logLevel,
      CALICO_ROUTER_ID: plan.nodes.find(n => n.name === this.node.name)?.address.split('/')[0] ?? '',
    };
    const log = openSync(join(folder, 'logs', `${this.node.name}.log`), 'a', 0o600);
    this.#startedAt = performance.now();
    this.#readyMs = undefined;
    const agent = inNamespace(this.namespace, () =>
      Bun.spawn([executable, 'component', 'node'], { env, stdio: ['ignore', log, log] }),
    );
    this.#process = agent;
    void agent.exited.then(() => {
      if (this.#process === agent) this.start();
    });
  }

  /** Kills the agent, as a crash would, and waits until its successor is ready. Gives that one's start time in ms. */
  async restart(signal: AbortSignal): Promise<number> {
    const before = this.#process;
    before?.kill('SIGKILL');
    await before?.exited;
    // The successor is started by whoever watches the exit; that has run once `exited` has resolved here too.
    await this.whenReady(signal);
    return this.#readyMs ?? Number.NaN;
  }

  /** Ends the agent; it is not started again. */
  stop(): void {
    const agent = this.#process;
    this.#process = undefined;
    agent?.kill('SIGTERM');
  }

  /** Creates the Node object, as a kubelet does. */
  async registerNode(client: Client): Promise<void> {
    const { name, address } = this.node;
    const ip = address.split('/')[0] ?? '';
    const labels = {
      'kubernetes.io/hostname': name,
      'kubernetes.io/os': 'linux',
      'node-role.kubernetes.io/worker': '',
    };
    try {
      const node = await client.create(Node, { apiVersion: 'v1', kind: 'Node', metadata: { name, labels }, spec: {} });
      const status: NonNullable<Node['status']> = {
        addresses: [
          { type: 'InternalIP', address: ip },
          { type: 'Hostname', address: name },
        ],
        conditions: [{ type: 'Ready', status: 'True', reason: 'LabNodeReady', message: 'the lab runs this node' }],
      };
      await client.updateStatus(Node, { ...node, status });
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
  }

  /** Asks the agent's readiness once. */
  async readiness(): Promise<{ node: string; status: number; text: string; ms: number }> {
    const started = performance.now();
    const { status, body } = await httpGet(this.namespace, '127.0.0.1', healthPort, '/readiness', 1_000);
    return { node: this.node.name, status, text: body, ms: performance.now() - started };
  }

  /** Waits until the agent says that it is ready; asks again as soon as an answer is in. */
  async whenReady(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { status } = await this.readiness().catch(() => ({ status: 0 }));
      if (status === 200) {
        this.#readyMs ??= performance.now() - this.#startedAt;
        return;
      }
      await Bun.sleep(10);
    }
  }

  /** Facts for the report; memory as the agent's own metrics say, 0 while it does not answer. */
  async report(): Promise<{ node: string; rssBytes: number; readyMs: number | undefined }> {
    const answer = await httpGet(this.namespace, '127.0.0.1', metricsPort, '/metrics', 1_000).catch(() => undefined);
    const rss = /^process_resident_memory_bytes (\S+)/m.exec(answer?.body ?? '')?.[1];
    return { node: this.node.name, rssBytes: Number(rss ?? 0), readyMs: this.#readyMs };
  }
}
