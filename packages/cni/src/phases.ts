import type { Clock } from '@calico/reconcile';

/** Measures the parts of a piece of work, one after the other. */
export class Phases {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #start: number;
  readonly #spans: Record<string, number> = {};
  #last: number;

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
    this.#start = clock.now();
    this.#last = this.#start;
  }

  /** What was done since the last mark has this name. */
  mark(name: string): void {
    const now = this.#clock.now();
    this.#spans[`${name}Ms`] = rounded(now - this.#last);
    this.#last = now;
  }

  /** Milliseconds of each part and of all. */
  get spans(): Readonly<Record<string, number>> {
    return { ...this.#spans, totalMs: rounded(this.#clock.now() - this.#start) };
  }
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}
