import { type Backoff, type BackoffOptions, backoff, type Clock, type Random, type Timer } from '@calico/reconcile';

/** Work that is done more than once. */
export interface RepeatedWorkOptions {
  /** Idempotent. */
  work(signal: AbortSignal): Promise<void>;
  /** From the end of one round to the next, in ms; only when asked when left out. */
  readonly intervalMs?: number;
  /** How long is waited after failures; 50 ms to 30 s unless given. */
  readonly delays?: BackoffOptions;
  /** Told how each round ended: undefined, or why it failed and in how many ms it is tried again. */
  onRound?(failure: { readonly error: unknown; readonly retryMs: number } | undefined): void;
  readonly clock: Clock;
  readonly random: Random;
}

/** How long a round may go on after it has been told to stop. */
const stopPatienceMs = 1_000;

const DELAYS = { base: 50, max: 30_000 };

/** Does work at once, at an interval, whenever it is asked, and after failures with growing delays; never two rounds at a time. */
export class RepeatedWork {
  readonly #options: RepeatedWorkOptions;
  readonly #delays: Backoff;
  readonly #stop = new AbortController();
  #timer: Timer | undefined;
  #running: Promise<void> | undefined;
  #again = false;

  constructor(options: RepeatedWorkOptions) {
    this.#options = options;
    this.#delays = backoff(options.delays ?? DELAYS, options.random);
  }

  /** Starts a round, or asks for one more after the one that runs. */
  ask(): void {
    if (this.#stop.signal.aborted) return;
    this.#timer?.cancel();
    if (this.#running !== undefined) {
      this.#again = true;
      return;
    }
    this.#again = false;
    this.#running = this.#round().finally(() => {
      this.#running = undefined;
      if (this.#again) this.ask();
    });
  }

  /** The same after a span, in ms, unless it is asked for earlier. */
  askIn(ms: number): void {
    if (this.#stop.signal.aborted) return;
    this.#timer?.cancel();
    this.#timer = this.#options.clock.setTimeout(() => this.ask(), ms);
  }

  /**
   * Lets no further round start and waits a second for the one that runs, whose signal is aborted: a request that a server
   * does not answer keeps no process from its end.
   */
  async stop(): Promise<void> {
    this.#stop.abort(new Error('the work is to stop'));
    this.#timer?.cancel();
    if (this.#running === undefined) return;
    const patience = Promise.withResolvers<void>();
    const timer = this.#options.clock.setTimeout(() => patience.resolve(), stopPatienceMs);
    await Promise.race([this.#running, patience.promise]);
    timer.cancel();
  }

  async #round(): Promise<void> {
    const { work, onRound, intervalMs } = this.#options;
    const { signal } = this.#stop;
    try {
      await work(signal);
      this.#delays.reset();
      onRound?.(undefined);
      if (intervalMs !== undefined) this.askIn(intervalMs);
    } catch (error) {
      if (signal.aborted) return;
      const retryMs = Math.round(this.#delays.next());
      this.askIn(retryMs);
      onRound?.({ error, retryMs });
    }
  }
}
