import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Subprocess } from 'bun';

/** A program that has ended. */
export interface Done {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program that runs in a machine. */
export interface Running {
  readonly name: string;
  readonly exited: Promise<number>;
  /** The end of what it has written so far. */
  words(): string;
  /** Sends the signal and waits for the end. */
  kill(signal?: NodeJS.Signals): Promise<void>;
}

/** For a command of a machine; a runtime that hangs longer has failed. */
const COMMAND_MS = 60_000;
const POLL_MS = 50;
const WORDS = 6000;

/** Own state for everything that runtimes and plugins keep outside of their command lines, and an uplink with an address. */
const setUp = `
set -e
mount -t proc proc /proc
for folder in /run /etc/cni /opt/cni /var/lib/cni /var/lib/calico /var/lib/containerd /var/lib/containers /var/log/calico /etc/containers; do
  mkdir -p $folder
  mount -t tmpfs tmpfs $folder
done
mkdir -p /run/lock /run/netns
ip link set lo up
ip link add uplink type veth peer name far
ip link set far up
ip address add 172.31.7.1/24 dev uplink
ip link set uplink up
sysctl -qw net.ipv4.ip_forward=1
echo ready
read -r _
`;

/** Why there can be no machine here; undefined where there can. */
export function missingFor(...programs: string[]): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  const missing = ['unshare', 'nsenter', 'ip', ...programs].filter(
    each => Bun.which(each, { PATH: searchPath }) === null,
  );
  return missing.length === 0 ? undefined : `needs ${missing.join(', ')}`;
}

const searchPath = `${process.env.PATH}:/usr/sbin:/sbin`;

/** A machine in namespaces of its own, until it is stopped; with it ends everything that runs in it. */
export class Machine {
  /** A folder of the host that the machine sees as well. */
  readonly folder: string;
  readonly #child: Subprocess<'pipe', 'pipe', 'inherit'>;
  readonly #init: number;

  private constructor(child: Subprocess<'pipe', 'pipe', 'inherit'>, init: number) {
    this.#child = child;
    this.#init = init;
    this.folder = mkdtempSync(join(tmpdir(), 'calico-machine-'));
  }

  static async start(): Promise<Machine> {
    const flags = ['--net', '--mount', '--pid', '--ipc', '--fork', '--kill-child=SIGKILL', '--propagation=private'];
    const child = Bun.spawn(['unshare', ...flags, 'sh', '-c', setUp], {
      env: { PATH: searchPath },
      stdin: 'pipe',
      stdout: 'pipe',
      stderr: 'inherit',
    });
    const { value } = await child.stdout.getReader().read();
    if (!new TextDecoder().decode(value).includes('ready')) throw new Error('Cannot start a machine: see above');
    const init = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim();
    return new Machine(child, Number(init));
  }

  /** The path, seen from outside, of a file inside. */
  path(inside: string): string {
    return `/proc/${this.#init}/root${inside}`;
  }

  /** Runs a command to its end, whatever its exit code; throws when it hangs. */
  async run(command: readonly string[], options: { env?: Environment; input?: string } = {}): Promise<Done> {
    const child = Bun.spawn(this.#inside(command), {
      env: { PATH: searchPath, HOME: this.folder, ...options.env },
      stdin: new TextEncoder().encode(options.input ?? ''),
      stdout: 'pipe',
      stderr: 'pipe',
      timeout: COMMAND_MS,
      killSignal: 'SIGKILL',
    });
    const [code, stdout, stderr] = await Promise.all([
      child.exited,
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    if (child.signalCode === 'SIGKILL') throw new Error(`${command.join(' ')} hung for ${COMMAND_MS} ms: ${stderr}`);
    return { code, stdout, stderr };
  }

  /** Runs a command that must succeed; gives what it printed. */
  async must(command: readonly string[], options: { env?: Environment; input?: string } = {}): Promise<string> {
    const { code, stdout, stderr } = await this.run(command, options);
    if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}: ${stderr}${stdout}`);
    return stdout;
  }

  /** Starts a program that stays. */
  start(name: string, command: readonly string[], env: Environment = {}): Running {
    const child = Bun.spawn(this.#inside(command), {
      env: { PATH: searchPath, HOME: this.folder, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let words = '';
    const read = async (stream: ReadableStream<Uint8Array>) => {
      const decoder = new TextDecoder();
      for await (const chunk of stream) words = (words + decoder.decode(chunk)).slice(-WORDS);
    };
    void read(child.stdout);
    void read(child.stderr);
    return {
      name,
      exited: child.exited,
      words: () => words,
      kill: async (signal = 'SIGTERM') => {
        // nsenter waits for the program, which is its child.
        const program = Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8'));
        if (program > 0) process.kill(program, signal);
        await child.exited;
      },
    };
  }

  /** Names of the interfaces in the machine's own namespace. */
  async interfaces(): Promise<string[]> {
    const links = JSON.parse(await this.must(['ip', '-j', 'link'])) as { ifname: string }[];
    return links.map(link => link.ifname).sort();
  }

  /** Destinations of the routes in the machine's own namespace. */
  async routes(): Promise<string[]> {
    const routes = JSON.parse(await this.must(['ip', '-j', 'route'])) as { dst: string }[];
    return routes.map(route => route.dst).sort();
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#child.exited;
    rmSync(this.folder, { recursive: true, force: true });
  }

  #inside(command: readonly string[]): string[] {
    return ['nsenter', '--target', String(this.#init), '--net', '--mount', '--pid', '--ipc', '--', ...command];
  }
}

type Environment = Readonly<Record<string, string>>;

/** Resolves once `condition` holds; throws after a minute with what was waited for. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + COMMAND_MS;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited a minute in vain: ${what}`);
    await Bun.sleep(POLL_MS);
  }
}
