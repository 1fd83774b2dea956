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
  readonly key: string;
  readonly labels: Labels;
  readonly parents: readonly Parent[];
  /** The selectors that are true for it, each once, in no order. */
  matches: Watched[] = [];
  first: Item | undefined;

  constructor(key: string, labels: Labels, parents: readonly Parent[]) {
    this.key = key;
    this.labels = labels;
    this.parents = parents;
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

export function addMember(group: Group, item: Item): void {
  item.previous = undefined;
  item.next = group.first;
  if (group.first !== undefined) group.first.previous = item;
  group.first = item;
}

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

/** Text that is equal for equal labels and parents; each part goes with its length, so that no two are confused. */
export function groupKey(labels: Labels, parentIds: readonly string[]): string {
  let key = '';
  for (const label of Object.keys(labels).sort()) {
    const value = labels[label] ?? '';
    key += `${label.length},${value.length}:${label}${value}`;
  }
  key += '|';
  for (const id of parentIds) key += `${id.length}:${id}`;
  return key;
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
