import { type Few, IndexedSelector, type Selector } from '@calico/selector';
import type { PolicyEntry } from './policy-entry.ts';

/** All policies that are for the same endpoints. */
export class Subject extends IndexedSelector {
  /** Unlike that of any other subject. */
  readonly number: number;
  entries: Few<PolicyEntry>;
  /** How many local endpoints match. */
  endpoints = 0;

  constructor(number: number, selector: Selector) {
    super(selector);
    this.number = number;
  }
}
