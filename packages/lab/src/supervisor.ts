import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Pod } from '@calico/api';
import { type ApiServer, createCertificates, startApiServer, writeKubeconfig } from '@calico/apiserver';
import { type Client, isAlreadyExists, keyOf, printKey, type Syncer, startFelixSyncer } from '@calico/datastore';
import { kubernetesClient, loadKubeconfig } from '@calico/datastore/kubernetes';
import type { Logger, LogLevel } from '@calico/process';
import type { Clock, Random } from '@calico/reconcile';
import type { Subprocess } from 'bun';
import { ClusterControllers } from './cluster-controllers.ts';
import { isReady } from './deployments.ts';
import { Expectation } from './expectation.ts';
import { createLabFolder, writeLabRecord } from './lab-folder.ts';
import { LineRpc } from './line-rpc.ts';
import type { ManifestObject } from './manifests.ts';
import { type Cell, pairsOf, toCells, wrongCells } from './matrix.ts';
import type { LabPlan } from './plan.ts';
import type { Launcher } from './preflight.ts';
import type { InnerMethods, InnerSetup, PodReport, ProbeRequest } from './protocol.ts';
import { refuseUnenforced } from './refuse-unenforced.ts';
import { seedCluster } from './seed.ts';
import type { TcpFate } from './tcp-probe.ts';

/** What a lab is started with. */
export interface LabOptions {
  readonly plan: LabPlan;
  /** The `calico` executable that agents and plugins run from. */
  readonly executable: string;
  readonly version: string;
  readonly launcher: Launcher;
  /** Whether BIRD runs beside the agents. */
  readonly bird: boolean;
  /** Port of the API server on this machine's loopback; 0: any free one. */
  readonly apiPort: number;
  readonly logLevel: LogLevel;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  progress(text: string): void;
}

/** How long a set of pods may take to run, and the kernels to show a change, in milliseconds. */
const podDeadline = 60_000;
const convergenceDeadline = 15_000;
/** A connection without an answer for so long counts as closed: longer than TCP's first retransmission, 1 s. */
const probeTimeout = 1_500;

/**
 * A running lab, from its supervisor: the API server and the cluster's controllers live here, outside; nodes and pods
 * in the inner half's namespaces. `stop` leaves nothing behind.
 */
export class Lab {
  readonly plan: LabPlan;
  readonly folder: string;
  readonly kubeconfig: string;
  readonly client: Client;
  readonly #options: LabOptions;
  readonly #api: ApiServer;
  readonly #child: Subprocess;
  readonly #rpc: LineRpc;
  readonly #controllers: ClusterControllers;
  readonly #expectation: Expectation;
  readonly #seen = new Set<string>();
  readonly #stop = new AbortController();
  #syncer: Syncer | undefined;
  #onWatching: (() => void) | undefined;
  #stopping = false;
  readonly ended: Promise<void>;

  private constructor(options: LabOptions, parts: Parts) {
    this.#options = options;
    this.plan = options.plan;
    this.folder = parts.folder;
    this.kubeconfig = join(parts.folder, 'kubeconfig');
    this.client = parts.client;
    this.#api = parts.api;
    this.#child = parts.child;
    this.#rpc = parts.rpc;
    const { clock, random, log } = options;
    const nodes = options.plan.nodes.map(node => node.name);
    this.#controllers = new ClusterControllers({ client: parts.client, nodes, clock, random, log });
    this.#expectation = new Expectation(nodes);
    this.ended = parts.child.exited.then(code => {
      if (!this.#stopping)
        throw new Error(`The lab's inner half has ended (exit code ${code}); its logs were in ${this.folder}/logs`);
    });
    this.ended.catch(() => undefined);
  }

  /** Brings API server, fabric and nodes up. Rejects, and leaves nothing behind, when a part can't start. */
  static async start(options: LabOptions): Promise<Lab> {
    const folder = createLabFolder();
    const undo: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })];
    try {
      // First of all, because it cleans up after a supervisor that is killed.
      const child = spawnInner(options, folder);
      undo.push(() => child.kill('SIGKILL'));
      options.progress('starting the API server');
      const { api, client } = await startApi(options, folder);
      undo.push(() => api.stop());
      await seedCluster(client, options.plan, options.version);

      const rpc: LineRpc = new LineRpc(pipeOf(child), {
        progress: ({ text }: { text: string }) => options.progress(text),
        watching: () => lab.#onWatching?.(),
      });
      const lab: Lab = new Lab(options, { folder, client, api, child, rpc });
      const setup: InnerSetup = {
        plan: options.plan,
        folder,
        executable: options.executable,
        bird: options.bird,
        logLevel: options.logLevel,
      };
      await Promise.race([rpc.request('setUp', setup), lab.ended]);
      writeLabRecord(folder, { pid: process.pid, innerPid: childOf(child.pid), kubeconfig: lab.kubeconfig });
      lab.#startControllers();
      return lab;
    } catch (error) {
      for (const step of undo.reverse()) await step();
      throw error;
    }
  }

  /** Creates the objects, in an order in which each finds what it needs. An object that exists already is replaced. */
  async apply(objects: readonly ManifestObject[]): Promise<void> {
    const rank = ({ kind }: ManifestObject) => ['Namespace', 'ServiceAccount', 'Tier'].indexOf(kind.kind) >>> 0;
    for (const { file, kind, resource } of [...objects].sort((a, b) => rank(a) - rank(b))) {
      try {
        await this.client.create(kind, resource).catch(error => {
          if (!isAlreadyExists(error)) throw error;
          return this.client.update(kind, resource);
        });
      } catch (error) {
        throw new Error(`${file}: ${error instanceof Error ? error.message : error}`);
      }
    }
  }

  /** Waits until every pod that the cluster asks for is ready. Rejects, naming those that are not, after a minute. */
  async whenPodsRun(expected: number): Promise<PodReport[]> {
    const { clock } = this.#options;
    const deadline = clock.now() + podDeadline;
    for (;;) {
      const { items } = await this.client.list(Pod);
      const waiting = items.filter(pod => !isReady(pod));
      if (items.length >= expected && waiting.length === 0) return this.pods();
      if (clock.now() > deadline) {
        const names = waiting.map(pod => printKey(keyOf(pod))).join(', ');
        throw new Error(
          `Pods are not ready after ${podDeadline / 1000} s: ${names || `${items.length} of ${expected} exist`}`,
        );
      }
      await Promise.race([clock.sleep(20), this.ended]);
    }
  }

  /** Waits until the supervisor's own view has these objects, so that the expectation speaks of them. */
  async whenSeen(objects: readonly ManifestObject[]): Promise<void> {
    const { clock } = this.#options;
    const deadline = clock.now() + convergenceDeadline;
    const wanted = objects.map(({ resource }) => printKey(keyOf(resource)));
    while (!wanted.every(key => this.#seen.has(key))) {
      if (clock.now() > deadline)
        throw new Error(`The view of the cluster is not up to date after ${convergenceDeadline / 1000} s`);
      await Promise.race([clock.sleep(5), this.ended]);
    }
  }

  /**
   * Connects every pod to every other pod's ports. Cells that are not as expected are tried again until they are, or
   * for fifteen seconds: kernels follow the API within milliseconds, but not at the same instant.
   */
  async matrix(): Promise<Cell[]> {
    const { clock } = this.#options;
    const { items } = await this.client.list(Pod);
    const pods = new Map(items.map(pod => [printKey(keyOf(pod)), pod] as const));
    const pairs = pairsOf(await this.pods(), pods);
    const deadline = clock.now() + convergenceDeadline;
    for (;;) {
      const fates = await this.probe(pairs.map(pair => pair.probe));
      const cells = toCells(pairs, fates, pair => this.#expectation.allows(pair.fromIp, pair.probe.address, pair.port));
      if (wrongCells(cells).length === 0 || clock.now() > deadline) return cells;
    }
  }

  /** Tries connections from inside the lab. */
  probe(probes: readonly ProbeRequest[], timeoutMs = probeTimeout): Promise<TcpFate[]> {
    return this.#rpc.request('probe', { probes, timeoutMs });
  }

  /** The pods that run. */
  pods(): Promise<PodReport[]> {
    return this.#rpc.request('pods');
  }

  /**
   * Milliseconds from the start of a change until packets between two pods of one node meet the fate. The change is
   * made once the probe has seen that they meet the opposite one.
   */
  async timeUntil(
    fate: 'open' | 'closed',
    between: { from: string; to: string; port: number },
    change: () => Promise<unknown>,
  ): Promise<number> {
    const watching = Promise.withResolvers<void>();
    this.#onWatching = watching.resolve;
    const met = this.#rpc.request<number>('watchFate', { ...between, fate });
    await Promise.race([watching.promise, met]);
    const changedAt = performance.timeOrigin + performance.now();
    await change();
    return (await met) - changedAt;
  }

  /** Calls the CNI plugin for pods that carry the annotation `unmanagedAnnotation`: milliseconds of each call. */
  timeCni(params: Parameters<InnerMethods['cniTimes']>[0]): ReturnType<InnerMethods['cniTimes']> {
    return this.#rpc.request('cniTimes', params);
  }

  /** Kills a node's agent; gives the milliseconds from its new start to its readiness. */
  restartAgent(node: string): Promise<number> {
    return this.#rpc.request('restartAgent', { node });
  }

  /** Memory and start time of every node agent. */
  agents(): Promise<{ node: string; rssBytes: number; readyMs: number | undefined }[]> {
    return this.#rpc.request('agents');
  }

  /** Readiness of every node agent, in its own words. */
  readiness(): Promise<{ node: string; status: number; text: string; ms: number }[]> {
    return this.#rpc.request('readiness');
  }

  /** Ends everything and removes the lab's folder. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#stop.abort(new Error('the lab ends'));
    await this.#syncer?.done;
    await this.#controllers.stop();
    // The inner half ends itself when its input ends; its namespaces, and all in them, end with it.
    const { stdin } = this.#child;
    if (stdin !== undefined && typeof stdin !== 'number') stdin.end();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 5_000);
    await this.#child.exited;
    clearTimeout(timer);
    await this.#api.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #startControllers(): void {
    const { clock, random, log } = this.#options;
    this.#controllers.start();
    this.#syncer = startFelixSyncer(
      this.client,
      {
        onUpdates: updates => {
          this.#expectation.update(updates);
          for (const { namespace, name, resource } of updates) {
            const key = printKey(namespace === undefined ? { name } : { name, namespace });
            if (resource === undefined) this.#seen.delete(key);
            else this.#seen.add(key);
          }
        },
        onInSync: () => this.#expectation.inSync(),
      },
      { clock, random, log, signal: this.#stop.signal },
    );
  }
}

interface Parts {
  readonly folder: string;
  readonly client: Client;
  readonly api: ApiServer;
  readonly child: Subprocess;
  readonly rpc: LineRpc;
}

/** The API server on this machine's loopback and on a unix socket, with a token for the user and one for the nodes. */
async function startApi(options: LabOptions, folder: string): Promise<{ api: ApiServer; client: Client }> {
  const { plan, clock, log, apiPort } = options;
  const certificates = createCertificates({
    hosts: ['localhost', '127.0.0.1', '::1', plan.api.address],
    now: clock.wallTime(),
  });
  const [admin, nodes] = [randomBytes(24).toString('hex'), randomBytes(24).toString('hex')];
  const api = await startApiServer({
    storePath: join(folder, 'store.sqlite'),
    // The lab's cluster ends with the lab: it need not outlive a power cut.
    synchronous: 'normal',
    listen: [{ host: 'localhost', port: apiPort }, { unix: join(folder, 'api.sock') }],
    tls: certificates,
    tokens: [
      { token: admin, user: 'admin' },
      { token: nodes, user: 'nodes' },
    ],
    admissions: [refuseUnenforced],
    clock,
    log,
  });
  const [server = ''] = api.urls;
  writeKubeconfig(join(folder, 'kubeconfig'), { server, ca: certificates.ca, token: admin, name: 'calico-lab' });
  const inner = `https://${plan.api.address}:${plan.api.port}`;
  writeKubeconfig(join(folder, 'kubeconfig-inner'), {
    server: inner,
    ca: certificates.ca,
    token: nodes,
    name: 'calico-lab',
  });
  const client = kubernetesClient(loadKubeconfig({ path: join(folder, 'kubeconfig') }));
  return { api, client };
}

function spawnInner({ launcher, executable }: LabOptions, folder: string): Subprocess {
  return Bun.spawn([...launcher, executable, 'lab', 'inner', folder], {
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'inherit',
  });
}

function pipeOf(child: Subprocess) {
  const { stdin, stdout } = child;
  if (stdin === undefined || typeof stdin === 'number' || stdout === undefined || typeof stdout === 'number') {
    throw new Error('Cannot talk to the inner half: it has no pipes');
  }
  return {
    input: stdout as unknown as AsyncIterable<Uint8Array>,
    write: (text: string) => {
      stdin.write(text);
      stdin.flush();
    },
  };
}

/** The only child of a process: `unshare --fork` waits for the process that became first in its namespaces. */
function childOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0]);
}
