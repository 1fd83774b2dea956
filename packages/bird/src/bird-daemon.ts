import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Backoff, backoff, type Clock, Mutex, type Random, type Timer } from '@calico/reconcile';
import type { BirdControl } from './bird-control.ts';
import { type BirdFiles, type BirdProcess, type BirdProcesses, birdProcesses, type Inside } from './bird-processes.ts';
import { BirdError, isUnreachable } from './error.ts';
import { capLog } from './log-cap.ts';
import { openBird } from './open-bird.ts';

/** Where the daemon says what it does. */
export interface BirdLog {
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
}

export interface BirdDaemonOptions {
  /**
   * Holds bird.cfg, bird.ctl and bird.log. It should live as long as the kernel's routes do (under /run): a bird.cfg from
   * before tells that a BIRD ran here, whose routes are to be kept until neighbours have told theirs.
   */
  readonly folder: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: BirdLog;
  /** `bird` by default. */
  readonly executable?: string;
  /** Where BIRD is started: `work => inNamespace(ns, work)`; by default where this thread is. */
  readonly inside?: Inside;
  /** For tests: in place of the machine's processes and of the socket. */
  readonly processes?: BirdProcesses;
  readonly control?: BirdControl;
}

/** What the daemon says of itself, in the shape of a health report. */
export interface BirdHealth {
  readonly live: true;
  readonly ready: boolean;
  readonly detail: string;
}

/** How often we look whether BIRD still answers, and how long a started one may take to, in milliseconds. */
const WATCH_INTERVAL = 5_000;
const START_LIMIT = 5_000;
const START_POLL = 10;
/** A BIRD that lived so long did not end for what its start was about. */
const STEADY = 60_000;

/**
 * Keeps a BIRD running with the configuration that was last applied. BIRD outlives this process: one that already answers at
 * the socket is taken over and only reconfigured. One that ends is started again, after growing delays.
 */
export class BirdDaemon {
  readonly control: BirdControl;
  readonly #files: BirdFiles;
  readonly #processes: BirdProcesses;
  readonly #clock: Clock;
  readonly #log: BirdLog;
  readonly #mutex = new Mutex();
  readonly #backoff: Backoff;
  /** What bird.cfg holds. */
  #placed: string | undefined;
  #process: BirdProcess | undefined;
  #startedAt = 0;
  #watch: Timer | undefined;
  #restart: Timer | undefined;
  #stopped = false;
  /** Why BIRD does not run. */
  #outage: string | undefined = 'no configuration yet';
  /** Why the configuration that was last asked for is not in place. */
  #refusal: string | undefined;

  constructor(options: BirdDaemonOptions) {
    const { folder, clock, random, log, executable = 'bird', inside = work => work() } = options;
    this.#files = {
      config: join(folder, 'bird.cfg'),
      socket: join(folder, 'bird.ctl'),
      log: join(folder, 'bird.log'),
    };
    this.#clock = clock;
    this.#log = log;
    this.#backoff = backoff({ base: 500, max: 30_000 }, random);
    this.#processes = options.processes ?? birdProcesses(executable, inside);
    this.control = options.control ?? openBird(this.#files.socket);
    mkdirSync(folder, { recursive: true });
  }

  /** The process id of the BIRD that we started; undefined for one that was taken over. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /**
   * Makes BIRD work by a configuration: checks it, puts it in place by a rename, then reconfigures the running BIRD or starts
   * one. Resolves when BIRD answers. Throws BirdError Invalid when it does not parse: then the one before stays.
   * The same text again costs nothing while BIRD runs.
   */
  apply(config: string): Promise<void> {
    return this.#mutex.run(async () => {
      if (this.#stopped) return;
      const known = config === this.#placed && this.#refusal === undefined;
      if (known && this.#outage === undefined) return;
      const recover = existsSync(this.#files.config);
      try {
        await this.#place(config);
      } catch (error) {
        this.#refusal = wordsOf(error);
        throw error;
      }
      this.#placed = config;
      this.#refusal = undefined;
      try {
        await this.#bringUp(recover);
      } catch (error) {
        this.#lost(wordsOf(error));
        throw error;
      } finally {
        this.#watch ??= this.#clock.setInterval(() => this.#look(), WATCH_INTERVAL);
      }
    });
  }

  /** Ends our care for BIRD; BIRD itself goes on. */
  stop(): void {
    this.#stopped = true;
    this.#watch?.cancel();
    this.#restart?.cancel();
  }

  /** Ready while BIRD runs with the configuration that was last asked for; else the cause in words. */
  health(): BirdHealth {
    const causes = [this.#outage, this.#refusal].filter(cause => cause !== undefined);
    const detail = causes.length === 0 ? 'BIRD is running' : causes.join('; ');
    return { live: true, ready: causes.length === 0, detail };
  }

  async #place(config: string): Promise<void> {
    const { config: path } = this.#files;
    if (existsSync(path) && readFileSync(path, 'utf8') === config) return;
    const candidate = `${path}.new`;
    // It may hold passwords of sessions.
    writeFileSync(candidate, config, { mode: 0o600 });
    const refusal = await this.#processes.check(candidate);
    if (refusal !== undefined) {
      rmSync(candidate);
      throw new BirdError('Invalid', `Cannot configure BIRD: ${refusal}`);
    }
    renameSync(candidate, path);
  }

  /** The file is in place; BIRD gets to know of it, wherever it is. */
  async #bringUp(recover: boolean): Promise<void> {
    if (await this.#answers()) await this.control.configure();
    else await this.#start(recover);
    this.#restart?.cancel();
    this.#restart = undefined;
    this.#outage = undefined;
  }

  async #answers(): Promise<boolean> {
    try {
      await this.control.status();
      return true;
    } catch (error) {
      if (isUnreachable(error)) return false;
      throw error;
    }
  }

  async #start(recover: boolean): Promise<void> {
    const process = this.#processes.start(this.#files, recover);
    let ended: string | undefined;
    process.ended.then(how => {
      ended = how;
      if (this.#process === process) this.#lost(`BIRD ended: ${how}`);
    });
    const deadline = this.#clock.now() + START_LIMIT;
    while (!(await this.#answers())) {
      if (ended !== undefined) throw new BirdError('Ended', `Cannot start BIRD: ${ended}; see ${this.#files.log}`);
      if (this.#clock.now() >= deadline) {
        process.kill();
        throw new BirdError('Timeout', `Cannot start BIRD: no answer within ${START_LIMIT} ms; see ${this.#files.log}`);
      }
      await this.#clock.sleep(START_POLL);
    }
    this.#process = process;
    this.#startedAt = this.#clock.now();
    this.#log.info({ pid: process.pid, recover }, 'BIRD started');
  }

  /** BIRD is gone, or does not do as asked: it is looked after again after a delay. */
  #lost(cause: string): void {
    this.#process = undefined;
    this.#outage = cause;
    if (this.#stopped || this.#restart !== undefined) return;
    if (this.#clock.now() - this.#startedAt >= STEADY) this.#backoff.reset();
    const delay = this.#backoff.next();
    this.#log.warn({ cause, delayMs: Math.round(delay) }, 'BIRD is gone');
    this.#restart = this.#clock.setTimeout(() => {
      this.#restart = undefined;
      this.#inTurn(() => (this.#outage === undefined ? Promise.resolve() : this.#bringUp(true)));
    }, delay);
  }

  /** One look at a BIRD that may not be our child, so that nobody tells us of its end. */
  #look(): void {
    this.#inTurn(async () => {
      capLog(this.#files.log);
      if (this.#restart === undefined && !(await this.#answers())) this.#lost('nobody answers at the socket');
    });
  }

  /** Work of a timer: after what is under way, and never throws. */
  #inTurn(work: () => Promise<void>): void {
    this.#mutex
      .run(async () => {
        if (!this.#stopped) await work();
      })
      .catch(error => this.#lost(wordsOf(error)));
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
