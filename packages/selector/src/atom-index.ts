import type { Atom } from './cover.ts';
import { addToFew, countOfFew, type Few, fewHas, membersOfFew, removeFromFew } from './few.ts';

/** What stands under one label name: members by value, and how many there are in all. */
interface LabelEntry<T extends object> {
  readonly byValue: Map<string | undefined, Exclude<Few<T>, undefined>>;
  count: number;
}

/**
 * Members filed under conditions on labels (`Atom`): owners of labels under their pairs, or selectors under the
 * conditions of their cover (those on presence under the value undefined).
 */
export class AtomIndex<T extends object> {
  readonly #labels = new Map<string, LabelEntry<T>>();

  /** Files a member under a label and value; twice is as once. */
  add(label: string, value: string | undefined, member: T): void {
    let entry = this.#labels.get(label);
    if (entry === undefined) {
      entry = { byValue: new Map(), count: 0 };
      this.#labels.set(label, entry);
    }
    const members = entry.byValue.get(value);
    if (fewHas(members, member)) return;
    const more = addToFew(members, member);
    if (more !== members && more !== undefined) entry.byValue.set(value, more);
    entry.count++;
  }

  /** Takes a member away from under a label and value, if it is there. */
  remove(label: string, value: string | undefined, member: T): void {
    const entry = this.#labels.get(label);
    const members = entry?.byValue.get(value);
    if (entry === undefined || !fewHas(members, member)) return;
    if (removeFromFew(members, member) === undefined) entry.byValue.delete(value);
    entry.count--;
    if (entry.count === 0) this.#labels.delete(label);
  }

  /** Whether anything is filed under a label. */
  has(label: string): boolean {
    return this.#labels.has(label);
  }

  /** The members under exactly this label and value (undefined: those filed under presence). */
  under(label: string, value: string | undefined): Iterable<T> {
    return membersOfFew(this.#labels.get(label)?.byValue.get(value));
  }

  /** How many members `under` gives. */
  countUnder(label: string, value: string | undefined): number {
    return countOfFew(this.#labels.get(label)?.byValue.get(value));
  }

  /** The members that meet an atom when each is filed under its own labels: for presence, those of every value. */
  *meeting(atom: Atom): Generator<T> {
    if (atom.value !== undefined) {
      yield* this.under(atom.label, atom.value);
      return;
    }
    for (const members of this.#labels.get(atom.label)?.byValue.values() ?? []) yield* membersOfFew(members);
  }

  /** How many members `meeting` gives. */
  countMeeting(atom: Atom): number {
    if (atom.value !== undefined) return this.countUnder(atom.label, atom.value);
    return this.#labels.get(atom.label)?.count ?? 0;
  }

  /** Every member, as often as it is filed. */
  *all(): Generator<T> {
    for (const { byValue } of this.#labels.values()) {
      for (const members of byValue.values()) yield* membersOfFew(members);
    }
  }

  /** How many members are filed, each as often as it is. */
  get size(): number {
    let size = 0;
    for (const entry of this.#labels.values()) size += entry.count;
    return size;
  }
}
