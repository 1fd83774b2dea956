import { compileNode } from './compile.ts';
import type { Atom } from './cover.ts';
import { type Group, groupLabel } from './label-group.ts';
import { parseNode } from './parse-node.ts';
import type { Selector } from './selector.ts';

/** An item of a label index. Whoever has items makes a class of his own of it, which says what they are. */
export class IndexedItem {
  /** The index's own: the item is one of a group's members, which form a doubly linked list. */
  group: Group | undefined;
  previous: IndexedItem | undefined;
  next: IndexedItem | undefined;
}

/** A selector of a label index. Whoever has selectors makes a class of his own of it, which says what they are for. */
export class IndexedSelector {
  /** The selector in its normal form. */
  readonly text: string;
  /** The index's own: what it is filed under; undefined while it is in no index, null where every group must be asked. */
  cover: readonly Atom[] | null | undefined;
  /** The index's own scratch: which comparison saw it last. */
  mark = 0;
  #evaluate: ((group: Group) => boolean) | undefined;

  constructor(selector: Selector) {
    this.text = selector.text;
  }

  /** Whether it is true for a group. Most selectors of a cluster are never asked, so it is compiled when first asked. */
  evaluate(group: Group): boolean {
    this.#evaluate ??= compileNode(parseNode(this.text), groupLabel);
    return this.#evaluate(group);
  }
}
