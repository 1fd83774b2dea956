/** A text that several have. Two holders have equal texts exactly when they hold the same object. */
export interface SharedText {
  readonly text: string;
  holders: number;
}

/** Texts of which many are equal, each kept once: the rules of namespaces' policies and profiles are mostly one template's. */
export class SharedTexts {
  readonly #texts = new Map<string, SharedText>();

  /** One more holder of a text. */
  acquire(text: string): SharedText {
    let shared = this.#texts.get(text);
    if (shared === undefined) {
      shared = { text, holders: 0 };
      this.#texts.set(text, shared);
    }
    shared.holders++;
    return shared;
  }

  /** One holder less. */
  release(shared: SharedText): void {
    if (--shared.holders === 0) this.#texts.delete(shared.text);
  }

  get size(): number {
    return this.#texts.size;
  }
}
