import type { Atom } from './cover.ts';
import type { Labels } from './labels.ts';

/** What stands under one label name: members by value, and how many there are in all. */
interface LabelEntry<T> {
  readonly byValue: Map<string | undefined, Set<T>>;
  count: number;
}

/**
 * Members filed under conditions on labels (`Atom`): owners of labels under each of their pairs, or selectors under the
 * conditions of their cover (those on presence under the value undefined).
 */
export class AtomIndex<T> {
  readonly #labels = new Map<string, LabelEntry<T>>();

  /** Files a member under a label and value; twice is as once. */
  add(label: string, value: string | undefined, member: T): void {
    let entry = this.#labels.get(label);
    if (entry === undefined) {
      entry = { byValue: new Map(), count: 0 };
      this.#labels.set(label, entry);
    }
    let members = entry.byValue.get(value);
    if (members === undefined) {
      members = new Set();
      entry.byValue.set(value, members);
    }
    if (members.has(member)) return;
    members.add(member);
    entry.count++;
  }

  /** Takes a member away from under a label and value, if it is there. */
  remove(label: string, value: string | undefined, member: T): void {
    const entry = this.#labels.get(label);
    const members = entry?.byValue.get(value);
    if (entry === undefined || members === undefined || !members.delete(member)) return;
    entry.count--;
    if (members.size === 0) entry.byValue.delete(value);
    if (entry.count === 0) this.#labels.delete(label);
  }

  /** Files a member under each of its labels. */
  addAll(labels: Labels, member: T): void {
    for (const [label, value] of Object.entries(labels)) this.add(label, value, member);
  }

  /** Takes a member away from under each of its labels. */
  removeAll(labels: Labels, member: T): void {
    for (const [label, value] of Object.entries(labels)) this.remove(label, value, member);
  }

  /** The members under exactly this label and value (undefined: those filed under presence). */
  under(label: string, value: string | undefined): ReadonlySet<T> | undefined {
    return this.#labels.get(label)?.byValue.get(value);
  }

  /** The members that meet an atom when each member is filed under its own labels; a condition on presence takes every value. */
  *meeting(atom: Atom): Generator<T> {
    const entry = this.#labels.get(atom.label);
    if (entry === undefined) return;
    if (atom.value !== undefined) yield* entry.byValue.get(atom.value) ?? [];
    else for (const members of entry.byValue.values()) yield* members;
  }

  /** How many members `meeting` gives. */
  countMeeting(atom: Atom): number {
    const entry = this.#labels.get(atom.label);
    if (entry === undefined) return 0;
    return atom.value === undefined ? entry.count : (entry.byValue.get(atom.value)?.size ?? 0);
  }

  /** How many members are filed, each as often as it is. */
  get size(): number {
    let size = 0;
    for (const entry of this.#labels.values()) size += entry.count;
    return size;
  }
}
