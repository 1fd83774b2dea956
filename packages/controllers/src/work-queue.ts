import { type Backoff, backoff, type Clock, type Random } from '@calico/reconcile';
import type { Log } from './log.ts';

/** What a queue needs of the world. */
export interface QueueDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Ends it; work under way is let end. */
  readonly signal: AbortSignal;
}

/** What a queue does. */
export interface QueueOptions {
  readonly name: string;
  /** Makes what a key stands for as it should be. Idempotent; when it rejects, the key is tried again later. */
  readonly reconcile: (key: string) => Promise<void>;
  /** Whether the work may be done now; asked anew after every `kick`. */
  readonly ready: () => boolean;
  /** All keys there are, for the periodic look at everything. */
  readonly keys: () => Iterable<string>;
  /** How often everything is looked at, in ms; asked anew each time. 0: never. */
  readonly resyncMs: () => number;
  /** How long a key waits for others to come with it, in ms. */
  readonly gatherMs?: number;
  /** How many keys are worked on at once; 1 unless given. */
  readonly workers?: number;
}

/** From the first failure on; ms. */
const DELAYS = { base: 5, max: 30_000 };

/**
 * Keys to be worked on, each by one worker at a time and once however often it was touched meanwhile. What fails is tried
 * again, with growing delays. Everything is touched from time to time, so that nothing rests on a change being seen.
 */
export class WorkQueue {
  readonly #options: QueueOptions;
  readonly #deps: QueueDeps;
  readonly #waiting = new Set<string>();
  readonly #running = new Set<string>();
  readonly #delays = new Map<string, Backoff>();
  readonly #errors = new Map<string, unknown>();
  readonly #ended = Promise.withResolvers<void>();
  #gathering = false;

  constructor(options: QueueOptions, deps: QueueDeps) {
    this.#options = options;
    this.#deps = deps;
    deps.signal.addEventListener('abort', () => this.#endIfIdle());
    this.#resyncLater();
  }

  /** Of its controller. */
  get name(): string {
    return this.#options.name;
  }

  /** The key is to be worked on. */
  touch(key: string): void {
    this.#waiting.add(key);
    const { gatherMs = 0 } = this.#options;
    if (gatherMs === 0) {
      this.#work();
      return;
    }
    if (this.#gathering) return;
    this.#gathering = true;
    this.#later(gatherMs, () => {
      this.#gathering = false;
      this.#work();
    });
  }

  /** All keys are to be worked on. */
  touchAll(): void {
    for (const key of this.#options.keys()) this.touch(key);
  }

  /** Whether the work may be done has changed. */
  kick(): void {
    if (!this.#gathering) this.#work();
  }

  /** What the keys that fail fail with. */
  get errors(): ReadonlyMap<string, unknown> {
    return this.#errors;
  }

  /** Resolves after the signal, when nothing is under way any more. */
  get done(): Promise<void> {
    return this.#ended.promise;
  }

  #work(): void {
    const { ready, workers = 1 } = this.#options;
    if (this.#deps.signal.aborted || !ready()) return;
    for (const key of this.#waiting) {
      if (this.#running.size >= workers) return;
      if (this.#running.has(key)) continue;
      this.#waiting.delete(key);
      this.#running.add(key);
      void this.#run(key);
    }
  }

  async #run(key: string): Promise<void> {
    const { log, random, signal } = this.#deps;
    const { name, reconcile } = this.#options;
    try {
      await reconcile(key);
      this.#delays.delete(key);
      this.#errors.delete(key);
    } catch (err) {
      if (!signal.aborted) {
        const delays = this.#delays.get(key) ?? backoff(DELAYS, random);
        this.#delays.set(key, delays);
        this.#errors.set(key, err);
        const ms = delays.next();
        log.warn({ err, controller: name, object: key, retryInMs: Math.round(ms) }, 'step failed, trying again');
        this.#later(ms, () => {
          this.#waiting.add(key);
          this.#work();
        });
      }
    }
    this.#running.delete(key);
    this.#work();
    this.#endIfIdle();
  }

  #resyncLater(): void {
    const ms = this.#options.resyncMs();
    // Whoever turns it off may turn it on again.
    this.#later(ms > 0 ? ms : 60_000, () => {
      if (ms > 0) this.touchAll();
      this.#resyncLater();
    });
  }

  #later(ms: number, call: () => void): void {
    const { clock, signal } = this.#deps;
    clock.sleep(ms, signal).then(call, err => {
      if (!signal.aborted) throw err;
    });
  }

  #endIfIdle(): void {
    if (this.#deps.signal.aborted && this.#running.size === 0) this.#ended.resolve();
  }
}
