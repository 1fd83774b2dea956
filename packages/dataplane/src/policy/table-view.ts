import type { ChainSpec, Element, Nftables, TableDump, TableName } from '@calico/kernel';
import { sameExprs } from '@calico/kernel';
import { eachInSteps } from '@calico/reconcile';
import { bytesKey } from './address-sets.ts';
import { type Chain, type Changes, noChanges, type Ruleset } from './ruleset.ts';

/** What the kernel holds of our table, as far as we know. Elements as in a `NamedSet`. */
export interface TableView {
  readonly chains: Map<string, Chain>;
  readonly counters: Set<string>;
  readonly sets: Map<string, Map<string, string>>;
  /** Whether the table is ours: no other process can change it. */
  claimed: boolean;
}

/** So many chains are compared in one step. */
const chainsAtOnce = 32;

/** Reads the table, in steps. Throws KernelError. */
export function* readTable(nftables: Nftables, table: TableName): Generator<void, TableView> {
  const dump = yield* nftables.dumpInSteps(table);
  const view: TableView = { chains: new Map(), counters: new Set(), sets: new Map(), claimed: dump?.owner === 'us' };
  for (const { chain, rules } of dump?.chains ?? []) {
    view.chains.set(chain.name, { spec: chain, rules: rules.map(rule => rule.exprs) });
  }
  for (const { name } of dump?.counters ?? []) view.counters.add(name);
  for (const set of dump?.sets ?? []) {
    view.sets.set(set.set.name, yield* readElements(set));
    yield;
  }
  return view;
}

function* readElements({ set, elements }: TableDump['sets'][number]): Generator<void, Map<string, string>> {
  const isInterval = set.flags.includes('interval');
  const read = new Map<string, string>();
  yield* eachInSteps(elements, element => read.set(elementKey(element, isInterval), elementValue(element)));
  return read;
}

/** What was written since a reading began: of that the reading may have seen either state. */
export class WrittenSince {
  readonly #changes = noChanges();

  /** Adds what one write has changed. */
  add({ chains, counters, sets, elements }: Changes): void {
    for (const name of chains) this.#changes.chains.add(name);
    for (const name of counters) this.#changes.counters.add(name);
    for (const name of sets) this.#changes.sets.add(name);
    for (const [set, keys] of elements) {
      const known = this.#changes.elements.get(set);
      if (known === undefined) this.#changes.elements.set(set, new Set(keys));
      else for (const key of keys) known.add(key);
    }
  }

  has(kind: 'chains' | 'counters' | 'sets', name: string): boolean {
    return this.#changes[kind].has(name);
  }

  hasElement(set: string, key: string): boolean {
    return this.#changes.sets.has(set) || this.#changes.elements.get(set)?.has(key) === true;
  }
}

/**
 * Corrects the view by what was read, in steps, but for what was written meanwhile; marks in the ruleset what was other
 * than the view said, and gives how many chains, counters, sets and elements that were.
 */
export function* correctView(
  view: TableView,
  read: TableView,
  written: WrittenSince,
  ruleset: Ruleset,
): Generator<void, number> {
  let drift = 0;
  view.claimed &&= read.claimed;
  const correctChain = (name: string) => {
    const [known, seen] = [view.chains.get(name), read.chains.get(name)];
    if (written.has('chains', name) || (known !== undefined && seen !== undefined && sameChain(seen, known))) return;
    if (seen === undefined) view.chains.delete(name);
    else view.chains.set(name, seen);
    ruleset.markChanged('chains', name);
    drift++;
  };
  yield* eachInSteps(new Set([...view.chains.keys(), ...read.chains.keys()]), correctChain, chainsAtOnce);
  for (const name of new Set([...view.counters, ...read.counters])) {
    if (written.has('counters', name) || view.counters.has(name) === read.counters.has(name)) continue;
    if (read.counters.has(name)) view.counters.add(name);
    else view.counters.delete(name);
    ruleset.markChanged('counters', name);
    drift++;
  }
  for (const name of new Set([...view.sets.keys(), ...read.sets.keys()])) {
    yield;
    if (written.has('sets', name)) continue;
    const [known, seen] = [view.sets.get(name), read.sets.get(name)];
    if (known !== undefined && seen !== undefined) {
      drift += yield* correctElements(name, known, seen, written, ruleset);
      continue;
    }
    if (seen === undefined) view.sets.delete(name);
    else view.sets.set(name, seen);
    ruleset.markChanged('sets', name);
    drift++;
  }
  return drift;
}

function* correctElements(
  set: string,
  known: Map<string, string>,
  seen: Map<string, string>,
  written: WrittenSince,
  ruleset: Ruleset,
): Generator<void, number> {
  let drift = 0;
  const correct = (key: string): void => {
    const value = seen.get(key);
    if (known.get(key) === value || written.hasElement(set, key)) return;
    if (value === undefined) known.delete(key);
    else known.set(key, value);
    ruleset.markElement(set, key);
    drift++;
  };
  yield* eachInSteps(seen.keys(), correct);
  yield* eachInSteps(known.keys(), correct);
  return drift;
}

/** Whether the kernel's chain is as wanted. */
export function sameChain(present: Chain, wanted: Chain): boolean {
  const policy = ({ policy = 'accept' }: ChainSpec) => policy;
  return (
    policy(present.spec) === policy(wanted.spec) &&
    samePlace(present.spec, wanted.spec) &&
    present.rules.length === wanted.rules.length &&
    present.rules.every((rule, i) => rule === wanted.rules[i] || sameExprs(rule, wanted.rules[i] ?? []))
  );
}

/** Whether the kernel calls both at the same place. A chain cannot be moved. */
export function samePlace(present: ChainSpec, wanted: ChainSpec): boolean {
  const place = ({ hook, type = 'filter', priority = 0 }: ChainSpec) => hook && `${hook} ${type} ${priority}`;
  return place(present) === place(wanted);
}

function elementKey({ key, keyEnd }: Element, isInterval: boolean): string {
  return bytesKey(key) + (isInterval ? bytesKey(keyEnd ?? key) : '');
}

function elementValue({ data }: Element): string {
  if (data instanceof Uint8Array) return bytesKey(data);
  return data !== undefined && 'chain' in data ? data.chain : '';
}
