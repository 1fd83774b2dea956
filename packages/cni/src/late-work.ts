/** Work of calls that have been answered: who ends the process waits for it. */
export class LateWork {
  readonly #open = new Set<Promise<unknown>>();

  /** Notes work, which reports its failures itself. */
  add(work: Promise<unknown>): void {
    const ended = work
      .catch(() => undefined)
      .finally(() => {
        this.#open.delete(ended);
      });
    this.#open.add(ended);
  }

  /** Resolves when all of it has ended. */
  async settled(): Promise<void> {
    await Promise.all(this.#open);
  }
}
