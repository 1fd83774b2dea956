/** One side of a DeltaTracker, used like a Map. Keys must be strings or numbers, or compared by identity. */
export interface DeltaSide<K, V> {
  set(key: K, value: V): void;
  delete(key: K): void;
  get(key: K): V | undefined;
  has(key: K): boolean;
  readonly size: number;
  /** Makes the side hold exactly these entries, as after a full read. O(entries). */
  replaceAll(entries: Iterable<readonly [K, V]>): void;
  [Symbol.iterator](): IterableIterator<[K, V]>;
}

/**
 * What should be (`desired`) beside what is known to be (`actual`), and at any time what is to be done about it.
 *
 * ```
 *   desired ┌───────────────────────┐
 *           │ pending   ┌───────────┼───────────┐
 *           │ updates   │  in sync  │  pending  │
 *           │ (absent or│           │ deletions │
 *           │  different)           │           │
 *           └───────────┼───────────┘           │
 *                       └───────────────────────┘ actual
 * ```
 *
 * A driver applies what is pending to its target and says so through `actual`: each `actual.set` of the desired value
 * takes an update off, each `actual.delete` a deletion, also while they are being iterated. `resync` of a driver is
 * `actual.replaceAll` with what was read. A change of either side costs O(1).
 */
export class DeltaTracker<K, V> {
  readonly #equals: (a: V, b: V) => boolean;
  readonly #desired = new Map<K, V>();
  readonly #actual = new Map<K, V>();
  readonly #updates = new Map<K, V>();
  readonly #deletions = new Map<K, V>();

  readonly desired: DeltaSide<K, V> = side(this.#desired, key => this.#compare(key));
  readonly actual: DeltaSide<K, V> = side(this.#actual, key => this.#compare(key));

  /** @param equals whether an actual value needs no update to a desired one; by default identity. */
  constructor(equals: (actual: V, desired: V) => boolean = Object.is) {
    this.#equals = equals;
  }

  /** Desired entries that are absent or different in actual, with their desired values. */
  pendingUpdates(): IterableIterator<[K, V]> {
    return this.#updates.entries();
  }

  /** Actual entries that are not desired, with their actual values. */
  pendingDeletions(): IterableIterator<[K, V]> {
    return this.#deletions.entries();
  }

  get pendingUpdateCount(): number {
    return this.#updates.size;
  }

  get pendingDeletionCount(): number {
    return this.#deletions.size;
  }

  /** Whether nothing is pending. */
  get inSync(): boolean {
    return this.#updates.size === 0 && this.#deletions.size === 0;
  }

  /** Throws when what is pending is not the difference of the two sides. O(entries). */
  check(): void {
    for (const key of new Set([...this.#desired.keys(), ...this.#actual.keys()])) {
      const isUpdate = this.#desired.has(key) && !this.#isInSync(key);
      const isDeletion = this.#actual.has(key) && !this.#desired.has(key);
      if (this.#updates.has(key) !== isUpdate)
        throw new Error(`Cannot trust tracker: update of ${key} should be ${isUpdate}`);
      if (this.#deletions.has(key) !== isDeletion) {
        throw new Error(`Cannot trust tracker: deletion of ${key} should be ${isDeletion}`);
      }
    }
    for (const key of [...this.#updates.keys(), ...this.#deletions.keys()]) {
      if (!this.#desired.has(key) && !this.#actual.has(key)) throw new Error(`Cannot trust tracker: ${key} is nowhere`);
    }
  }

  #isInSync(key: K): boolean {
    if (!this.#actual.has(key)) return false;
    const actual = this.#actual.get(key) as V;
    return this.#equals(actual, this.#desired.get(key) as V);
  }

  /** Settles what is pending for a key after a change of either side. */
  #compare(key: K): void {
    if (this.#desired.has(key)) {
      this.#deletions.delete(key);
      if (this.#isInSync(key)) this.#updates.delete(key);
      else this.#updates.set(key, this.#desired.get(key) as V);
    } else {
      this.#updates.delete(key);
      if (this.#actual.has(key)) this.#deletions.set(key, this.#actual.get(key) as V);
      else this.#deletions.delete(key);
    }
  }
}

function side<K, V>(map: Map<K, V>, changed: (key: K) => void): DeltaSide<K, V> {
  return {
    set(key, value) {
      map.set(key, value);
      changed(key);
    },
    delete(key) {
      if (map.delete(key)) changed(key);
    },
    get: key => map.get(key),
    has: key => map.has(key),
    get size() {
      return map.size;
    },
    replaceAll(entries) {
      const next = new Map(entries);
      for (const key of map.keys()) {
        if (next.has(key)) continue;
        map.delete(key);
        changed(key);
      }
      for (const [key, value] of next) {
        map.set(key, value);
        changed(key);
      }
    },
    [Symbol.iterator]: () => map.entries(),
  };
}
