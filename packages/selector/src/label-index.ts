import { AtomIndex } from './atom-index.ts';
import { compileNode } from './compile.ts';
import { type Atom, coverOf } from './cover.ts';
import { GroupIndex } from './group-index.ts';
import {
  addMember,
  Group,
  groupHash,
  groupLabel,
  type Item,
  labelsRead,
  type Parent,
  removeMember,
  type Watched,
} from './label-group.ts';
import { type Labels, ownLabel } from './labels.ts';
import type { Selector } from './selector.ts';

/** Told of every match that starts or stops. It must not change the index from inside. */
export interface LabelIndexListener {
  matchStarted(selectorId: string, itemId: string): void;
  matchStopped(selectorId: string, itemId: string): void;
}

const NO_LABELS: Labels = {};

function expectSame<T>(what: string, have: T, want: T): void {
  if (have !== want) throw new Error(`Cannot trust label index: ${what} is ${have}; should be ${want}`);
}

/** How many different atoms there are in a cover. */
const distinct = (cover: readonly Atom[]) =>
  new Set(cover.map(({ label, value }) => JSON.stringify([label, value]))).size;

/**
 * Which items match which selectors, kept up to date. Items have labels of their own and inherit those of their
 * parents: their own value wins, then the earlier parent's. A parent that was never set has no labels.
 *
 * Items with equal labels and parents form a group, which is evaluated once. Selectors are filed under conditions on
 * labels that they imply (`coverOf`), so a new group asks only the selectors that one of its labels may meet, and a new
 * selector only such groups. What is told depends on the state before and after a call alone; within a call, starts are
 * told before stops. Labels given must not change afterwards.
 */
export class LabelIndex {
  readonly #on: LabelIndexListener;
  readonly #items = new Map<string, Item>();
  readonly #parents = new Map<string, Parent>();
  readonly #watched = new Map<string, Watched>();
  /** By hash; groups of one hash are siblings. */
  readonly #groups = new Map<number, Group>();
  readonly #groupsByLabel = new GroupIndex(() => this.#allGroups());
  readonly #parentsByLabel = new AtomIndex<Parent>();
  readonly #watchedByAtom = new AtomIndex<Watched>();
  /** Selectors without a cover: every group is asked. */
  readonly #uncovered = new Set<Watched>();
  /** How many selectors read each label: a parent's change of any other label concerns nobody. */
  readonly #readers = new Map<string, number>();
  /** Grows with every comparison, so that marks left on selectors by earlier ones mean nothing. */
  #mark = 0;

  constructor(on: LabelIndexListener) {
    this.#on = on;
  }

  /** Adds an item or replaces its labels and parents. */
  setItem(id: string, labels: Labels, parentIds: readonly string[] = []): void {
    const parents = [...new Set(parentIds)];
    const item = this.#items.get(id);
    if (item?.group.holds(labels, parents)) return;
    const group = this.#groupOf(labels, parents);
    if (item === undefined) {
      const added: Item = { id, group, previous: undefined, next: undefined };
      this.#items.set(id, added);
      addMember(group, added);
      for (const { id: selectorId } of group.matches) this.#on.matchStarted(selectorId, id);
      return;
    }
    const from = item.group;
    removeMember(from, item);
    item.group = group;
    addMember(group, item);
    this.#tellDifference(from.matches, group.matches, [id]);
    this.#dropIfEmpty(from);
  }

  /** Forgets an item; nothing happens when it is not there. */
  deleteItem(id: string): void {
    const item = this.#items.get(id);
    if (item === undefined) return;
    this.#items.delete(id);
    removeMember(item.group, item);
    for (const { id: selectorId } of item.group.matches) this.#on.matchStopped(selectorId, id);
    this.#dropIfEmpty(item.group);
  }

  /** Sets the labels that items inherit from a parent. */
  setParent(id: string, labels: Labels): void {
    const parent = this.#parent(id);
    parent.set = true;
    this.#relabel(parent, labels);
  }

  /** Takes a parent's labels away; nothing happens when it is not there. */
  deleteParent(id: string): void {
    const parent = this.#parents.get(id);
    if (parent === undefined) return;
    parent.set = false;
    this.#relabel(parent, NO_LABELS);
    this.#dropIfUnused(parent);
  }

  /** Adds a selector, or replaces the one of that id. */
  setSelector(id: string, selector: Selector): void {
    const existing = this.#watched.get(id);
    if (existing?.selector.text === selector.text) return;
    const before = new Set(existing === undefined ? [] : this.#groupsMatching(existing));
    if (existing !== undefined) this.#unfile(existing);
    const cover = coverOf(selector.node, atom => this.#cost(atom));
    const evaluate = compileNode(selector.node, groupLabel);
    const watched: Watched = { id, selector, cover, evaluate, mark: 0 };
    this.#watched.set(id, watched);
    this.#file(watched);
    const after = new Set<Group>();
    for (const group of this.#candidates(watched)) {
      if (!after.has(group) && watched.evaluate(group)) after.add(group);
    }
    for (const group of after) {
      group.matches.push(watched);
      if (!before.has(group)) for (const itemId of group.itemIds()) this.#on.matchStarted(id, itemId);
    }
    for (const group of before) {
      if (existing !== undefined) group.removeMatch(existing);
      if (!after.has(group)) for (const itemId of group.itemIds()) this.#on.matchStopped(id, itemId);
    }
  }

  /** Forgets a selector; its matches stop. Nothing happens when it is not there. */
  deleteSelector(id: string): void {
    const watched = this.#watched.get(id);
    if (watched === undefined) return;
    const groups = this.#groupsMatching(watched);
    this.#watched.delete(id);
    this.#unfile(watched);
    for (const group of groups) {
      group.removeMatch(watched);
      for (const itemId of group.itemIds()) this.#on.matchStopped(id, itemId);
    }
  }

  /** Throws when what is kept differs from what every selector says of every item. O(groups × selectors). */
  check(): void {
    const groups = new Set(this.#allGroups());
    let items = 0;
    for (const group of groups) {
      this.#checkGroup(group);
      items += [...group.itemIds()].length;
    }
    expectSame('items in groups', items, this.#items.size);
    this.#groupsByLabel.check();
    for (const parent of this.#parents.values()) {
      const dead = [...parent.groups].filter(group => !groups.has(group)).length;
      expectSame(`dead groups of parent ${parent.id}`, dead, 0);
      expectSame(`use of parent ${parent.id}`, parent.set || parent.groups.size > 0, true);
    }
    const atoms = [...this.#watched.values()].reduce((sum, { cover }) => sum + distinct(cover ?? []), 0);
    expectSame('conditions filed', this.#watchedByAtom.size, atoms);
  }

  #checkGroup(group: Group): void {
    const parentIds = group.parents.map(parent => parent.id);
    const name = `the group of ${JSON.stringify(group.labels)} below ${parentIds}`;
    expectSame(`hash of ${name}`, group.hash, groupHash(group.labels, parentIds));
    expectSame(`whether ${name} has items`, group.first !== undefined, true);
    for (const id of group.itemIds()) expectSame(`group of item ${id}`, this.#items.get(id)?.group, group);
    const want = [...this.#watched.values()].filter(watched => watched.evaluate(group)).map(watched => watched.id);
    const have = group.matches.map(watched => watched.id);
    expectSame(`matches of ${name}`, have.sort().join(), want.sort().join());
    for (const parent of group.parents) {
      expectSame(`parent ${parent.id}`, this.#parents.get(parent.id), parent);
      expectSame(`whether parent ${parent.id} knows ${name}`, parent.groups.has(group), true);
    }
  }

  #groupOf(labels: Labels, parentIds: readonly string[]): Group {
    const hash = groupHash(labels, parentIds);
    let group = this.#groups.get(hash);
    while (group !== undefined && !group.holds(labels, parentIds)) group = group.sibling;
    return group ?? this.#createGroup(hash, labels, parentIds);
  }

  /** Every group. */
  *#allGroups(): Generator<Group> {
    for (const first of this.#groups.values()) {
      for (let group: Group | undefined = first; group !== undefined; group = group.sibling) yield group;
    }
  }

  #createGroup(hash: number, labels: Labels, parentIds: readonly string[]): Group {
    const parents = parentIds.map(id => this.#parent(id));
    const group = new Group(hash, labels, parents);
    group.sibling = this.#groups.get(hash);
    this.#groups.set(hash, group);
    this.#groupsByLabel.add(group);
    for (const parent of parents) parent.groups.add(group);
    group.matches = this.#matchesOf(group);
    return group;
  }

  #dropIfEmpty(group: Group): void {
    if (group.first !== undefined) return;
    this.#unlink(group);
    this.#groupsByLabel.remove(group);
    for (const parent of group.parents) {
      parent.groups.delete(group);
      this.#dropIfUnused(parent);
    }
  }

  /** Takes a group from among those of its hash. */
  #unlink(group: Group): void {
    let before = this.#groups.get(group.hash);
    if (before !== group) {
      while (before !== undefined && before.sibling !== group) before = before.sibling;
      if (before !== undefined) before.sibling = group.sibling;
    } else if (group.sibling === undefined) {
      this.#groups.delete(group.hash);
    } else {
      this.#groups.set(group.hash, group.sibling);
    }
  }

  #parent(id: string): Parent {
    let parent = this.#parents.get(id);
    if (parent === undefined) {
      parent = { id, labels: NO_LABELS, groups: new Set(), set: false };
      this.#parents.set(id, parent);
    }
    return parent;
  }

  #dropIfUnused(parent: Parent): void {
    if (!parent.set && parent.groups.size === 0) this.#parents.delete(parent.id);
  }

  #relabel(parent: Parent, labels: Labels): void {
    const concerned = this.#differenceIsRead(parent.labels, labels);
    this.#parentsByLabel.removeAll(parent.labels, parent);
    parent.labels = labels;
    this.#parentsByLabel.addAll(labels, parent);
    if (!concerned) return;
    for (const group of parent.groups) {
      const before = group.matches;
      group.matches = this.#matchesOf(group);
      this.#tellDifference(before, group.matches, group.itemIds());
    }
  }

  /** Whether a selector reads a label that two label sets give different values. */
  #differenceIsRead(a: Labels, b: Labels): boolean {
    for (const label of [...Object.keys(a), ...Object.keys(b)]) {
      if (this.#readers.has(label) && ownLabel(a, label) !== ownLabel(b, label)) return true;
    }
    return false;
  }

  /** The selectors that are true for a group, asking those that one of its labels may meet. */
  #matchesOf(group: Group): Watched[] {
    const asked = ++this.#mark;
    const matches: Watched[] = [];
    const ask = (candidates: Iterable<Watched>) => {
      for (const watched of candidates) {
        if (watched.mark === asked) continue;
        watched.mark = asked;
        if (watched.evaluate(group)) matches.push(watched);
      }
    };
    ask(this.#uncovered);
    for (const owner of [group, ...group.parents]) {
      for (const [label, value] of Object.entries(owner.labels)) {
        ask(this.#watchedByAtom.under(label, value));
        ask(this.#watchedByAtom.under(label, undefined));
      }
    }
    return matches;
  }

  #tellDifference(before: readonly Watched[], after: readonly Watched[], itemIds: Iterable<string>): void {
    const inBefore = ++this.#mark;
    const inBoth = ++this.#mark;
    for (const watched of before) watched.mark = inBefore;
    const started: Watched[] = [];
    for (const watched of after) {
      if (watched.mark === inBefore) watched.mark = inBoth;
      else started.push(watched);
    }
    const stopped = before.filter(watched => watched.mark === inBefore);
    if (started.length === 0 && stopped.length === 0) return;
    for (const itemId of itemIds) {
      for (const { id } of started) this.#on.matchStarted(id, itemId);
      for (const { id } of stopped) this.#on.matchStopped(id, itemId);
    }
  }

  /** The groups that a selector may be true for; some may come twice. */
  *#candidates(watched: Watched): Generator<Group> {
    if (watched.cover === undefined) {
      yield* this.#allGroups();
      return;
    }
    for (const atom of watched.cover) {
      yield* this.#groupsByLabel.meeting(atom);
      for (const parent of this.#parentsByLabel.meeting(atom)) yield* parent.groups;
    }
  }

  /** The groups whose matches hold a selector: each is among its candidates. */
  #groupsMatching(watched: Watched): Set<Group> {
    const groups = new Set<Group>();
    for (const group of this.#candidates(watched)) {
      if (!groups.has(group) && watched.evaluate(group)) groups.add(group);
    }
    return groups;
  }

  #file(watched: Watched): void {
    if (watched.cover === undefined) this.#uncovered.add(watched);
    else for (const { label, value } of watched.cover) this.#watchedByAtom.add(label, value, watched);
    for (const label of labelsRead(watched.selector.node))
      this.#readers.set(label, (this.#readers.get(label) ?? 0) + 1);
  }

  #unfile(watched: Watched): void {
    this.#uncovered.delete(watched);
    for (const { label, value } of watched.cover ?? []) this.#watchedByAtom.remove(label, value, watched);
    for (const label of labelsRead(watched.selector.node)) {
      const readers = (this.#readers.get(label) ?? 0) - 1;
      if (readers > 0) this.#readers.set(label, readers);
      else this.#readers.delete(label);
    }
  }

  /**
   * What filing a selector under an atom costs: the groups that meet it now. Between equals (at first there are no
   * groups) a condition on a value goes before one on presence, then the one with fewer selectors.
   */
  #cost(atom: Atom): number {
    let groups = this.#groupsByLabel.countMeeting(atom);
    for (const parent of this.#parentsByLabel.meeting(atom)) groups += parent.groups.size;
    const selectors = this.#watchedByAtom.countUnder(atom.label, atom.value);
    return groups + (atom.value === undefined ? 0.5 : 0) + selectors / (2 * selectors + 1000);
  }
}
