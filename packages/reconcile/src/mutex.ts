/** Runs asynchronous work one piece at a time, in the order it was asked for. */
export class Mutex {
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** Runs work once all asked for before it has ended; gives its result or error. A failure does not stop what follows. */
  run<T>(work: () => T | Promise<T>): Promise<T> {
    this.#waiting++;
    const result = this.#last.then(work);
    const done = () => {
      this.#waiting--;
    };
    this.#last = result.then(done, done);
    return result;
  }

  /** How many pieces of work wait or run. */
  get pending(): number {
    return this.#waiting;
  }
}
