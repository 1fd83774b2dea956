import type { ChainSpec, Expr, SetSpec } from '@calico/kernel';

/** A chain as it should be. One that hooks into the kernel is rewritten in place; any other never changes. */
export interface Chain {
  readonly spec: ChainSpec;
  readonly rules: readonly (readonly Expr[])[];
}

/**
 * A named set or map as it should be. Elements: key bytes as a Latin-1 string → '' or, in a verdict map, the chain, or, in
 * a map of values, the value's bytes as a Latin-1 string.
 */
export interface NamedSet {
  readonly spec: SetSpec;
  readonly elements: Map<string, string>;
  /**
   * How many lookups stand before this one: what another map leads to must be there first and go last. 0 by default.
   */
  readonly depth: number;
}

/** Names of what has changed since the ruleset was last written; elements by their set. */
export interface Changes {
  readonly chains: Set<string>;
  readonly counters: Set<string>;
  readonly sets: Set<string>;
  readonly elements: Map<string, Set<string>>;
}

/** The content that our table should have, with the names of everything that changed since it was last taken. */
export class Ruleset {
  readonly chains = new Map<string, Chain>();
  readonly counters = new Set<string>();
  readonly sets = new Map<string, NamedSet>();
  #dirty = noChanges();

  /** Adds or replaces a chain. */
  setChain(chain: Chain): void {
    this.chains.set(chain.spec.name, chain);
    this.#dirty.chains.add(chain.spec.name);
  }

  /** Removes a chain. */
  deleteChain(name: string): void {
    if (this.chains.delete(name)) this.#dirty.chains.add(name);
  }

  /** Adds a counter. */
  addCounter(name: string): void {
    this.counters.add(name);
    this.#dirty.counters.add(name);
  }

  /** Removes a counter. */
  deleteCounter(name: string): void {
    if (this.counters.delete(name)) this.#dirty.counters.add(name);
  }

  /** Adds a set or map with its elements. */
  addSet(spec: SetSpec, elements: Iterable<readonly [string, string]>, depth = 0): void {
    this.sets.set(spec.name, { spec, elements: new Map(elements), depth });
    this.#dirty.sets.add(spec.name);
  }

  /** Removes a set or map. */
  deleteSet(name: string): void {
    if (!this.sets.delete(name)) return;
    this.#dirty.sets.add(name);
    this.#dirty.elements.delete(name);
  }

  /** Adds, changes or (undefined) removes an element of a set that exists. */
  setElement(set: string, key: string, value: string | undefined): void {
    const elements = this.sets.get(set)?.elements;
    if (elements === undefined || elements.get(key) === value) return;
    if (value === undefined) elements.delete(key);
    else elements.set(key, value);
    this.markElement(set, key);
  }

  /** Marks an element of a set as changed, whether it is in the ruleset or not. */
  markElement(set: string, key: string): void {
    let keys = this.#dirty.elements.get(set);
    if (keys === undefined) {
      keys = new Set();
      this.#dirty.elements.set(set, keys);
    }
    keys.add(key);
  }

  /** Marks a chain, counter or set as changed, whether it is in the ruleset or not. */
  markChanged(kind: 'chains' | 'counters' | 'sets', name: string): void {
    this.#dirty[kind].add(name);
  }

  /**
   * The names of what has changed since the last call; what the writer could not write it must mark again. With `only`, elements
   * of other sets that were there before stay changed.
   */
  takeChanges(only: (set: string) => boolean = () => true): Changes {
    const taken = this.#dirty;
    this.#dirty = noChanges();
    for (const [set, keys] of taken.elements) {
      if (only(set) || taken.sets.has(set)) continue;
      taken.elements.delete(set);
      this.#dirty.elements.set(set, keys);
    }
    return taken;
  }

  /** Whether anything has changed since the changes were last taken. */
  get changed(): boolean {
    const { chains, counters, sets, elements } = this.#dirty;
    return chains.size + counters.size + sets.size + elements.size > 0;
  }
}

/** No changes yet. */
export function noChanges(): Changes {
  return { chains: new Set(), counters: new Set(), sets: new Set(), elements: new Map() };
}
