import { join } from 'node:path';
import type { Subprocess } from 'bun';
import type { ProbeMessage, ProbeReport, ProbeTask } from './prober.ts';

const waitMs = 30_000;

/** The prober at work, in a process of its own: see prober.ts. */
export class Probe {
  readonly #child: Subprocess;
  readonly #open = new Map<string, { open: boolean; at: number }>();
  readonly #probing = Promise.withResolvers<void>();
  readonly #report = Promise.withResolvers<ProbeReport>();
  #changed = Promise.withResolvers<void>();

  private constructor(task: ProbeTask) {
    this.#report.promise.catch(() => undefined);
    this.#child = Bun.spawn([process.execPath, join(import.meta.dir, 'prober.ts')], {
      stdio: ['ignore', 'inherit', 'inherit'],
      ipc: message => this.#take(message as ProbeMessage),
    });
    void this.#child.exited.then(code => this.#fail(`The prober ended with ${code}`));
    this.#child.send(task);
  }

  /** Starts it; resolves when every allowed flow has arrived once and from then on each packet counts. */
  static async start(task: ProbeTask): Promise<Probe> {
    const probe = new Probe(task);
    await probe.#probing.promise;
    return probe;
  }

  /** Resolves when the watched flows of this name are open, or closed; gives when, in ms since 1970. */
  async until(name: string, open: boolean): Promise<number> {
    const end = performance.now() + waitMs;
    for (;;) {
      const states = [...this.#open].filter(([flow]) => flow.includes(name)).map(([, state]) => state);
      if (states.length > 0 && states.every(each => each.open === open))
        return Math.max(...states.map(each => each.at));
      const left = end - performance.now();
      if (left <= 0) throw new Error(`Waited ${waitMs} ms in vain until ${name} is ${open ? 'open' : 'closed'}`);
      await Promise.race([this.#changed.promise, Bun.sleep(left)]);
    }
  }

  /** Ends it, and gives what became of every packet. */
  async end(): Promise<ProbeReport> {
    this.#child.send('end');
    return await this.#report.promise;
  }

  /** Ends it without a report. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #take(message: ProbeMessage): void {
    if (message.kind === 'probing') this.#probing.resolve();
    else if (message.kind === 'failed') this.#fail(message.error);
    else if (message.kind === 'done') this.#report.resolve(message.report);
    else {
      this.#open.set(message.flow, message);
      const { resolve } = this.#changed;
      this.#changed = Promise.withResolvers();
      resolve();
    }
  }

  #fail(reason: string): void {
    this.#probing.reject(new Error(reason));
    this.#report.reject(new Error(reason));
  }
}
