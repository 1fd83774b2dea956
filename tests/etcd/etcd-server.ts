import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What a server is started with. */
export interface EtcdServerOptions {
  /** Arguments for the server beside those that say where it is. */
  readonly args?: readonly string[];
  readonly scheme?: 'http' | 'https';
  /** PEM texts to show it when it wants a certificate. */
  readonly client?: { readonly cert: string; readonly key: string };
}

/** A port of 127.0.0.1 that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

/** An etcd on loopback, with its data in a folder of its own. */
export class EtcdServer {
  readonly port: number;
  readonly url: string;
  readonly #peerUrl: string;
  readonly #folder = mkdtempSync(join(tmpdir(), 'calico-etcd-'));
  readonly #args: readonly string[];
  readonly #client: EtcdServerOptions['client'];
  #members: string | undefined;
  #process: Bun.Subprocess | undefined;

  private constructor(port: number, peerPort: number, { args = [], scheme = 'http', client }: EtcdServerOptions) {
    this.#client = client;
    this.port = port;
    this.#peerUrl = `http://127.0.0.1:${peerPort}`;
    this.url = `${scheme}://127.0.0.1:${port}`;
    this.#args = args;
  }

  /** Starts one, and resolves when it answers. */
  static async start(options: EtcdServerOptions = {}): Promise<EtcdServer> {
    const server = new EtcdServer(await freePort(), await freePort(), options);
    await server.run();
    return server;
  }

  /** Starts several that are one cluster. */
  static async startCluster(count: number): Promise<EtcdServer[]> {
    const servers: EtcdServer[] = [];
    for (let i = 0; i < count; i++) servers.push(new EtcdServer(await freePort(), await freePort(), {}));
    const members = servers.map(server => `${server.#name}=${server.#peerUrl}`).join(',');
    for (const server of servers) server.#members = members;
    await Promise.all(servers.map(server => server.run()));
    return servers;
  }

  get #name(): string {
    return `member-${this.port}`;
  }

  /** Starts the process, on the data there is. */
  async run(): Promise<void> {
    // One that is alone finds its leader at once; several on a busy machine need time to hear each other.
    const [heartbeat, election] = this.#members === undefined ? [10, 100] : [50, 500];
    const child = Bun.spawn(
      [
        'etcd',
        '--unsafe-no-fsync',
        '--log-level=error',
        '--logger=zap',
        `--name=${this.#name}`,
        `--heartbeat-interval=${heartbeat}`,
        `--election-timeout=${election}`,
        `--data-dir=${join(this.#folder, 'data')}`,
        `--listen-client-urls=${this.url}`,
        `--advertise-client-urls=${this.url}`,
        `--listen-peer-urls=${this.#peerUrl}`,
        `--initial-advertise-peer-urls=${this.#peerUrl}`,
        `--initial-cluster=${this.#members ?? `${this.#name}=${this.#peerUrl}`}`,
        ...this.#args,
      ],
      {
        stdin: 'ignore',
        stdout: 'ignore',
        stderr: 'ignore',
        env: { ...process.env, ETCD_UNSUPPORTED_ARCH: process.arch },
      },
    );
    this.#process = child;
    await this.healthy();
  }

  /** Ends the process as a crash does; the data stays. */
  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  /** Asks the process to end; the data stays. */
  terminate(): Promise<void> {
    return this.#end('SIGTERM');
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    this.#process?.kill(signal);
    await this.#process?.exited;
    this.#process = undefined;
  }

  /** Stops the process where it is, or lets it go on: a server that answers nobody. */
  freeze(frozen: boolean): void {
    this.#process?.kill(frozen ? 'SIGSTOP' : 'SIGCONT');
  }

  /** Ends the process and removes its data. */
  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Removes everything of Calico. */
  async empty(): Promise<void> {
    const [key, range_end] = [btoa('/calico/'), btoa('/calico0')];
    const body = JSON.stringify({ key, range_end });
    const answer = await fetch(`${this.url}/v3/kv/deleterange`, { method: 'POST', body });
    if (!answer.ok) throw new Error(`Cannot empty etcd: ${answer.status} ${await answer.text()}`);
  }

  /** Runs etcdctl on the server and gives what it prints. */
  async ctl(args: readonly string[], input?: string): Promise<string> {
    const child = Bun.spawn(['etcdctl', `--endpoints=${this.url}`, ...args], {
      stdin: input === undefined ? 'ignore' : new TextEncoder().encode(input),
      stdout: 'pipe',
      stderr: 'pipe',
      env: { ...process.env, ETCDCTL_API: '3' },
    });
    const [printed, complaint, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    if (code !== 0) throw new Error(`Cannot run etcdctl ${args.join(' ')}: ${complaint}`);
    return printed;
  }

  /** Waits until it has a leader and answers: etcd listens a while before. */
  async healthy(): Promise<void> {
    const child = this.#process;
    for (let attempt = 0; attempt < 500; attempt++) {
      if (child?.exitCode !== null) throw new Error(`Cannot start etcd: it ended with code ${child?.exitCode}`);
      const healthy = await fetch(`${this.url}/health`, { tls: { rejectUnauthorized: false, ...this.#client } }).then(
        answer => answer.ok,
        () => false,
      );
      if (healthy) return;
      await Bun.sleep(20);
    }
    throw new Error('Cannot start etcd: it is not healthy after 10 s');
  }
}
