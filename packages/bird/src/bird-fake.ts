import { readFileSync } from 'node:fs';
import type { BgpSessionState, BirdControl, BirdProtocol, BirdRoute, BirdStatus } from './bird-control.ts';
import type { BirdFiles, BirdProcess, BirdProcesses } from './bird-processes.ts';
import { BirdError, type BirdErrorCode } from './error.ts';

type Op = keyof BirdControl | 'check' | 'start';

/** What the fake understands of a configuration. */
interface Loaded {
  readonly routerId: string;
  readonly protocols: readonly { name: string; proto: string; neighbour?: { address: string; as: number } }[];
  readonly routes: readonly BirdRoute[];
}

const TIME = '2026-01-01 00:00:00.000';
const STATEMENTS = /^(#.*|router id .*|log .*|timeformat .*|graceful restart wait .*|debug .*)?$/;

/**
 * A BIRD in memory, behind the interfaces of its socket and of its processes. Of a configuration it reads the router id, the
 * protocols, their neighbours and static blackholes; sessions stand as the test sets them, at first in `Active`.
 */
export class BirdFake implements BirdControl {
  /** Each start, with whether routes were to be recovered. */
  readonly starts: { readonly recover: boolean }[] = [];
  /** How often the configuration was read again. */
  configured = 0;
  readonly processes: BirdProcesses = {
    check: path => this.#do('check', () => refusalOf(readFileSync(path, 'utf8'))),
    start: (files, recover) => this.#start(files, recover),
  };
  readonly #states = new Map<string, string>();
  readonly #faults = new Map<Op, BirdErrorCode>();
  #config = '';
  #loaded: Loaded | undefined;
  #end: ((how: string) => void) | undefined;

  /** Makes the next call of one kind fail. */
  failNext(op: Op, code: BirdErrorCode): void {
    this.#faults.set(op, code);
  }

  /** Starts it as another process did before: nobody is told of its end. */
  runAlready(configPath: string): void {
    this.#config = configPath;
    this.#loaded = load(readFileSync(configPath, 'utf8'));
  }

  /** BIRD ends, as after a signal. */
  end(how: string): void {
    this.#loaded = undefined;
    this.#end?.(how);
    this.#end = undefined;
  }

  /** Puts a session into a state of BGP. */
  setSession(name: string, bgpState: string): void {
    this.#states.set(name, bgpState);
  }

  status(): Promise<BirdStatus> {
    return this.#ask('status', ({ routerId }) => ({
      version: '2.0.12',
      routerId,
      currentTime: TIME,
      lastReboot: TIME,
      lastReconfiguration: TIME,
      recovering: false,
      message: 'Daemon is up and running',
    }));
  }

  protocols(): Promise<BirdProtocol[]> {
    return this.#ask('protocols', ({ protocols }) => protocols.map(protocol => this.#line(protocol)));
  }

  bgpSessions(): Promise<BgpSessionState[]> {
    return this.#ask('bgpSessions', ({ protocols }) =>
      protocols.flatMap(protocol => {
        const { neighbour } = protocol;
        if (neighbour === undefined) return [];
        return {
          ...this.#line(protocol),
          neighbourAddress: neighbour.address,
          neighbourAs: neighbour.as,
          bgpState: this.#stateOf(protocol.name),
          lastError: undefined,
          routes: this.#stateOf(protocol.name) === 'Established' ? { imported: 0, exported: 0 } : undefined,
        };
      }),
    );
  }

  routes(): Promise<BirdRoute[]> {
    return this.#ask('routes', ({ routes }) => [...routes]);
  }

  configure(): Promise<void> {
    return this.#ask('configure', () => {
      const text = readFileSync(this.#config, 'utf8');
      const refusal = refusalOf(text);
      if (refusal !== undefined) throw new BirdError('Refused', `Cannot ask BIRD to "configure": ${refusal}`);
      this.#loaded = load(text);
      this.configured++;
    });
  }

  shutdown(): Promise<void> {
    return this.#ask('shutdown', () => this.end('exit code is 0'));
  }

  #start(files: BirdFiles, recover: boolean): BirdProcess {
    const fault = this.#takeFault('start');
    if (fault === 'Missing') throw new BirdError(fault, 'Cannot start BIRD: executable is "bird"');
    this.starts.push({ recover });
    const { promise, resolve } = Promise.withResolvers<string>();
    if (fault === undefined) {
      this.#end = resolve;
      this.runAlready(files.config);
    } else resolve('exit code is 1');
    return { pid: 1000 + this.starts.length, ended: promise, kill: () => this.end('signal is SIGKILL') };
  }

  #ask<T>(op: Op, answer: (loaded: Loaded) => T): Promise<T> {
    return this.#do(op, () => {
      if (this.#loaded === undefined) throw new BirdError('Unreachable', `Cannot ask BIRD: ENOENT`);
      return answer(this.#loaded);
    });
  }

  async #do<T>(op: Op, work: () => T): Promise<T> {
    const fault = this.#takeFault(op);
    if (fault !== undefined) throw new BirdError(fault, `Cannot ask BIRD: ${op} was told to fail`);
    return work();
  }

  #takeFault(op: Op): BirdErrorCode | undefined {
    const fault = this.#faults.get(op);
    this.#faults.delete(op);
    return fault;
  }

  #line({ name, proto, neighbour }: Loaded['protocols'][number]): BirdProtocol {
    const info = neighbour === undefined ? '' : this.#stateOf(name);
    const state = neighbour === undefined || info === 'Established' ? 'up' : 'start';
    return { name, proto, table: '---', state, since: TIME, info };
  }

  #stateOf(name: string): string {
    return this.#states.get(name) ?? 'Active';
  }
}

/** Statements at the top level, and blocks that close. */
function refusalOf(text: string): string | undefined {
  let depth = 0;
  for (const [at, line] of text.split('\n').entries()) {
    const opens = /^(function|protocol|template|filter) /.test(line);
    if (depth === 0 && !opens && !STATEMENTS.test(line)) return `bird.cfg:${at + 1}:1 syntax error`;
    depth += line.split('{').length - line.split('}').length;
  }
  return depth === 0 ? undefined : 'bird.cfg: syntax error, unexpected end of file';
}

function load(text: string): Loaded {
  const protocols = [...text.matchAll(/^protocol (\w+) ?(\w*).*\{([\s\S]*?)^\}/gm)].map(
    ([, proto = '', name, body = '']) => {
      const neighbour = /neighbor (\S+)(?: port \d+)? as (\d+);/.exec(body);
      return {
        name: name || `${proto}1`,
        proto: proto === 'bgp' ? 'BGP' : proto.charAt(0).toUpperCase() + proto.slice(1),
        ...(neighbour === null ? {} : { neighbour: { address: neighbour[1] ?? '', as: Number(neighbour[2]) } }),
      };
    },
  );
  const routes = [...text.matchAll(/^protocol static (\w+).*\{([\s\S]*?)^\}/gm)].flatMap(([, from = '', body = '']) =>
    [...body.matchAll(/route (\S+) blackhole;/g)].map(([, destination = '']) => ({
      destination,
      kind: 'blackhole',
      from,
      primary: true,
      nexthops: [],
    })),
  );
  return { routerId: /router id (\S+);/.exec(text)?.[1] ?? '', protocols, routes };
}
