import type { Random } from '@calico/reconcile';

interface Due {
  readonly at: number;
  readonly call: () => void;
}

/** Virtual time: who waits is called in the order of time, and everything that follows happens before the next. */
export class Timeline {
  readonly #random: Random;
  /** A heap: the first is due first. */
  readonly #due: Due[] = [];
  #now = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Milliseconds. */
  get now(): number {
    return this.#now;
  }

  /** Waits for a span around a mean, in milliseconds, exponentially distributed as arrivals are. */
  pause(mean: number): Promise<void> {
    return this.#at(this.#now - Math.log(1 - this.#random.next()) * mean);
  }

  /** Waits for a span, in milliseconds. */
  sleep(ms: number): Promise<void> {
    return this.#at(this.#now + ms);
  }

  /** Waits for a span between two bounds, in milliseconds, as answers take. */
  between(least: number, most: number): Promise<void> {
    return this.#at(this.#now + least + this.#random.next() * (most - least));
  }

  /** Lets time pass until the work is done. */
  async during(work: Promise<unknown>): Promise<void> {
    let done = false;
    const finish = () => {
      done = true;
    };
    work.then(finish, finish);
    while (!done) {
      const next = this.#pop();
      if (next !== undefined) this.#now = next.at;
      next?.call();
      await new Promise(resolve => setImmediate(resolve));
    }
    await work;
  }

  #at(at: number): Promise<void> {
    return new Promise(resolve => {
      const due = this.#due;
      let i = due.length;
      due.push({ at, call: resolve });
      for (let parent = (i - 1) >> 1; i > 0 && at < (due[parent] as Due).at; parent = (i - 1) >> 1) {
        [due[i], due[parent]] = [due[parent] as Due, due[i] as Due];
        i = parent;
      }
    });
  }

  #pop(): Due | undefined {
    const due = this.#due;
    const [first] = due;
    const last = due.pop();
    if (last === undefined || due.length === 0) return last;
    due[0] = last;
    for (let i = 0; ; ) {
      const [left, right] = [2 * i + 1, 2 * i + 2];
      let least = i;
      if (left < due.length && (due[left] as Due).at < (due[least] as Due).at) least = left;
      if (right < due.length && (due[right] as Due).at < (due[least] as Due).at) least = right;
      if (least === i) return first;
      [due[i], due[least]] = [due[least] as Due, due[i] as Due];
      i = least;
    }
  }
}
