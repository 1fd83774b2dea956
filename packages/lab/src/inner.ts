import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { Pod } from '@calico/api';
import { type Client, keyOf, printKey, startReflector } from '@calico/datastore';
import { kubernetesClient, loadKubeconfig } from '@calico/datastore/kubernetes';
import { parseAddr } from '@calico/ip';
import { fillThreadPool, mountTmpfs, openKernel } from '@calico/kernel/linux';
import { createLogger, type Logger, systemClock, systemRandom } from '@calico/process';
import { NodeAgent } from './agent-process.ts';
import { buildFabric, type Fabric } from './fabric.ts';
import { FateWatch } from './fate-watch.ts';
import { forwardToUnixSocket } from './forwarder.ts';
import { Kubelet } from './kubelet.ts';
import { removeLabFolder } from './lab-folder.ts';
import { LineRpc } from './line-rpc.ts';
import { serveTcp } from './pod-servers.ts';
import { type InnerMethods, type InnerSetup, type PodReport, type ProbeRequest, runFolder } from './protocol.ts';
import { startRouterBird } from './router-bird.ts';
import { probeTcp, type TcpTarget } from './tcp-probe.ts';
import { timeCni } from './time-cni.ts';

/**
 * The inner half of the lab: the first process of its own user, network, mount and pid namespaces. It builds the
 * fabric, runs the agents and the kubelets, and ends, and with it everything inside, when the supervisor's pipe closes.
 * It removes the lab's folder then: the supervisor does that itself, unless it was killed.
 */
export async function runInner(folder: string): Promise<void> {
  await fillThreadPool();
  mountTmpfs('/run');
  const inner = new Inner();
  const rpc = new LineRpc(
    {
      input: Bun.stdin.stream() as unknown as AsyncIterable<Uint8Array>,
      write: text => void process.stdout.write(text),
    },
    inner.methods(
      text => void rpc.request('progress', { text }).catch(() => undefined),
      () => void rpc.request('watching').catch(() => undefined),
    ),
  );
  await rpc.closed;
  inner.tearDown();
  removeLabFolder(folder);
  process.exit(0);
}

interface Running {
  readonly setup: InnerSetup;
  readonly fabric: Fabric;
  readonly agents: readonly NodeAgent[];
  readonly kubelets: ReadonlyMap<string, Kubelet>;
  readonly stop: AbortController;
}

class Inner {
  #running: Running | undefined;

  methods(
    progress: (text: string) => void,
    watching: () => void,
  ): Record<keyof InnerMethods, (params: never) => unknown> {
    return {
      setUp: (setup: InnerSetup) => this.#setUp(setup, progress),
      pods: () => this.#pods(),
      probe: ({ probes, timeoutMs }: { probes: readonly ProbeRequest[]; timeoutMs: number }) =>
        this.#probe(probes, timeoutMs),
      readiness: () => Promise.all(this.#lab.agents.map(agent => agent.readiness())),
      cniTimes: (params: Parameters<InnerMethods['cniTimes']>[0]) => timeCni(this.#agent(params.node), params),
      watchFate: (params: Parameters<InnerMethods['watchFate']>[0]) => this.#watchFate(params, watching),
      restartAgent: ({ node }: { node: string }) => this.#agent(node).restart(this.#lab.stop.signal),
      agents: () => Promise.all(this.#lab.agents.map(agent => agent.report())),
    };
  }

  /** Ends agents in order; what they leave in the kernel ends with the namespaces. */
  tearDown(): void {
    const running = this.#running;
    if (running === undefined) return;
    running.stop.abort(new Error('the lab ends'));
    for (const agent of running.agents) agent.stop();
  }

  get #lab(): Running {
    if (this.#running === undefined) throw new Error('Cannot answer: the lab is not set up yet');
    return this.#running;
  }

  async #setUp(setup: InnerSetup, progress: (text: string) => void): Promise<void> {
    const { plan, folder } = setup;
    const logFile = join(folder, 'logs', 'lab.log');
    const log = createLogger({ component: 'lab', level: setup.logLevel, write: line => appendFileSync(logFile, line) });
    progress('building the fabric');
    const home = openKernel();
    const fabric = buildFabric(plan, home);
    home.close();
    forwardToUnixSocket(fabric.router.namespace, plan.api.address, plan.api.port, join(folder, 'api.sock'));
    serveTcp(fabric.external.namespace, 'external', 80);
    const stop = new AbortController();
    if (setup.bird) startRouterBird(fabric.router.namespace, plan, runFolder);

    progress('starting the node agents');
    const agents = plan.nodes.map((node, i) => {
      const machine = fabric.nodes[i];
      if (machine === undefined) throw new Error(`Cannot start ${node.name}: it has no namespace`);
      return new NodeAgent(setup, node, machine.namespace, join(runFolder, node.name));
    });
    for (const agent of agents) agent.start();

    // This process is on no fabric: it reaches the API server by its socket.
    const config = loadKubeconfig({ path: join(folder, 'kubeconfig-inner') });
    const client = kubernetesClient({ ...config, unix: join(folder, 'api.sock') });
    const kubelets = new Map(agents.map(agent => [agent.node.name, this.#kubelet(agent, client, log)] as const));
    this.#running = { setup, fabric, agents, kubelets, stop };
    await Promise.all(agents.map(agent => agent.registerNode(client)));
    progress('waiting for the node agents');
    await Promise.all(agents.map(agent => agent.whenReady(stop.signal)));
    watchPods(client, kubelets, stop.signal, log);
  }

  #kubelet(agent: NodeAgent, client: Client, log: Logger): Kubelet {
    return new Kubelet({
      nodeName: agent.node.name,
      nodeIp: agent.node.address.split('/')[0] ?? '',
      namespace: agent.namespace,
      client,
      plugin: agent.cniPlugin,
      cniConfig: agent.cniConfig,
      clock: systemClock,
      random: systemRandom,
      log,
    });
  }

  #pods(): PodReport[] {
    return [...this.#lab.kubelets].flatMap(([node, kubelet]) =>
      [...kubelet.running].map(({ pod, ips, addMs, netns }) => ({
        key: printKey(keyOf(pod)),
        node,
        ips,
        netns: netns.path ?? '',
        addMs,
      })),
    );
  }

  #agent(node: string): NodeAgent {
    const agent = this.#lab.agents.find(a => a.node.name === node);
    if (agent === undefined) throw new Error(`Cannot find node ${node}`);
    return agent;
  }

  /** Runs the fate probe as a process of its own: a busy one here would hold up the forwarder, and with it the agents. */
  async #watchFate(
    { from, to, port, fate }: Parameters<InnerMethods['watchFate']>[0],
    watching: () => void,
  ): Promise<number> {
    const pods = this.#pods();
    const [source, target] = [from, to].map(key => pods.find(pod => pod.key === key));
    if (source === undefined || target === undefined)
      throw new Error(`Cannot watch ${from} → ${to}: they do not both run`);
    const watch = new FateWatch(this.#lab.setup.executable, {
      fromNetns: source.netns,
      toNetns: target.netns,
      source: source.ips[0] ?? '',
      destination: target.ips[0] ?? '',
      port,
    });
    try {
      return await watch.first(fate, watching);
    } finally {
      watch.close();
    }
  }

  #probe(probes: readonly ProbeRequest[], timeoutMs: number) {
    const pods = new Map(
      [...this.#lab.kubelets.values()].flatMap(k => [...k.running].map(p => [printKey(keyOf(p.pod)), p] as const)),
    );
    const machines = [...this.#lab.fabric.nodes, this.#lab.fabric.router, this.#lab.fabric.external];
    const targets = probes.map(({ from, address, port }): TcpTarget => {
      const namespace =
        'pod' in from ? pods.get(from.pod)?.netns : machines.find(machine => machine.name === from.machine)?.namespace;
      const parsed = parseAddr(address);
      if (namespace === undefined) throw new Error(`Cannot probe from ${JSON.stringify(from)}: it does not run`);
      if (parsed === undefined) throw new Error(`Cannot probe ${address}: it is no address`);
      return { from: namespace, address: parsed, port };
    });
    return probeTcp(targets, timeoutMs);
  }
}

/** Hands every pod to the kubelet of its node. */
function watchPods(client: Client, kubelets: ReadonlyMap<string, Kubelet>, signal: AbortSignal, log: Logger): void {
  const nodeOf = new Map<string, string>();
  const changed = (key: string, pod: Pod | undefined) => {
    const node = pod?.spec.nodeName ?? nodeOf.get(key);
    if (node === undefined) return;
    if (pod === undefined) nodeOf.delete(key);
    else nodeOf.set(key, node);
    kubelets.get(node)?.podChanged(key, pod);
  };
  startReflector(
    client,
    Pod,
    {
      onSync: items => {
        const present = new Map(items.map(pod => [printKey(keyOf(pod)), pod] as const));
        for (const key of [...nodeOf.keys()]) if (!present.has(key)) changed(key, undefined);
        for (const [key, pod] of present) changed(key, pod);
      },
      onEvent: event => {
        changed(printKey(event.key), event.type === 'delete' ? undefined : event.object);
      },
    },
    { clock: systemClock, random: systemRandom, log, signal },
  );
}
