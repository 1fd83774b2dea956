import type { Dataplane } from '@calico/dataplane';
import type { Logger } from '@calico/process';
import { type Clock, type Timer, Turn } from '@calico/reconcile';

/** When connections are judged again after the kernel has refused it, in milliseconds. */
const retryMs = 1_000;

/** After a run, so many times as long nothing is judged: with many changes a fifth of the time at most goes there. */
const restFactor = 4;

/**
 * Has live connections end that policy no longer allows, where that is asked for: in turns of the event loop, when the rules are
 * in the kernel and nobody waits for more of them.
 */
export class ConnectionCutter {
  readonly #dataplane: Dataplane;
  readonly #clock: Clock;
  readonly #log: Logger;
  #judging: Generator<void, number> | undefined;
  #timer: Timer | undefined;
  /** On the clock. */
  #begun = 0;
  #restsUntil = 0;

  constructor(dataplane: Dataplane, clock: Clock, log: Logger) {
    this.#dataplane = dataplane;
    this.#clock = clock;
    this.#log = log;
  }

  /** What has changed is in the kernel. To be called after every write: it lets work that was waiting for its end go on. */
  written(): void {
    this.#goOn(0);
  }

  /** Stops. What is cut stays cut. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#judging?.return(0);
    this.#judging = undefined;
  }

  #goOn(delay: number): void {
    if (this.#timer !== undefined) return;
    if (this.#judging === undefined && !this.#dataplane.hasConnectionsToJudge) return;
    const rest = this.#judging === undefined ? this.#restsUntil - this.#clock.now() : 0;
    this.#timer = this.#clock.setTimeout(
      () => {
        this.#timer = undefined;
        this.#judge();
      },
      Math.max(delay, rest),
    );
  }

  /** Half a change is nothing to judge by: the end of the write under way lets it go on. */
  #judge(): void {
    if (this.#dataplane.applying) return;
    const turn = new Turn(this.#clock);
    if (this.#judging === undefined) this.#begun = this.#clock.now();
    const judging = this.#judging ?? this.#dataplane.cutConnections();
    this.#judging = judging;
    try {
      for (;;) {
        const { done, value } = judging.next();
        if (done) {
          this.#judging = undefined;
          this.#restsUntil = this.#clock.now() + restFactor * (this.#clock.now() - this.#begun);
          if (value > 0) this.#log.info({ connections: value }, 'Cut connections that policy no longer allows');
        }
        if (done || turn.spent) break;
      }
      this.#goOn(0);
    } catch (err) {
      this.#judging = undefined;
      this.#log.warn({ err, retryMs }, 'Live connections could not be judged; trying again');
      this.#goOn(retryMs);
    }
  }
}
