import type { Atom } from './cover.ts';
import { type Labels, ownLabel } from './labels.ts';
import type { SelectorNode } from './node.ts';
import type { Selector } from './selector.ts';

/** A selector in a label index. */
export interface Watched {
  readonly id: string;
  readonly selector: Selector;
  /** What it is filed under; undefined when every group must be asked. */
  readonly cover: readonly Atom[] | undefined;
  readonly evaluate: (group: Group) => boolean;
  /** Scratch: which comparison saw it last. */
  mark: number;
}

/** A giver of inherited labels. It is kept while it is set or a group refers to it. */
export interface Parent {
  readonly id: string;
  labels: Labels;
  readonly groups: Set<Group>;
  set: boolean;
}

/** An item: one of a group's members, which form a doubly linked list. */
export interface Item {
  readonly id: string;
  group: Group;
  previous: Item | undefined;
  next: Item | undefined;
}

/** Items with equal labels and parents: what matches one matches all. */
export class Group {
  /** `groupHash` of its labels and parents. */
  readonly hash: number;
  readonly labels: Labels;
  readonly parents: readonly Parent[];
  /** The selectors that are true for it, each once, in no order. */
  matches: Watched[] = [];
  first: Item | undefined;
  /** Another group of the same hash. */
  sibling: Group | undefined;

  constructor(hash: number, labels: Labels, parents: readonly Parent[]) {
    this.hash = hash;
    this.labels = labels;
    this.parents = parents;
  }

  /** Whether items with these labels and parents belong to it. */
  holds(labels: Labels, parentIds: readonly string[]): boolean {
    if (parentIds.length !== this.parents.length || !sameLabels(labels, this.labels)) return false;
    for (const [i, parent] of this.parents.entries()) if (parent.id !== parentIds[i]) return false;
    return true;
  }

  /** The ids of the members. */
  *itemIds(): Generator<string> {
    for (let item = this.first; item !== undefined; item = item.next) yield item.id;
  }

  /** Takes a selector out of `matches`. */
  removeMatch(watched: Watched): void {
    const at = this.matches.indexOf(watched);
    const last = this.matches.pop();
    if (last !== undefined && last !== watched) this.matches[at] = last;
  }
}

/** Puts an item first among a group's members. */
export function addMember(group: Group, item: Item): void {
  item.previous = undefined;
  item.next = group.first;
  if (group.first !== undefined) group.first.previous = item;
  group.first = item;
}

/** Takes an item from among a group's members. */
export function removeMember(group: Group, item: Item): void {
  if (item.previous === undefined) group.first = item.next;
  else item.previous.next = item.next;
  if (item.next !== undefined) item.next.previous = item.previous;
}

/** The value a group's items have for a label: their own, else that of the first parent that has it. */
export function groupLabel(group: Group, label: string): string | undefined {
  const own = ownLabel(group.labels, label);
  if (own !== undefined) return own;
  for (const parent of group.parents) {
    const inherited = ownLabel(parent.labels, label);
    if (inherited !== undefined) return inherited;
  }
  return undefined;
}

function sameLabels(a: Labels, b: Labels): boolean {
  if (a === b) return true;
  let count = 0;
  for (const label in a) {
    if (a[label] !== ownLabel(b, label)) return false;
    count++;
  }
  for (const _ in b) count--;
  return count === 0;
}

/** A 32-bit number that is equal for equal labels (in any order) and parents. */
export function groupHash(labels: Labels, parentIds: readonly string[]): number {
  let hash = 0;
  for (const label in labels) hash = (hash + mixed(textHash(labels[label] ?? '', textHash(label, 0)))) | 0;
  for (const id of parentIds) hash = mixed(textHash(id, hash));
  return hash;
}

/** FNV-1a (draft-eastlake-fnv) over UTF-16 units. */
function textHash(text: string, seed: number): number {
  let hash = seed ^ 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}

/** Spreads the bits of a hash, so that sums of hashes differ; the finaliser of MurmurHash3. */
function mixed(hash: number): number {
  const once = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  const twice = Math.imul(once ^ (once >>> 13), 0xc2b2ae35);
  return twice ^ (twice >>> 16);
}

/** The labels a selector reads, each once. */
export function labelsRead(node: SelectorNode, into = new Set<string>()): Set<string> {
  switch (node.kind) {
    case 'all':
    case 'global':
      break;
    case 'not':
      labelsRead(node.operand, into);
      break;
    case 'and':
    case 'or':
      for (const operand of node.operands) labelsRead(operand, into);
      break;
    default:
      into.add(node.label);
  }
  return into;
}
