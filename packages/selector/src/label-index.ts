import { AtomIndex } from './atom-index.ts';
import { type Atom, coverOf } from './cover.ts';
import { addToFew, countOfFew, membersOfFew, removeFromFew } from './few.ts';
import type { IndexedItem, IndexedSelector } from './indexed.ts';
import { Group, groupKey, groupLabels, ownGroupLabel, type Parent } from './label-group.ts';
import { type Labels, ownLabel } from './labels.ts';
import { labelsRead } from './labels-read.ts';
import type { SelectorNode } from './node.ts';
import { OwnerIndex } from './owner-index.ts';
import { parseNode } from './parse-node.ts';

/** Told of every match that starts or stops. It must not change the index from inside. */
export interface LabelIndexListener<S, I> {
  matchStarted(selector: S, item: I): void;
  matchStopped(selector: S, item: I): void;
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
 * parents: their own value wins, then the earlier parent's.
 *
 * Items with equal labels and parents form a group, which is evaluated once. Selectors are filed under conditions on
 * labels that they imply (`coverOf`), so a new group asks only the selectors that one of its labels may meet, and a new
 * selector only such groups. What is told depends on the state before and after a call alone; within a call, starts are
 * told before stops.
 */
export class LabelIndex<S extends IndexedSelector, I extends IndexedItem> {
  readonly #on: LabelIndexListener<S, I>;
  readonly #inherited: (parentId: string) => Labels | undefined;
  readonly #parents = new Map<string, Parent>();
  /** By key. */
  readonly #groups = new Map<string, Group>();
  readonly #groupsByLabel = new OwnerIndex<Group>({ all: () => this.#groups.values(), label: ownGroupLabel });
  readonly #parentsByLabel = new OwnerIndex<Parent>({
    all: () => this.#parents.values(),
    label: (parent, label) => ownLabel(parent.labels, label),
  });
  readonly #selectorsByAtom = new AtomIndex<IndexedSelector>();
  /** Selectors without a cover: every group is asked. */
  readonly #uncovered = new Set<IndexedSelector>();
  /** How many selectors read each label: a parent's change of any other label concerns nobody. */
  readonly #readers = new Map<string, number>();
  /** Grows with every comparison, so that marks left on selectors by earlier ones mean nothing. */
  #mark = 0;

  /**
   * @param inherited gives the labels that items inherit from a parent; undefined: there is no such parent, it gives none.
   * Labels that it gave must not change; when it gives others, `parentChanged` is to be called.
   */
  constructor(on: LabelIndexListener<S, I>, inherited: (parentId: string) => Labels | undefined) {
    this.#on = on;
    this.#inherited = inherited;
  }

  /** Adds an item or replaces its labels and parents. */
  setItem(item: I, labels: Labels, parentIds: readonly string[] = []): void {
    const parents = parentIds.length < 2 ? parentIds : [...new Set(parentIds)];
    const key = groupKey(labels, parents);
    const from = item.group;
    if (from?.key === key) return;
    const group = this.#groups.get(key) ?? this.#createGroup(key, labels, parents);
    from?.removeItem(item);
    group.addItem(item);
    if (from === undefined) {
      for (const selector of group.matches) this.#started(selector, item);
      return;
    }
    this.#tellDifference(from.matches, group.matches, [item]);
    this.#dropIfEmpty(from);
  }

  /** Forgets an item; nothing happens when it is not there. */
  deleteItem(item: I): void {
    const { group } = item;
    if (group === undefined) return;
    group.removeItem(item);
    for (const selector of group.matches) this.#stopped(selector, item);
    this.#dropIfEmpty(group);
  }

  /** The selectors that are true for an item. */
  matchesOf(item: I): readonly S[] {
    return (item.group?.matches ?? []) as readonly S[];
  }

  /** The labels that items inherit from a parent are others now. */
  parentChanged(id: string): void {
    const parent = this.#parents.get(id);
    if (parent !== undefined) this.#relabel(parent, this.#inherited(id) ?? NO_LABELS);
  }

  /**
   * Adds a selector that is in no index. Items that come or change from now on are matched with it; those that are there
   * already are while the caller goes through what this gives, a step for each group. `node` is its tree, where that is at hand.
   */
  addSelector(selector: S, node: SelectorNode = parseNode(selector.text)): Generator<undefined> {
    if (selector.cover !== undefined) throw new Error(`Cannot add selector ${selector.text}: it is in an index`);
    selector.cover = coverOf(node, atom => this.#cost(atom)) ?? null;
    this.#file(selector, node);
    return this.#fill(selector, [...this.#candidates(selector)]);
  }

  /** Forgets a selector; its matches stop. Nothing happens when it is not there. */
  deleteSelector(selector: S): void {
    for (const group of this.#forget(selector)) for (const item of group.items()) this.#stopped(selector, item);
  }

  /** Forgets a selector without a word on its matches. */
  dropSelector(selector: S): void {
    this.#forget(selector);
  }

  /** Throws when what is kept differs from what every selector says of every item. O(groups × selectors). */
  check(): void {
    const groups = new Set(this.#groups.values());
    const selectors = [...new Set([...this.#uncovered, ...this.#selectorsByAtom.all()])];
    for (const group of groups) this.#checkGroup(group, selectors);
    this.#groupsByLabel.check();
    this.#parentsByLabel.check();
    for (const parent of this.#parents.values()) {
      const dead = [...membersOfFew(parent.groups)].filter(group => !groups.has(group)).length;
      expectSame(`dead groups of parent ${parent.id}`, dead, 0);
      expectSame(`whether parent ${parent.id} has groups`, countOfFew(parent.groups) > 0, true);
      expectSame(`labels of parent ${parent.id}`, parent.labels, this.#inherited(parent.id) ?? NO_LABELS);
    }
    const atoms = selectors.reduce((sum, { cover }) => sum + distinct(cover ?? []), 0);
    expectSame('conditions filed', this.#selectorsByAtom.size, atoms);
  }

  #checkGroup(group: Group, selectors: readonly IndexedSelector[]): void {
    const parentIds = group.parents.map(parent => parent.id);
    const name = `the group ${group.key}`;
    expectSame('key of a group', group.key, groupKey(groupLabels(group), parentIds));
    expectSame(`group of that key`, this.#groups.get(group.key), group);
    expectSame(`whether ${name} has items`, group.first !== undefined, true);
    for (const item of group.items()) expectSame(`group of an item in ${name}`, item.group, group);
    const want = selectors.filter(selector => selector.evaluate(group));
    expectSame(`number of matches of ${name}`, group.matches.length, want.length);
    expectSame(`matches of ${name}`, want.filter(each => !group.matches.includes(each)).length, 0);
    for (const parent of group.parents) {
      expectSame(`parent ${parent.id}`, this.#parents.get(parent.id), parent);
      expectSame(`whether parent ${parent.id} knows ${name}`, [...membersOfFew(parent.groups)].includes(group), true);
    }
  }

  #started(selector: IndexedSelector, item: IndexedItem): void {
    this.#on.matchStarted(selector as S, item as I);
  }

  #stopped(selector: IndexedSelector, item: IndexedItem): void {
    this.#on.matchStopped(selector as S, item as I);
  }

  #createGroup(key: string, labels: Labels, parentIds: readonly string[]): Group {
    const parents = parentIds.map(id => this.#parent(id));
    const group = new Group(key, parents);
    this.#groups.set(key, group);
    this.#groupsByLabel.add(group, labels);
    for (const parent of parents) parent.groups = addToFew(parent.groups, group);
    this.#match(group, labels);
    return group;
  }

  #dropIfEmpty(group: Group): void {
    if (group.first !== undefined) return;
    this.#groups.delete(group.key);
    this.#groupsByLabel.remove(group, groupLabels(group));
    for (const parent of group.parents) {
      parent.groups = removeFromFew(parent.groups, group);
      if (parent.groups === undefined) this.#dropParent(parent);
    }
  }

  #parent(id: string): Parent {
    let parent = this.#parents.get(id);
    if (parent === undefined) {
      parent = { id, labels: this.#inherited(id) ?? NO_LABELS, groups: undefined };
      this.#parents.set(id, parent);
      this.#parentsByLabel.add(parent, parent.labels);
    }
    return parent;
  }

  #dropParent(parent: Parent): void {
    this.#parents.delete(parent.id);
    this.#parentsByLabel.remove(parent, parent.labels);
  }

  #relabel(parent: Parent, labels: Labels): void {
    const concerned = this.#differenceIsRead(parent.labels, labels);
    this.#parentsByLabel.remove(parent, parent.labels);
    parent.labels = labels;
    this.#parentsByLabel.add(parent, labels);
    if (!concerned) return;
    for (const group of membersOfFew(parent.groups)) {
      const before = group.matches;
      this.#match(group, groupLabels(group));
      this.#tellDifference(before, group.matches, group.items());
    }
  }

  /** Whether a selector reads a label that two label sets give different values. */
  #differenceIsRead(a: Labels, b: Labels): boolean {
    for (const label of [...Object.keys(a), ...Object.keys(b)]) {
      if (this.#readers.has(label) && ownLabel(a, label) !== ownLabel(b, label)) return true;
    }
    return false;
  }

  /** Finds the selectors that are true for a group, asking those that one of its labels may meet. */
  #match(group: Group, labels: Labels): void {
    const matches: IndexedSelector[] = [];
    const asked = ++this.#mark;
    const ask = (candidates: Iterable<IndexedSelector>) => {
      for (const selector of candidates) {
        if (selector.mark === asked) continue;
        selector.mark = asked;
        if (selector.evaluate(group)) matches.push(selector);
      }
    };
    const askFor = (owned: Labels) => {
      for (const label in owned) {
        if (!this.#selectorsByAtom.has(label)) continue;
        ask(this.#selectorsByAtom.under(label, owned[label]));
        ask(this.#selectorsByAtom.under(label, undefined));
      }
    };
    ask(this.#uncovered);
    askFor(labels);
    for (const parent of group.parents) askFor(parent.labels);
    group.matches = matches;
  }

  #tellDifference(
    before: readonly IndexedSelector[],
    after: readonly IndexedSelector[],
    items: Iterable<IndexedItem>,
  ): void {
    const inBefore = ++this.#mark;
    const inBoth = ++this.#mark;
    for (const selector of before) selector.mark = inBefore;
    const started: IndexedSelector[] = [];
    for (const selector of after) {
      if (selector.mark === inBefore) selector.mark = inBoth;
      else started.push(selector);
    }
    const stopped = before.filter(selector => selector.mark === inBefore);
    if (started.length === 0 && stopped.length === 0) return;
    for (const item of items) {
      for (const selector of started) this.#started(selector, item);
      for (const selector of stopped) this.#stopped(selector, item);
    }
  }

  /** The groups that a selector may be true for; some may come twice. */
  *#candidates(selector: S): Generator<Group> {
    if (selector.cover === null || selector.cover === undefined) {
      yield* this.#groups.values();
      return;
    }
    for (const atom of selector.cover) {
      yield* this.#groupsByLabel.meeting(atom);
      for (const parent of this.#parentsByLabel.meeting(atom)) yield* membersOfFew(parent.groups);
    }
  }

  /** Matches a new selector with groups that were there before; meanwhile they may have gone, and it too. */
  *#fill(selector: S, groups: readonly Group[]): Generator<undefined> {
    for (const group of groups) {
      if (selector.cover === undefined) return;
      if (group.first !== undefined && !group.matches.includes(selector) && selector.evaluate(group)) {
        group.addMatch(selector);
        for (const item of group.items()) this.#started(selector, item);
      }
      yield;
    }
  }

  /** Takes a selector out; gives the groups that it matched. */
  #forget(selector: S): Set<Group> {
    const groups = new Set<Group>();
    if (selector.cover === undefined) return groups;
    for (const group of this.#candidates(selector)) if (group.matches.includes(selector)) groups.add(group);
    this.#unfile(selector);
    for (const group of groups) group.removeMatch(selector);
    return groups;
  }

  #file(selector: S, node: SelectorNode): void {
    if (selector.cover === null) this.#uncovered.add(selector);
    for (const { label, value } of selector.cover ?? []) this.#selectorsByAtom.add(label, value, selector);
    for (const label of labelsRead(node)) {
      this.#readers.set(label, (this.#readers.get(label) ?? 0) + 1);
    }
  }

  #unfile(selector: S): void {
    this.#uncovered.delete(selector);
    for (const { label, value } of selector.cover ?? []) this.#selectorsByAtom.remove(label, value, selector);
    selector.cover = undefined;
    for (const label of labelsRead(parseNode(selector.text))) {
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
    for (const parent of this.#parentsByLabel.meeting(atom)) groups += countOfFew(parent.groups);
    const selectors = this.#selectorsByAtom.countUnder(atom.label, atom.value);
    return groups + (atom.value === undefined ? 0.5 : 0) + selectors / (2 * selectors + 1000);
  }
}
