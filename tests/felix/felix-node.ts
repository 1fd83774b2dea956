import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { kindOf, Pod, type Resource, workloadInterfaceName } from '@calico/api';
import { tableName } from '@calico/dataplane';
import { type Client, keyOf } from '@calico/datastore';
import { cidr } from '@calico/ip';
import type { Kernel, TableDump } from '@calico/kernel';
import { deleteNamespace, fillThreadPool, inNamespace } from '@calico/kernel/linux';
import type { Subprocess } from 'bun';
import { connectPod } from '../cluster/pod-interface.ts';
import { type EmbeddedServer, startEmbedded } from '../faults/embedded-server.ts';
import { NodeHost } from '../node/node-host.ts';
import { missingFor } from '../runtimes/machine.ts';
import { Probe } from './probe.ts';
import type { ProbeReport } from './prober.ts';
import type { Suffering } from './suffering-agent.ts';
import type { TcpFlow } from './tcp-flow.ts';
import {
  type Flow,
  flows,
  idlePolicies,
  idlePolicy,
  nodeAddress,
  nodeAddress6,
  nodeMachine,
  nodeName,
  podObject,
  pods,
  resources,
  watchedPolicy,
} from './world.ts';

/** The executable under test; `npm test` builds it. */
const executable = join(import.meta.dir, '../../dist/calico');
const agentCommand: readonly string[] = [executable, 'component', 'node'];
/** An agent from its sources that does to itself what it is told: see suffering-agent.ts. */
const sufferingAgent = [process.execPath, join(import.meta.dir, 'suffering-agent.ts')];
/** What a probed packet's connection is remembered for, in seconds: source ports come again after two minutes. */
const connectionSeconds = '1';
const waitMs = 30_000;

/** Why there can be no such node here; undefined where there can. */
export const missing = missingFor('nft', 'mount');

let last = 0;

/** A node with pods of its own on the real kernel, an embedded API server beside it, and a node agent that can be made to suffer. */
export class FelixNode {
  readonly host: NodeHost;
  readonly api: EmbeddedServer;
  readonly client: Client;
  readonly logFile: string;
  readonly #machines = new Map<string, string>();
  #agent: Subprocess | undefined;

  private constructor(host: NodeHost, api: EmbeddedServer) {
    this.host = host;
    this.api = api;
    this.client = api.client(api.port);
    this.logFile = join(host.folder, 'agent.log');
  }

  /** The node with its pods; the agent runs and has written everything. */
  static async start(): Promise<FelixNode> {
    await fillThreadPool();
    const api = await startEmbedded();
    const node = new FelixNode(new NodeHost(), api);
    try {
      await node.#setUp();
      return node;
    } catch (error) {
      await node.stop();
      throw error;
    }
  }

  async #setUp(): Promise<void> {
    this.host.addInterface('eth0', 1500, `${nodeAddress}/24`, `${nodeAddress6}/64`);
    this.host.forward(this.api.port);
    writeFileSync(this.#kubeconfig, this.api.kubeconfig, { mode: 0o600 });
    for (const pod of pods) this.#connect(pod.name);
    this.kernel.setSysctl('net/netfilter/nf_conntrack_udp_timeout', connectionSeconds);
    await this.create({
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: nodeName },
      spec: {},
    } as unknown as Resource);
    const known = pods.filter(pod => pod.known !== undefined).map(podObject);
    for (const pod of known) {
      await this.create(pod);
      await this.client.updateStatus(kindOfResource(pod), pod);
    }
    for (const resource of resources) await this.create(resource);
    await this.startAgent();
  }

  get kernel(): Kernel {
    return this.host.kernel;
  }

  async create(resource: Resource): Promise<void> {
    await this.client.create(kindOfResource(resource), resource);
  }

  /** Makes an object as it is here, whether there is one or not. */
  async put(resource: Resource): Promise<void> {
    const kind = kindOfResource(resource);
    const present = await this.client.get(kind, keyOf(resource)).catch(() => undefined);
    if (present === undefined) await this.client.create(kind, resource);
    else {
      const { resourceVersion } = present.metadata;
      await this.client.update(kind, {
        ...resource,
        metadata: { ...resource.metadata, ...(resourceVersion && { resourceVersion }) },
      });
    }
  }

  async delete(resource: Resource): Promise<void> {
    await this.client.delete(kindOfResource(resource), keyOf(resource));
  }

  /** Starts an agent; resolves once it is ready. */
  async startAgent(options: AgentOptions = {}): Promise<void> {
    this.launchAgent(options);
    await this.untilReady();
  }

  /** Starts an agent and waits for nothing. */
  launchAgent({
    env = {},
    suffering,
    output,
    command = suffering ? sufferingAgent : agentCommand,
  }: AgentOptions = {}): void {
    for (const folder of ['run', 'lib']) mkdirSync(join(this.host.folder, folder), { recursive: true });
    const log = openSync(output ?? this.logFile, 'a');
    this.#agent = inNamespace(this.host.namespace, () =>
      Bun.spawn([...command], {
        env: {
          PATH: `${process.env.PATH}:/usr/sbin:/sbin`,
          NODENAME: nodeName,
          IP: `${nodeAddress}/24`,
          DATASTORE_TYPE: 'kubernetes',
          KUBECONFIG: this.#kubeconfig,
          CALICO_NETWORKING_BACKEND: 'none',
          CALICO_MANAGE_CNI: 'false',
          CALICO_RUN_DIR: join(this.host.folder, 'run'),
          CALICO_LIB_DIR: join(this.host.folder, 'lib'),
          FELIX_HEALTHENABLED: 'true',
          ...env,
        },
        stdio: ['ignore', log, log],
        ...(suffering === undefined ? {} : { ipc: () => undefined }),
      }),
    );
    closeSync(log);
    if (suffering !== undefined) this.agent.send(suffering);
  }

  /** Tells a suffering agent what it has to suffer from now on. */
  suffer(suffering: Suffering): void {
    this.agent.send(suffering);
  }

  /** The agent's process. */
  get agent(): Subprocess {
    if (this.#agent === undefined) throw new Error('Cannot find the agent: none was started');
    return this.#agent;
  }

  /** Ends the agent, if one runs, and starts another. */
  async restartAgent(): Promise<void> {
    if (this.agent.exitCode === null && this.agent.signalCode === null) await this.endAgent();
    await this.startAgent();
  }

  /** Ends the agent, `kill -9` unless told, and waits for its end. */
  async endAgent(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.agent.kill(signal);
    await this.agent.exited;
  }

  async untilReady(): Promise<void> {
    await this.until('the agent is ready', async () => {
      if (this.agent.exitCode !== null) throw new Error(`The agent ended with ${this.agent.exitCode}: ${this.words()}`);
      return (await this.readiness()).status === 200;
    });
  }

  /** What the agent says of its readiness; status 0 when nobody answers. */
  async readiness(): Promise<{ status: number; body: string }> {
    return await this.host.get(9099, '/readiness').catch(() => ({ status: 0, body: '' }));
  }

  /** The value of a metric without labels, or the sum over its labels. */
  async metric(name: string): Promise<number> {
    const { body } = await this.host.get(9091, '/metrics');
    const lines = body.split('\n').filter(line => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
    if (lines.length === 0) throw new Error(`Cannot find metric ${name}`);
    return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }

  /** The end of what agents wrote. */
  words(): string {
    return readFileSync(this.logFile, 'utf8').slice(-6000);
  }

  /** Polls until it is so; throws after half a minute. */
  async until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = performance.now() + waitMs;
    while (!(await holds())) {
      if (performance.now() > deadline) throw new Error(`Waited ${waitMs} ms in vain until ${what}: ${this.words()}`);
      await Bun.sleep(5);
    }
  }

  /** Runs a command in the node's network to its end; gives its exit code and words. */
  async run(command: readonly string[]): Promise<{ code: number; text: string }> {
    const child = inNamespace(this.host.namespace, () =>
      Bun.spawn([...command], {
        env: { PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
        stdio: ['ignore', 'pipe', 'pipe'],
        timeout: waitMs,
        killSignal: 'SIGKILL',
      }),
    );
    const texts = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    return { code: await child.exited, text: texts.join('') };
  }

  /** The agent's table as it is in the kernel. */
  table(): TableDump | undefined {
    return this.kernel.nftables.dump({ family: 'inet', name: tableName });
  }

  /** The host end of a pod's interface. */
  interfaceOf(pod: string): string {
    return workloadInterfaceName('default', pod);
  }

  /** Makes a pod's namespace and interface anew. */
  reconnect(pod: string): void {
    deleteNamespace(this.#machines.get(pod) ?? '');
    this.#connect(pod);
  }

  /** Sends packets of flows while `fault` runs; gives what became of them. */
  async probe(fault: (probe: Probe) => Promise<void>, options: ProbeOptions = {}): Promise<ProbeReport> {
    const { flows: chosen = flows, tcp = [], everyMs = 2, burst = 1 } = options;
    this.kernel.conntrack.flush();
    const probe = await Probe.start({
      machines: Object.fromEntries(this.#machines),
      flows: chosen,
      tcp,
      everyMs,
      burst,
    });
    try {
      await fault(probe);
      return await probe.end();
    } finally {
      probe.kill();
    }
  }

  /** A policy comes and goes, and packets follow; gives the milliseconds from the asking of the API server to either. */
  async converges(probe: Probe): Promise<{ openMs: number; closedMs: number }> {
    await probe.until('watched', false);
    const asked = Date.now();
    await this.put(watchedPolicy);
    const openMs = (await probe.until('watched', true)) - asked;
    const askedAgain = Date.now();
    await this.delete(watchedPolicy);
    const closedMs = (await probe.until('watched', false)) - askedAgain;
    return { openMs, closedMs };
  }

  /** Does work while policies and labels change all the time that decide nothing; the policies have gone afterwards. */
  async whilePoliciesChange(work: () => Promise<void>): Promise<void> {
    let over = false;
    const changing = (async () => {
      for (let i = 0; !over; i++) {
        await this.put(idlePolicy(i));
        // Address sets that policies ask have another member, and that none of the flows is decided by.
        const labels = { [`p${i % 3}`]: i % 2 === 0 ? '' : null };
        await this.client.patch(
          Pod,
          { namespace: 'default', name: 'client' },
          { metadata: { labels } },
          { type: 'merge' },
        );
        await Bun.sleep(3);
      }
    })();
    try {
      await Promise.race([work(), changing]);
    } finally {
      over = true;
      await changing;
      for (let i = 0; i < idlePolicies; i++) await this.delete(idlePolicy(i)).catch(() => undefined);
    }
  }

  async stop(): Promise<void> {
    if (this.#agent?.exitCode === null) await this.endAgent();
    this.api.signal('SIGCONT');
    await this.api.stop();
    for (const [name, path] of this.#machines) if (name !== nodeMachine) deleteNamespace(path);
    this.host.close();
  }

  get #kubeconfig(): string {
    return join(this.host.folder, 'kubeconfig');
  }

  #connect(name: string): void {
    const pod = pods.find(each => each.name === name);
    if (pod === undefined) throw new Error(`Cannot connect pod ${name}`);
    const path = `/run/netns/felix-${process.pid}-${++last}`;
    this.#machines.set(nodeMachine, this.host.path).set(name, path);
    connectPod(this.kernel, path, pod.ip, this.interfaceOf(name), pod.ip6).close();
    if (pod.known?.includes(pod.ip)) return;
    // Nobody else makes the way to it, and packets are to be dropped by policy, not for want of a route.
    const link = this.kernel.link(this.interfaceOf(name))?.index ?? 0;
    for (const address of [pod.ip, pod.ip6]) {
      const destination = cidr(`${address}/${address.includes(':') ? 128 : 32}`);
      const main = { table: 254, protocol: 4, scope: 'link', type: 'unicast', link } as const;
      if (name !== 'liar') this.kernel.replaceRoute({ ...main, destination });
    }
  }
}

/** How an agent is run. */
export interface AgentOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly command?: readonly string[];
  /** What it does to itself from its start on; it runs from its sources then. */
  readonly suffering?: Suffering;
  /** The file that it writes its log to. */
  readonly output?: string;
}

/** What is sent. */
export interface ProbeOptions {
  readonly flows?: readonly Flow[];
  readonly tcp?: readonly TcpFlow[];
  readonly everyMs?: number;
  readonly burst?: number;
}

function kindOfResource(resource: Resource) {
  const kind = kindOf(resource.apiVersion, resource.kind);
  if (kind === undefined) throw new Error(`Cannot find kind ${resource.kind} of ${resource.apiVersion}`);
  return kind;
}

/** What a report says that must be so after every fault: nothing wrong, and nothing lost by the prober itself. */
export function faultless({ wrong, ownLosses }: ProbeReport): {
  wrong: number;
  examples: string[];
  ownLosses: readonly string[];
} {
  const examples = wrong.slice(0, 10).map(({ flow, fate, at }) => `${flow}: ${fate} at ${new Date(at).toISOString()}`);
  return { wrong: wrong.length, examples, ownLosses };
}

export const nothingWrong = { wrong: 0, examples: [], ownLosses: [] };
