import { type Cancellation, type Clock, sleepOn, type Timer } from './clock.ts';

interface Due {
  at: number;
  readonly order: number;
  readonly call: () => void;
}

/** How many turns of the microtask queue follow each timer, so that what it wakes can run and set timers of its own. */
const TURNS = 50;

/** A clock that stands still until told to advance, for tests. */
export class ClockFake implements Clock {
  #now = 0;
  #wallStart: number;
  #order = 0;
  readonly #due = new Set<Due>();

  /** @param wallStart the wall time at the start, in milliseconds since 1970; by default 2026-01-01. */
  constructor(wallStart = 1_767_225_600_000) {
    this.#wallStart = wallStart;
  }

  now(): number {
    return this.#now;
  }

  wallTime(): number {
    return this.#wallStart + this.#now;
  }

  sleep(ms: number, signal?: Cancellation): Promise<void> {
    return sleepOn(this, ms, signal);
  }

  setTimeout(call: () => void, ms: number): Timer {
    const due: Due = {
      at: this.#now + Math.max(0, ms),
      order: this.#order++,
      call: () => {
        this.#due.delete(due);
        call();
      },
    };
    this.#due.add(due);
    return { cancel: () => this.#due.delete(due) };
  }

  setInterval(call: () => void, ms: number): Timer {
    const period = Math.max(1, ms);
    const due: Due = {
      at: this.#now + period,
      order: this.#order++,
      call: () => {
        due.at += period;
        call();
      },
    };
    this.#due.add(due);
    return { cancel: () => this.#due.delete(due) };
  }

  /** How many timers wait. */
  get timers(): number {
    return this.#due.size;
  }

  /** How long until the next timer, undefined when none waits. */
  get untilNext(): number | undefined {
    const next = this.#next();
    return next && next.at - this.#now;
  }

  /**
   * Lets a span pass: calls the timers due in it in order of time, each at its own time, and after each lets waiting
   * promises go on. Timers set on the way are called too when they are due.
   */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (let next = this.#next(); next !== undefined && next.at <= end; next = this.#next()) {
      this.#now = next.at;
      next.call();
      await settle();
    }
    this.#now = end;
    await settle();
  }

  /** Moves the wall clock alone, as an operator or NTP does. */
  setWallTime(ms: number): void {
    this.#wallStart = ms - this.#now;
  }

  #next(): Due | undefined {
    let next: Due | undefined;
    for (const due of this.#due) {
      if (next === undefined || due.at < next.at || (due.at === next.at && due.order < next.order)) next = due;
    }
    return next;
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < TURNS; i++) await Promise.resolve();
}
