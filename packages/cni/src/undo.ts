/** What has to be done to take back what has been done so far. */
export class Undo {
  readonly #steps: (() => unknown)[] = [];

  /** Notes how to take back what is about to be done, or has just been done. */
  add(step: () => unknown): void {
    this.#steps.push(step);
  }

  /** Takes everything back, the last first; a step that fails does not keep the others, and is told. */
  async run(onFailure: (error: unknown) => void): Promise<void> {
    for (const step of this.#steps.splice(0).reverse()) {
      try {
        await step();
      } catch (error) {
        onFailure(error);
      }
    }
  }
}
