import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Cell, LabPlan } from '@calico/lab';
import type { Fate, Target } from './probe.ts';

/** The executable under test; `npm test` builds it. */
export const executable = join(import.meta.dir, '../../dist/calico');

/** Where and as whom the lab is run. */
export interface Place {
  /** Command in front of every program that belongs to the lab: `setpriv …`, `nsenter …`. */
  readonly enter?: readonly string[];
  readonly executable?: string;
  /** Owner of the temporary folder. */
  readonly uid?: number;
}

/** The parts of `--json` that tests look at. */
export interface Report {
  readonly encapsulation: string;
  readonly nodes: LabPlan['nodes'];
  readonly pods: readonly {
    readonly key: string;
    readonly node: string;
    readonly ips: readonly string[];
    readonly addMs: number;
  }[];
  readonly open: readonly Cell[];
  readonly withPolicies: readonly Cell[];
  readonly kubeconfig: string;
  readonly timings: { readonly total: number };
}

/** What lab.json holds. */
export interface LabRecord {
  readonly pid: number;
  readonly innerPid: number;
}

/** A program that has ended. */
export interface Done {
  /** Undefined when a signal ended it. */
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Makes a folder for the temporary files of one test's labs. */
export function scratchFolder(): string {
  return mkdtempSync(join(tmpdir(), 'test-lab-'));
}

/** Environment of everything that is run: temporary files go to `scratch`, and administrators' commands are found. */
function environment(scratch: string): Record<string, string | undefined> {
  const { NODE_OPTIONS: _, ...own } = process.env;
  return { ...own, TMPDIR: scratch, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
}

/** Runs a command to its end. */
export async function run(command: readonly string[], scratch: string, stdin = ''): Promise<Done> {
  const child = Bun.spawn([...command], {
    env: environment(scratch),
    stdin: new TextEncoder().encode(stdin),
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  await child.exited;
  return { exitCode: child.exitCode, stdout, stderr };
}

/** Runs `calico lab …` to its end; `left` is what it leaves in the folder for temporary files. */
export async function runLab(args: readonly string[], place: Place = {}): Promise<Done & { readonly left: string[] }> {
  const scratch = scratchFolder();
  try {
    if (place.uid !== undefined) await run(['chown', String(place.uid), scratch], scratch);
    const command = [...(place.enter ?? []), place.executable ?? executable, 'lab', ...args];
    const done = await run(command, scratch);
    return { ...done, left: readdirSync(scratch) };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Runs `lab up --once --json`; throws its diagnosis when it prints no report. */
export async function runOnce(args: readonly string[], place: Place = {}): Promise<Done & { report: Report }> {
  const done = await runLab(['up', '--once', '--json', ...args], place);
  if (!done.stdout.startsWith('{')) throw new Error(`the lab printed no report: ${done.stderr}`);
  return { ...done, report: JSON.parse(done.stdout) as Report };
}

/** Asks again until the answer is not undefined; throws, saying what was awaited, after `ms` milliseconds. */
export async function eventually<T>(
  what: string,
  ms: number,
  ask: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const deadline = performance.now() + ms;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > deadline) throw new Error(`Not seen within ${ms} ms: ${what}`);
    await new Promise(resolve => setTimeout(resolve, 10));
  }
}

/** A lab that runs until it is stopped, with what its user can do to it. */
export class RunningLab {
  readonly scratch: string;
  readonly #place: Place;
  readonly #child: Bun.Subprocess<'ignore', 'pipe', 'pipe'>;
  #stderr = '';
  #stdout = '';
  #report: Report | undefined;
  readonly #read: Promise<unknown>;

  private constructor(args: readonly string[], place: Place, scratch: string) {
    this.scratch = scratch;
    this.#place = place;
    const command = [...(place.enter ?? []), place.executable ?? executable, 'lab', 'up', '--json', ...args];
    this.#child = Bun.spawn(command, {
      env: environment(this.scratch),
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
    });
    const out = collect(this.#child.stdout, text => {
      this.#stdout += text;
    });
    const errors = collect(this.#child.stderr, text => {
      this.#stderr += text;
    });
    this.#read = Promise.all([out, errors]);
  }

  /** Starts a lab and waits for its report. */
  static async start(args: readonly string[], place: Place = {}): Promise<RunningLab> {
    const scratch = scratchFolder();
    if (place.uid !== undefined) await run(['chown', String(place.uid), scratch], scratch);
    const lab = RunningLab.launch(args, place, scratch);
    await lab.whenUp();
    return lab;
  }

  /** Starts a lab and returns at once. `scratch` is a folder of an earlier lab, to follow in its steps. */
  static launch(args: readonly string[], place: Place = {}, scratch = scratchFolder()): RunningLab {
    return new RunningLab(args, place, scratch);
  }

  get report(): Report {
    if (this.#report === undefined) throw new Error('the lab has not reported yet');
    return this.#report;
  }

  /** Everything that the lab has said on standard error. */
  get said(): string {
    return this.#stderr;
  }

  get record(): LabRecord {
    return JSON.parse(readFileSync(join(dirname(this.report.kubeconfig), 'lab.json'), 'utf8')) as LabRecord;
  }

  /** Waits for the report. */
  async whenUp(): Promise<void> {
    this.#report = await eventually(`report of the lab, which said: ${this.#stderr}`, 60_000, () => {
      if (this.#child.exitCode !== null) throw new Error(`the lab ended before it was up: ${this.#stderr}`);
      return this.#stdout.endsWith('\n}\n') ? (JSON.parse(this.#stdout) as Report) : undefined;
    });
  }

  /** Waits until the lab has said this on standard error. */
  async whenSaid(text: string): Promise<void> {
    await eventually(`"${text}" on standard error`, 20_000, () => (this.#stderr.includes(text) ? true : undefined));
  }

  /** Runs a command where the lab runs, as its user. */
  outside(command: readonly string[], stdin = ''): Promise<Done> {
    return run([...(this.#place.enter ?? []), ...command], this.scratch, stdin);
  }

  /** `calico lab shell`: runs a command in a pod or machine of this lab. */
  shell(name: string, ...command: string[]): Promise<Done> {
    return this.outside([this.#place.executable ?? executable, 'lab', 'shell', name, '--', ...command]);
  }

  /** kubectl with this lab's kubeconfig; throws its diagnosis when it fails. */
  async kubectl(command: string, stdin = ''): Promise<string> {
    const done = await this.tryKubectl(command, stdin);
    if (done.exitCode !== 0) throw new Error(`kubectl ${command} failed: ${done.stderr}`);
    return done.stdout;
  }

  tryKubectl(command: string, stdin = ''): Promise<Done> {
    return this.outside(['kubectl', '--kubeconfig', this.report.kubeconfig, ...command.split(' ')], stdin);
  }

  /** Tries connections from a pod or machine, each with a new socket; fates in the same order. */
  async probe(from: string, targets: readonly Target[]): Promise<Fate[]> {
    const done = await this.shell(from, process.execPath, probeScript, JSON.stringify(targets));
    if (done.exitCode !== 0) throw new Error(`cannot probe from ${from}: ${done.stderr}`);
    return JSON.parse(done.stdout) as Fate[];
  }

  /** Connects from a pod to a TCP port over and over; see `Watch`. */
  watch(from: string, address: string, port: number): Watch {
    const command = ['lab', 'shell', from, '--', process.execPath, probeScript, 'watch', address, String(port)];
    return new Watch([...(this.#place.enter ?? []), this.#place.executable ?? executable, ...command], this.scratch);
  }

  /** Sends a signal to a process, whose id is as the lab's user sees it. */
  async signal(pid: number, signal: string): Promise<void> {
    await this.outside(['kill', `-${signal}`, String(pid)]);
  }

  /** Waits until the supervisor and everybody who held its output have ended. Gives the exit code, null by a signal. */
  async whenEnded(ms = 10_000): Promise<number | null> {
    let ended = false;
    void Promise.all([this.#child.exited, this.#read]).then(() => {
      ended = true;
    });
    await eventually(`end of the lab, which said: ${this.#stderr}`, ms, () => (ended ? true : undefined));
    return this.#child.signalCode === null ? this.#child.exitCode : null;
  }

  /** Ends the lab as Ctrl-C does, and removes its temporary files. */
  async close(): Promise<void> {
    if (this.#report !== undefined && this.#child.exitCode === null && this.#child.signalCode === null)
      await this.signal(this.record.pid, 'INT');
    else this.#child.kill('SIGKILL');
    await this.whenEnded();
    rmSync(this.scratch, { recursive: true, force: true });
  }
}

const probeScript = join(import.meta.dir, 'probe.ts');

/** A connection that is tried over and over, each time from a new port. */
export class Watch {
  readonly #child: Bun.Subprocess<'pipe', 'pipe', 'inherit'>;
  #last = '';
  readonly #read: Promise<void>;

  constructor(command: readonly string[], scratch: string) {
    this.#child = Bun.spawn([...command], {
      env: environment(scratch),
      stdin: 'pipe',
      stdout: 'pipe',
      stderr: 'inherit',
    });
    this.#read = collect(this.#child.stdout, text => {
      this.#last = text.trim().split('\n').at(-1) ?? this.#last;
    });
  }

  /** Waits until the connection is found so; gives the milliseconds that this took. */
  async when(fate: Fate['fate'], ms: number): Promise<number> {
    const started = performance.now();
    await eventually(`a connection that is ${fate}`, ms, () => (this.#last === fate ? true : undefined));
    return performance.now() - started;
  }

  async close(): Promise<void> {
    this.#child.stdin.end();
    await this.#child.exited;
    await this.#read;
  }
}

async function collect(stream: ReadableStream<Uint8Array>, take: (text: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  for await (const chunk of stream) take(decoder.decode(chunk, { stream: true }));
}
