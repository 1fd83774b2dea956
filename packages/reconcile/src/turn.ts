import type { Clock } from './clock.ts';

/**
 * How long one piece of long work may hold the event loop, in ms. No turn is to take more than 20 ms, and two pieces may
 * meet in one.
 */
export const TURN_MS = 8;

/** One turn of the event loop, for work that is cut: whoever finds it spent goes on in another turn. */
export class Turn {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #ends: number;

  constructor(clock: Pick<Clock, 'now'>, ms: number = TURN_MS) {
    this.#clock = clock;
    this.#ends = clock.now() + ms;
  }

  /** Whether the time is over. */
  get spent(): boolean {
    return this.#clock.now() >= this.#ends;
  }
}
