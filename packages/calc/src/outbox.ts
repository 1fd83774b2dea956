import { same } from './same.ts';

/**
 * Values by key on their way out: at most one change per key between two flushes, and none for a value that is as it
 * was when it was last taken.
 */
export class Outbox<V> {
  readonly #sent = new Map<string, V>();
  readonly #pending = new Map<string, V | undefined>();

  /** The value under `key` is now `value`; undefined: there is none any more. */
  put(key: string, value: V | undefined): void {
    this.#pending.set(key, value);
  }

  /** What changed since the last call. */
  take(): { readonly updates: readonly V[]; readonly removes: readonly string[] } {
    const updates: V[] = [];
    const removes: string[] = [];
    for (const [key, value] of this.#pending) {
      const sent = this.#sent.get(key);
      if (value !== undefined) {
        if (sent !== undefined && same(sent, value)) continue;
        this.#sent.set(key, value);
        updates.push(value);
      } else if (sent !== undefined) {
        this.#sent.delete(key);
        removes.push(key);
      }
    }
    this.#pending.clear();
    return { updates, removes };
  }

  /** The values that are out. */
  values(): Iterable<V> {
    return this.#sent.values();
  }

  /** How many values are out. */
  get size(): number {
    return this.#sent.size;
  }
}
