import { AtomIndex } from './atom-index.ts';
import type { Atom } from './cover.ts';
import type { Labels } from './labels.ts';

/** What an index of owners asks of those who keep them. */
export interface Owners<T> {
  /** Every owner, those just added among them. */
  all(): Iterable<T>;
  /** An owner's own value of a label. */
  label(owner: T, label: string): string | undefined;
}

/**
 * Owners of labels by their labels. A label is filed when somebody first asks about it: most (hashes, names of pods) are
 * in no selector, and filing them would cost more time and memory than everything else that an owner needs.
 */
export class OwnerIndex<T extends object> {
  readonly #filed = new AtomIndex<T>();
  readonly #labels = new Set<string>();
  readonly #owners: Owners<T>;

  constructor(owners: Owners<T>) {
    this.#owners = owners;
  }

  /** An owner came with these labels. */
  add(owner: T, labels: Labels): void {
    for (const label in labels) if (this.#labels.has(label)) this.#filed.add(label, labels[label], owner);
  }

  /** An owner with these labels goes. */
  remove(owner: T, labels: Labels): void {
    for (const label in labels) if (this.#labels.has(label)) this.#filed.remove(label, labels[label], owner);
  }

  /** The owners whose labels meet an atom. */
  meeting(atom: Atom): Iterable<T> {
    this.#file(atom.label);
    return this.#filed.meeting(atom);
  }

  /** How many owners `meeting` gives. */
  countMeeting(atom: Atom): number {
    this.#file(atom.label);
    return this.#filed.countMeeting(atom);
  }

  /** Throws when what is filed is not what the owners have. */
  check(): void {
    let owned = 0;
    for (const owner of this.#owners.all()) {
      for (const label of this.#labels) if (this.#owners.label(owner, label) !== undefined) owned++;
    }
    if (owned !== this.#filed.size) {
      throw new Error(`Cannot trust owner index: labels filed are ${this.#filed.size}; should be ${owned}`);
    }
  }

  #file(label: string): void {
    if (this.#labels.has(label)) return;
    this.#labels.add(label);
    for (const owner of this.#owners.all()) {
      const value = this.#owners.label(owner, label);
      if (value !== undefined) this.#filed.add(label, value, owner);
    }
  }
}
