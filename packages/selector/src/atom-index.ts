import type { Atom } from './cover.ts';
import type { Labels } from './labels.ts';

/** What stands under one label name: members by value, and how many there are in all. */
interface LabelEntry<T> {
  readonly byValue: Map<string | undefined, Members<T>>;
  count: number;
}

/** One member stands for itself: most values of a label like `pod-name` have one, and a Set costs 200 bytes. */
type Members<T> = T | Set<T>;

const isSet = <T>(members: Members<T>): members is Set<T> => members instanceof Set;

/**
 * Members filed under conditions on labels (`Atom`): owners of labels under each of their pairs, or selectors under the
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
    if (members === undefined) {
      entry.byValue.set(value, member);
    } else if (isSet(members)) {
      if (members.has(member)) return;
      members.add(member);
    } else {
      if (members === member) return;
      entry.byValue.set(value, new Set([members, member]));
    }
    entry.count++;
  }

  /** Takes a member away from under a label and value, if it is there. */
  remove(label: string, value: string | undefined, member: T): void {
    const entry = this.#labels.get(label);
    const members = entry?.byValue.get(value);
    if (entry === undefined || members === undefined) return;
    if (isSet(members)) {
      if (!members.delete(member)) return;
      if (members.size === 0) entry.byValue.delete(value);
    } else {
      if (members !== member) return;
      entry.byValue.delete(value);
    }
    entry.count--;
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
  under(label: string, value: string | undefined): Iterable<T> {
    const members = this.#labels.get(label)?.byValue.get(value);
    if (members === undefined) return [];
    return isSet(members) ? members : [members];
  }

  /** How many members `under` gives. */
  countUnder(label: string, value: string | undefined): number {
    const members = this.#labels.get(label)?.byValue.get(value);
    if (members === undefined) return 0;
    return isSet(members) ? members.size : 1;
  }

  /** The members that meet an atom when each is filed under its own labels: for presence, those of every value. */
  *meeting(atom: Atom): Generator<T> {
    if (atom.value !== undefined) {
      yield* this.under(atom.label, atom.value);
      return;
    }
    for (const members of this.#labels.get(atom.label)?.byValue.values() ?? []) {
      if (isSet(members)) yield* members;
      else yield members;
    }
  }

  /** How many members `meeting` gives. */
  countMeeting(atom: Atom): number {
    if (atom.value !== undefined) return this.countUnder(atom.label, atom.value);
    return this.#labels.get(atom.label)?.count ?? 0;
  }

  /** How many members are filed, each as often as it is. */
  get size(): number {
    let size = 0;
    for (const entry of this.#labels.values()) size += entry.count;
    return size;
  }
}
