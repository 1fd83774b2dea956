import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer, connect as dial, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Kernel, Namespace } from '@calico/kernel';
import { createNamespace, deleteNamespace, inNamespace, openKernel } from '@calico/kernel/linux';
import { type Forwarder, forwardToUnixSocket, httpGet, RawReceiver, RawSender, raiseLoopback } from '@calico/lab';
import { connectPod } from '../cluster/pod-interface.ts';

const MAIN = join(import.meta.dir, '../../packages/programs/src/main.ts');
/** Felix's HealthPort. */
const HEALTH_PORT = 9099;
const ETCD_PORT = 2379;

/** A machine of its own network namespace with two workloads, on which the node agent runs; an etcd outside is at its 127.0.0.1:2379. */
export class AgentHost {
  readonly kernel: Kernel;
  readonly #folder = mkdtempSync(join(tmpdir(), 'calico-etcd-agent-'));
  readonly #paths: string[] = [];
  readonly #namespace: Namespace;
  readonly #closers: (() => void)[] = [];
  #agent: Bun.Subprocess | undefined;
  #tag = 1;

  /** `etcdPort` is that of the etcd on this machine's own loopback. */
  constructor(etcdPort: number) {
    this.#namespace = createNamespace(this.#path('host'));
    this.kernel = openKernel({ namespace: this.#namespace });
    raiseLoopback(this.kernel);
    this.kernel.setSysctl('net/ipv4/ip_forward', '1');
    const socket = join(this.#folder, 'etcd.sock');
    const server: Server = createServer(client => {
      const etcd = dial(etcdPort, '127.0.0.1');
      client.on('error', () => etcd.destroy()).on('close', () => etcd.destroy());
      etcd.on('error', () => client.destroy()).on('close', () => client.destroy());
      client.pipe(etcd).pipe(client);
    }).listen(socket);
    const forwarder: Forwarder = forwardToUnixSocket(this.#namespace, '127.0.0.1', ETCD_PORT, socket);
    this.#closers.push(
      () => server.close(),
      () => forwarder.stop(),
    );
  }

  #path(name: string): string {
    const path = `/run/netns/etcd-agent-${process.pid}-${name}`;
    this.#paths.push(path);
    return path;
  }

  /** Starts the agent from its sources, as a node of this name. */
  start(nodeName: string, env: Readonly<Record<string, string>> = {}): void {
    const log = openSync(join(this.#folder, 'agent.log'), 'a');
    for (const name of ['run', 'lib']) mkdirSync(join(this.#folder, name), { recursive: true });
    this.#agent = inNamespace(this.#namespace, () =>
      Bun.spawn([process.execPath, MAIN, 'component', 'node'], {
        env: {
          PATH: process.env.PATH,
          NODENAME: nodeName,
          ETCD_ENDPOINTS: `http://127.0.0.1:${ETCD_PORT}`,
          CALICO_NETWORKING_BACKEND: 'vxlan',
          CALICO_RUN_DIR: join(this.#folder, 'run'),
          CALICO_LIB_DIR: join(this.#folder, 'lib'),
          FELIX_HEALTHENABLED: 'true',
          ...env,
        },
        stdio: ['ignore', log, log],
      }),
    );
  }

  /** What the agent has said. */
  get log(): string {
    return readFileSync(join(this.#folder, 'agent.log'), 'utf8');
  }

  /** Asks the agent's readiness once. */
  async ready(): Promise<boolean> {
    if (this.#agent?.exitCode !== null) throw new Error(`The agent ended: ${this.log}`);
    const answer = await httpGet(this.#namespace, '127.0.0.1', HEALTH_PORT, '/readiness', 1_000).catch(() => undefined);
    return answer?.status === 200;
  }

  /** Connects a workload with this machine. */
  addWorkload(name: string, ip: string, interfaceName: string): Namespace {
    return connectPod(this.kernel, this.#path(name), ip, interfaceName);
  }

  /** Gives a question whether a TCP packet from one workload reaches a port of another within a third of a second. */
  packets(from: { namespace: Namespace; ip: string }, to: { namespace: Namespace; ip: string }) {
    const receiver = new RawReceiver(to.namespace, [6]);
    const sender = new RawSender(from.namespace);
    this.#closers.push(
      () => receiver.close(),
      () => sender.close(),
    );
    return async (port: number): Promise<boolean> => {
      const tag = this.#tag++;
      const ports = { sourcePort: 20_000 + tag, destinationPort: port };
      sender.send({ source: from.ip, destination: to.ip, protocol: 6, ...ports, tag });
      const deadline = performance.now() + 300;
      while (performance.now() < deadline) {
        if (receiver.take().includes(tag)) return true;
        await Bun.sleep(1);
      }
      return false;
    };
  }

  /** Ends the agent and takes everything away. */
  async close(): Promise<void> {
    this.#agent?.kill('SIGTERM');
    await this.#agent?.exited;
    for (const close of this.#closers) close();
    this.kernel.close();
    this.#namespace.close();
    for (const path of this.#paths.reverse()) deleteNamespace(path);
    rmSync(this.#folder, { recursive: true });
  }
}
