/** Several values per key; a key is present while it has values. */
export class MultiMap<K, V> {
  readonly #values = new Map<K, Set<V>>();

  /** Adds a value; gives whether the key is new. */
  add(key: K, value: V): boolean {
    const values = this.#values.get(key);
    values?.add(value);
    if (values === undefined) this.#values.set(key, new Set([value]));
    return values === undefined;
  }

  /** Takes a value away; gives whether the key went with it. Nothing happens when it is not there. */
  delete(key: K, value: V): boolean {
    const values = this.#values.get(key);
    if (values === undefined || !values.delete(value) || values.size > 0) return false;
    this.#values.delete(key);
    return true;
  }

  get(key: K): ReadonlySet<V> {
    return this.#values.get(key) ?? NONE;
  }

  has(key: K): boolean {
    return this.#values.has(key);
  }

  keys(): Iterable<K> {
    return this.#values.keys();
  }

  /** Number of keys. */
  get size(): number {
    return this.#values.size;
  }
}

const NONE: ReadonlySet<never> = new Set<never>();
