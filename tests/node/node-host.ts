import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, connect as dial, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cidr } from '@calico/ip';
import type { Kernel, Namespace } from '@calico/kernel';
import { createNamespace, deleteNamespace, inNamespace, openKernel } from '@calico/kernel/linux';
import { type Forwarder, forwardToUnixSocket, httpGet, raiseLoopback } from '@calico/lab';
import type { EtcdServer } from '../etcd/etcd-server.ts';

const MAIN = join(import.meta.dir, '../../packages/programs/src/main.ts');

/** What the agent of a `NodeHost` beside an etcd is told at least. */
export function agentEnvironment(server: EtcdServer): Record<string, string> {
  return {
    NODENAME: 'node-1',
    IP: 'autodetect',
    DATASTORE_TYPE: 'etcdv3',
    ETCD_ENDPOINTS: server.url,
    CALICO_NETWORKING_BACKEND: 'vxlan',
  };
}

/** How a program ended, and what it said. */
export interface Ended {
  readonly code: number;
  readonly text: string;
}

let last = 0;

/** A machine of its own network namespace, on which the programs of a node run from their sources. */
export class NodeHost {
  readonly kernel: Kernel;
  readonly folder = mkdtempSync(join(tmpdir(), 'calico-node-host-'));
  /** The file of its namespace. */
  readonly path = `/run/netns/node-host-${process.pid}-${++last}`;
  readonly namespace: Namespace;
  readonly #closers: (() => void)[] = [];

  constructor() {
    this.namespace = createNamespace(this.path);
    this.kernel = openKernel({ namespace: this.namespace });
    raiseLoopback(this.kernel);
  }

  /** A machine whose datastore is an etcd of this process's loopback: with an interface that has an address, and a way to the server. */
  static beside(server: EtcdServer): NodeHost {
    const host = new NodeHost();
    host.forward(server.port);
    host.addInterface('eth0', 1400, '192.0.2.11/24');
    return host;
  }

  /** Makes an interface that is up, with addresses; gives its index. */
  addInterface(name: string, mtu: number, ...addresses: string[]): number {
    // The far end, so that there is a carrier; its name is one that no address is looked for on.
    const peer = `veth-${name}`;
    const { index } = this.kernel.createLink({ kind: 'veth', name, mtu, up: true, peer: { name: peer, mtu } });
    const far = this.kernel.link(peer);
    if (far !== undefined) this.kernel.setLink(far.index, { up: true });
    for (const address of addresses) {
      this.kernel.replaceAddress({ link: index, address: cidr(address), scope: 'universe', noDad: true });
    }
    return index;
  }

  /** Makes a port of this process's loopback one of the machine's. */
  forward(port: number): void {
    const socket = join(this.folder, `${port}.sock`);
    const server: Server = createServer(client => {
      const target = dial(port, '127.0.0.1');
      client.on('error', () => target.destroy()).on('close', () => target.destroy());
      target.on('error', () => client.destroy()).on('close', () => client.destroy());
      client.pipe(target).pipe(client);
    }).listen(socket);
    const forwarder: Forwarder = forwardToUnixSocket(this.namespace, '127.0.0.1', port, socket);
    this.#closers.push(
      () => server.close(),
      () => forwarder.stop(),
    );
  }

  /** Starts `calico <args>`, or other arguments of this runtime. */
  start(
    args: readonly string[],
    env: Readonly<Record<string, string>>,
    script = MAIN,
  ): Bun.Subprocess<'ignore', 'pipe', 'pipe'> {
    return inNamespace(this.namespace, () =>
      Bun.spawn([process.execPath, script, ...args], {
        env: {
          PATH: process.env.PATH,
          CALICO_RUN_DIR: join(this.folder, 'run'),
          CALICO_LIB_DIR: join(this.folder, 'lib'),
          ...env,
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    );
  }

  /** Runs `calico <args>` to its end. */
  async run(args: readonly string[], env: Readonly<Record<string, string>>, script = MAIN): Promise<Ended> {
    const child = this.start(args, env, script);
    const timer = setTimeout(() => child.kill('SIGKILL'), 60_000);
    const texts = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    const code = await child.exited;
    clearTimeout(timer);
    return { code, text: texts.join('') };
  }

  /** Asks a server on the machine's loopback. */
  get(port: number, path: string): Promise<{ status: number; body: string }> {
    return httpGet(this.namespace, '127.0.0.1', port, path, 1_000);
  }

  close(): void {
    for (const close of this.#closers) close();
    this.kernel.close();
    this.namespace.close();
    deleteNamespace(this.path);
    rmSync(this.folder, { recursive: true });
  }
}

/** Asks again until it is so; throws after 20 s. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`Waited 20 s until ${what}`);
    await Bun.sleep(20);
  }
}
