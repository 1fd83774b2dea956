import { AtomIndex } from './atom-index.ts';
import type { Atom } from './cover.ts';
import type { Group } from './label-group.ts';

/** How many labels are filed one by one, each for a walk over all groups, before all are filed at once. */
const SINGLE_LABELS = 64;

/**
 * Groups by their own labels. A label is filed when somebody first asks about it: most labels (hashes, names of pods) are
 * in no selector, and filing them would cost more time and memory than everything else a group needs.
 */
export class GroupIndex {
  readonly #filed = new AtomIndex<Group>();
  readonly #labels = new Set<string>();
  readonly #groups: () => Iterable<Group>;
  #all = false;

  /** @param groups gives every group there is, added ones included. */
  constructor(groups: () => Iterable<Group>) {
    this.#groups = groups;
  }

  add(group: Group): void {
    for (const label in group.labels) if (this.#files(label)) this.#filed.add(label, group.labels[label], group);
  }

  remove(group: Group): void {
    for (const label in group.labels) if (this.#files(label)) this.#filed.remove(label, group.labels[label], group);
  }

  /** The groups whose own labels meet an atom. */
  meeting(atom: Atom): Iterable<Group> {
    this.#file(atom.label);
    return this.#filed.meeting(atom);
  }

  /** How many groups `meeting` gives. */
  countMeeting(atom: Atom): number {
    this.#file(atom.label);
    return this.#filed.countMeeting(atom);
  }

  /** Throws when what is filed is not what the groups have. */
  check(): void {
    let owned = 0;
    for (const group of this.#groups()) for (const label in group.labels) if (this.#files(label)) owned++;
    if (owned !== this.#filed.size) {
      throw new Error(`Cannot trust group index: labels filed are ${this.#filed.size}; should be ${owned}`);
    }
  }

  #files(label: string): boolean {
    return this.#all || this.#labels.has(label);
  }

  #file(label: string): void {
    if (this.#files(label)) return;
    if (this.#labels.size >= SINGLE_LABELS) this.#all = true;
    else this.#labels.add(label);
    // What is filed already stays as it is: twice is as once.
    for (const group of this.#groups()) {
      if (this.#all) this.add(group);
      else if (Object.hasOwn(group.labels, label)) this.#filed.add(label, group.labels[label], group);
    }
  }
}
