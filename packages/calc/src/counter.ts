/** Counts by key; a key is present while its count is above 0. */
export class Counter<K> {
  readonly #counts = new Map<K, number>();

  /** Counts one more; gives whether it is the first. */
  add(key: K): boolean {
    const count = this.#counts.get(key);
    this.#counts.set(key, (count ?? 0) + 1);
    return count === undefined;
  }

  /** Counts one less; gives whether it was the last. Throws when there is none. */
  remove(key: K): boolean {
    const count = this.#counts.get(key);
    if (count === undefined) throw new Error(`Cannot count down ${String(key)}: its count is 0`);
    if (count > 1) this.#counts.set(key, count - 1);
    else this.#counts.delete(key);
    return count === 1;
  }

  has(key: K): boolean {
    return this.#counts.has(key);
  }

  entries(): IterableIterator<[K, number]> {
    return this.#counts.entries();
  }

  keys(): IterableIterator<K> {
    return this.#counts.keys();
  }

  get size(): number {
    return this.#counts.size;
  }
}

/** Counts keys under a name, in a counter that is made when it is missing. */
export function countInto<K>(counters: Map<string, Counter<K>>, name: string, keys: Iterable<K>): void {
  const counter = counters.get(name) ?? new Counter<K>();
  counters.set(name, counter);
  for (const key of keys) counter.add(key);
}
