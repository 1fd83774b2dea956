import { Mutex } from '@calico/reconcile';

/** Runs work of one key one piece at a time, in order; work of different keys side by side. */
export class KeyedMutex {
  readonly #mutexes = new Map<string, Mutex>();

  /** Runs work once all asked for before it under any of the keys has ended. */
  async run<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    const [first, ...rest] = keys;
    if (first === undefined) return await work();
    const mutex = this.#mutexes.get(first) ?? new Mutex();
    this.#mutexes.set(first, mutex);
    try {
      return await mutex.run(() => this.run(rest, work));
    } finally {
      if (mutex.pending === 0) this.#mutexes.delete(first);
    }
  }
}
