import { type Clock, ClockFake, type Timer } from '@calico/reconcile';

/** Time on which work takes time, so that it fills turns; these come one by one when asked for. */
export class TurnClockFake extends ClockFake implements Clock {
  /** What every look at the clock takes, in milliseconds. */
  busyMs = 0;
  #worked = 0;
  readonly #turns: (() => void)[] = [];

  override now(): number {
    this.#worked += this.busyMs;
    return super.now() + this.#worked;
  }

  override setTimeout(call: () => void, ms: number): Timer {
    if (ms > 0) return super.setTimeout(call, ms);
    this.#turns.push(call);
    return {
      cancel: () => {
        const at = this.#turns.indexOf(call);
        if (at >= 0) this.#turns.splice(at, 1);
      },
    };
  }

  /** Work of so many milliseconds. */
  work(ms: number): void {
    this.#worked += ms;
  }

  /** Lets one turn pass; gives whether there was one. */
  turn(): boolean {
    const call = this.#turns.shift();
    call?.();
    return call !== undefined;
  }

  /** Lets turns pass until nothing waits for one; gives how many there were. */
  async turns(): Promise<number> {
    let count = 0;
    while (this.turn()) {
      count++;
      await Promise.resolve();
    }
    return count;
  }
}
