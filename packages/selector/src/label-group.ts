import type { Few } from './few.ts';
import type { IndexedItem, IndexedSelector } from './indexed.ts';
import { type Labels, ownLabel } from './labels.ts';

/** A giver of inherited labels, while a group refers to it. */
export interface Parent {
  readonly id: string;
  labels: Labels;
  groups: Few<Group>;
}

/** Ends the labels in a group's key: JSON has no bare line end. */
const END_OF_LABELS = '\n';
const BACKSLASH = '\\';

/**
 * Items with equal labels and parents: what matches one matches all. Their labels are kept as text, a third of what they
 * take as an object, and read again when a selector or parent is new.
 */
export class Group {
  /** Names the group among all: `groupKey` of its labels and parents. */
  readonly key: string;
  readonly parents: readonly Parent[];
  #matches = NO_MATCHES;
  first: IndexedItem | undefined;

  constructor(key: string, parents: readonly Parent[]) {
    this.key = key;
    this.parents = parents;
  }

  /** The members. */
  *items(): Generator<IndexedItem> {
    for (let item = this.first; item !== undefined; item = item.next) yield item;
  }

  /** The selectors that are true for it, each once, in no order. */
  get matches(): readonly IndexedSelector[] {
    return this.#matches;
  }

  set matches(matches: IndexedSelector[]) {
    this.#matches = matches.length === 0 ? NO_MATCHES : matches;
  }

  /** One more selector is true for it. */
  addMatch(selector: IndexedSelector): void {
    if (this.#matches === NO_MATCHES) this.#matches = [selector];
    else this.#matches.push(selector);
  }

  /** One selector less is. */
  removeMatch(selector: IndexedSelector): void {
    const at = this.#matches.indexOf(selector);
    const last = this.#matches.pop();
    if (last !== undefined && last !== selector) this.#matches[at] = last;
    if (this.#matches.length === 0) this.#matches = NO_MATCHES;
  }

  /** Puts an item first among the members. */
  addItem(item: IndexedItem): void {
    item.group = this;
    item.previous = undefined;
    item.next = this.first;
    if (this.first !== undefined) this.first.previous = item;
    this.first = item;
  }

  /** Takes an item from among the members. */
  removeItem(item: IndexedItem): void {
    item.group = undefined;
    if (item.previous === undefined) this.first = item.next;
    else item.previous.next = item.next;
    if (item.next !== undefined) item.next.previous = item.previous;
    item.previous = undefined;
    item.next = undefined;
  }
}

/** Most groups match nothing: this one array is never written. */
const NO_MATCHES: IndexedSelector[] = [];

/** Equal for equal labels, in the same order, and parents. */
export function groupKey(labels: Labels, parentIds: readonly string[]): string {
  return JSON.stringify(labels) + END_OF_LABELS + parentIds.join(END_OF_LABELS);
}

/** The labels of a group's items. */
export function groupLabels({ key }: Group): Labels {
  return JSON.parse(key.slice(0, key.indexOf(END_OF_LABELS))) as Labels;
}

/** The value that a group's items have of their own for a label, found in the text where that is plain. */
export function ownGroupLabel(group: Group, label: string): string | undefined {
  const { key } = group;
  const found = key.indexOf(`"${label}":"`);
  if (found < 0) return undefined;
  const start = found + label.length + 4;
  const value = key.slice(start, key.indexOf('"', start));
  // A backslash may mean that this is another label's end, or not yet the value's.
  return key[found - 1] === BACKSLASH || value.includes(BACKSLASH) ? ownLabel(groupLabels(group), label) : value;
}

/** The value that a group's items have for a label: their own, else that of the first parent that has it. */
export function groupLabel(group: Group, label: string): string | undefined {
  const own = ownGroupLabel(group, label);
  if (own !== undefined) return own;
  for (const parent of group.parents) {
    const inherited = ownLabel(parent.labels, label);
    if (inherited !== undefined) return inherited;
  }
  return undefined;
}
