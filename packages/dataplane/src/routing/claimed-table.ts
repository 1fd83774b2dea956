import { eachInSteps } from '@calico/reconcile';

/** How the entries of one table of the kernel are written. */
export interface TableDriver<V> {
  same(present: V, wanted: V): boolean;
  /** Adds or replaces; false when that has to wait for something that will be heard of. Throws KernelError. */
  write(wanted: V): boolean;
  /** Removes; what is absent already counts as removed. Throws KernelError. */
  remove(present: V): void;
  /** Whether the claim of one source goes before that of another. */
  before(source: string, other: string): boolean;
}

/**
 * The entries of one table of the kernel (routes, neighbours, …) as several sources claim them, beside what the kernel has.
 * Of several claims on one entry the first counts. Writing is O(change), comparing O(entries).
 */
export class ClaimedTable<V> {
  readonly #driver: TableDriver<V>;
  readonly #claims = new Map<string, Map<string, V>>();
  readonly #keysOf = new Map<string, readonly string[]>();
  /** What the kernel has of ours; undefined until the first reading. */
  #actual: Map<string, V> | undefined;
  readonly #dirty = new Set<string>();
  /** Entries that the kernel may have dropped by itself, whatever `#actual` says. */
  readonly #unsure = new Set<string>();
  /** Entries written while a comparison is under way. */
  #written: Set<string> | undefined;

  constructor(driver: TableDriver<V>) {
    this.#driver = driver;
  }

  /** Whether it is known what the kernel has; `read` makes it so. */
  get isRead(): boolean {
    return this.#actual !== undefined;
  }

  /** The source claims just these entries from now on. */
  claim(source: string, entries: readonly (readonly [string, V])[]): void {
    const keys = entries.map(([key]) => key);
    for (const [key, value] of entries) {
      const claims = this.#claims.get(key) ?? new Map<string, V>();
      this.#claims.set(key, claims.set(source, value));
      this.#dirty.add(key);
    }
    for (const key of this.#keysOf.get(source) ?? []) {
      if (keys.includes(key)) continue;
      const claims = this.#claims.get(key);
      claims?.delete(source);
      if (claims?.size === 0) this.#claims.delete(key);
      this.#dirty.add(key);
    }
    if (keys.length > 0) this.#keysOf.set(source, keys);
    else this.#keysOf.delete(source);
  }

  /** What the source claims is to be written again, even if the kernel should have it. */
  doubt(source: string): void {
    for (const key of this.#keysOf.get(source) ?? []) {
      this.#unsure.add(key);
      this.#dirty.add(key);
    }
  }

  /** It is not known any more what the kernel has. */
  forget(): void {
    this.#actual = undefined;
  }

  /** The kernel has just these entries of ours: whatever differs is written by the next `applyInSteps`. */
  read(entries: Iterable<readonly [string, V]>): void {
    this.#actual = new Map(entries);
    for (const key of [...this.#actual.keys(), ...this.#claims.keys()]) this.#dirty.add(key);
  }

  /**
   * Compares what a reading in steps gives with what should be there but for what is written meanwhile. Gives how many
   * entries are other than they should be; the next `applyInSteps` writes them.
   */
  *compareInSteps(reading: Generator<void, Iterable<readonly [string, V]>>): Generator<void, number> {
    const actual = this.#actual;
    // The next write reads everything anyway.
    if (actual === undefined) return 0;
    const written = new Set<string>();
    this.#written = written;
    let drift = 0;
    try {
      const seen = new Map(yield* reading);
      if (this.#actual !== actual) return 0;
      const correct = (key: string) => {
        const [present, known] = [seen.get(key), actual.get(key)];
        if (written.has(key) || (present && known ? this.#driver.same(present, known) : present === known)) return;
        if (present === undefined) actual.delete(key);
        else actual.set(key, present);
        this.#dirty.add(key);
        drift++;
      };
      yield* eachInSteps(seen.keys(), correct);
      yield* eachInSteps(actual.keys(), correct);
      return drift;
    } finally {
      this.#written = undefined;
    }
  }

  /** What is wanted, and what the kernel had when it was last read or written. */
  *entries(): Generator<{ readonly wanted: V | undefined; readonly present: V | undefined }> {
    for (const key of new Set([...this.#claims.keys(), ...(this.#actual?.keys() ?? [])])) {
      yield { wanted: this.#wanted(key), present: this.#actual?.get(key) };
    }
  }

  /**
   * Writes what has changed; gives how many entries were written or removed. One that the kernel refuses keeps no other
   * back: the first KernelError is thrown at the end, and the next call tries again.
   */
  *applyInSteps(): Generator<void, number> {
    let written = 0;
    let refused: { error: unknown } | undefined;
    // What comes does so before anything goes: a route under another metric takes over from the old one.
    const isWanted = (key: string) => this.#claims.has(key);
    const dirty = [...this.#dirty];
    for (const key of [...dirty.filter(isWanted), ...dirty.filter(key => !isWanted(key))]) {
      try {
        this.#dirty.delete(key);
        if (this.#apply(key)) written++;
        this.#unsure.delete(key);
      } catch (error) {
        this.#dirty.add(key);
        refused ??= { error };
      }
      yield;
    }
    if (refused !== undefined) throw refused.error;
    return written;
  }

  #apply(key: string): boolean {
    const wanted = this.#wanted(key);
    const present = this.#actual?.get(key);
    if (wanted === undefined) {
      if (present === undefined) return false;
      this.#driver.remove(present);
      this.#actual?.delete(key);
    } else {
      if (present !== undefined && this.#driver.same(present, wanted) && !this.#unsure.has(key)) return false;
      if (!this.#driver.write(wanted)) {
        this.#actual?.delete(key);
        return false;
      }
      this.#actual?.set(key, wanted);
    }
    this.#written?.add(key);
    return true;
  }

  #wanted(key: string): V | undefined {
    let first: readonly [string, V] | undefined;
    for (const claim of this.#claims.get(key) ?? []) {
      if (first === undefined || this.#driver.before(claim[0], first[0])) first = claim;
    }
    return first?.[1];
  }
}
