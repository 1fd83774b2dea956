import type { Clock } from '@calico/reconcile';

/** Measures the parts of a piece of work, one after the other. */
export class Phases {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #start: number;
  readonly #spans: Record<string, number> = {};
  readonly #onPhase: ((name: string) => void) | undefined;
  #last: number;

  /** @param onPhase is told each part's name as soon as it is done. */
  constructor(clock: Pick<Clock, 'now'>, onPhase?: (name: string) => void) {
    this.#clock = clock;
    this.#onPhase = onPhase;
    this.#start = clock.now();
    this.#last = this.#start;
  }

  /** What was done since the last mark has this name. */
  mark(name: string): void {
    const now = this.#clock.now();
    this.#spans[`${name}Ms`] = rounded(now - this.#last);
    this.#last = now;
    this.#onPhase?.(name);
  }

  /** Milliseconds of each part and of all. */
  get spans(): Readonly<Record<string, number>> {
    return { ...this.#spans, totalMs: rounded(this.#clock.now() - this.#start) };
  }
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}
