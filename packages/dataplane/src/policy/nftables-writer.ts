import { batchSize, type Element, KernelError, type Nftables, type Op, opSize, type TableName } from '@calico/kernel';
import { eachInSteps, finished } from '@calico/reconcile';
import { bytesKey, keyBytes } from './address-sets.ts';
import { tableName } from './names.ts';
import type { Changes, NamedSet, Ruleset } from './ruleset.ts';
import { correctView, readTable, sameChain, samePlace, type TableView, WrittenSince } from './table-view.ts';

const table: TableName = { family: 'inet', name: tableName };

/** Largest batch in bytes of what can be cut. It must fit a socket's send buffer, without privileges about 212,992 bytes. */
export const batchLimit = 128 * 1024;

/** So many chains are written or compared in one step. */
const chainsAtOnce = 32;

/** Bytes of a batch that fills what nothing refers to yet, for a step of few milliseconds. */
const fillSize = 32 * 1024;

/** When elements are written: before, while or after what packets meet first changes. */
type Phase = 'before' | 'during' | 'after';

/** Elements that are changed together even where a change needs several batches, so that each is there all the time. */
const elementsAtOnce = 128;

/** Operations of one transaction that is being filled. */
interface Batch {
  operations: Op[];
  /** In bytes, rather too many than too few. */
  size: number;
  /** Operations of transactions before it, which were full. */
  sent: number;
}

/** Bytes of a batch without operations. */
const frameSize = batchSize([]);

function newBatch(): Batch {
  return { operations: [], size: frameSize, sent: 0 };
}

/**
 * Writes a ruleset into our table, in steps. What packets meet changes in one transaction: new chains and sets are filled
 * beforehand, unreferenced, and old ones removed afterwards.
 */
export class NftablesWriter {
  readonly #nftables: Nftables;
  readonly #ruleset: Ruleset;
  #view: TableView | undefined;
  /** Of a resync under way. */
  #written: WrittenSince | undefined;

  readonly #limit: number;

  constructor(nftables: Nftables, ruleset: Ruleset, limit: number = batchLimit) {
    this.#nftables = nftables;
    this.#ruleset = ruleset;
    this.#limit = limit;
  }

  /** All steps of `applyInSteps` at once. */
  apply(): number {
    return finished(this.applyInSteps());
  }

  /**
   * Writes what has changed; the first time, or after `resync`, everything that differs from the kernel. Gives the
   * number of operations. When the kernel refuses, its state is read anew and the write is tried once more; then the
   * KernelError is thrown, and the next call starts with a reading. The ruleset must stay as it is until the last step. With
   * `only`, elements of other sets may wait for a call without.
   */
  *applyInSteps(only?: (set: string) => boolean): Generator<void, number> {
    if (this.#view !== undefined && !this.#ruleset.changed) return 0;
    if (this.#view !== undefined) {
      try {
        return yield* this.#write(this.#view, only);
      } catch {
        // Someone changed the table behind us: look, then write the difference.
        this.#view = undefined;
      }
    }
    this.#ruleset.takeChanges();
    const view = yield* readTable(this.#nftables, table);
    this.#markAll(view);
    const operations = yield* this.#write(view);
    this.#view = view;
    return operations;
  }

  /**
   * Whether a key that is wanted in any of these maps is absent from one that should have it, or wanted in none. Asks the
   * kernel. Throws KernelError.
   */
  missingElement(maps: readonly string[], key: string): boolean {
    const wanted = maps.filter(map => this.#ruleset.sets.get(map)?.elements.has(key));
    if (wanted.length === 0) return true;
    return wanted.some(map => !this.hasElement(map, key));
  }

  /** Whether the kernel has the key in the map. Throws KernelError. */
  hasElement(map: string, key: string): boolean {
    return this.#nftables.elements(table, map).some(element => bytesKey(element.key) === key);
  }

  /** Has the next `apply` read the table and write the difference. */
  resync(): void {
    this.#view = undefined;
  }

  /**
   * Compares the table with what we know of it, in steps, between which changes may be applied as always, but not while
   * one is under way. Gives how many chains, counters, sets and elements were other than we knew; the next `apply` writes
   * them. Throws KernelError.
   */
  *resyncInSteps(): Generator<void, number> {
    const view = this.#view;
    // The next write reads everything anyway.
    if (view === undefined) return 0;
    const written = new WrittenSince();
    this.#written = written;
    try {
      const read = yield* readTable(this.#nftables, table);
      // A write was refused meanwhile: what we knew is void.
      if (this.#view !== view) return 0;
      return yield* correctView(view, read, written, this.#ruleset);
    } finally {
      this.#written = undefined;
    }
  }

  /**
   * Four transactions: what nothing refers to yet, new elements of maps that are asked behind others, the switch, what nothing
   * refers to any more. They must not be one: a packet under way takes the rules of a chain from the ruleset that it began
   * with, but each map that it asks from the present one. So it would meet new chains that are still empty for it, and old
   * maps that are empty already.
   */
  *#write(view: TableView, only?: (set: string) => boolean): Generator<void, number> {
    const changes = this.#ruleset.takeChanges(only);
    const claim: Op[] = view.claimed ? [] : [{ op: 'addTable', owner: true, persist: true }];
    const first = newBatch();
    yield* this.#sendFull(first, claim);
    yield* this.#sendFull(first, this.#preparing(changes, view));
    const { before, during, after } = yield* this.#switching(changes, view);
    if (before.length > 0) this.#sendRest(first);
    yield* this.#sendFull(first, before.flat());
    this.#sendRest(first);
    yield;
    this.#switchOver(during);
    yield;
    const last = newBatch();
    yield* this.#sendFull(last, [...after.flat(), ...this.#cleaning(changes, view)]);
    this.#sendRest(last);
    view.claimed = true;
    yield* this.#remember(changes, view);
    this.#written?.add(changes);
    const switched = during.reduce((sum, group) => sum + group.length, 0);
    return first.sent - claim.length + switched + last.sent;
  }

  /** Sends what the batch has, and empties it. */
  #sendRest(batch: Batch): void {
    this.#send(batch.operations);
    batch.sent += batch.operations.length;
    batch.operations = [];
    batch.size = frameSize;
  }

  #send(batch: readonly Op[]): void {
    if (batch.length > 0) this.#nftables.transaction(table, batch);
  }

  /** Adds operations to the batch, and sends it as often as it is full. */
  *#sendFull(batch: Batch, operations: Iterable<Op | undefined>): Generator<void, void> {
    let count = 0;
    for (const op of operations) {
      if (op === undefined) {
        yield;
        continue;
      }
      const bytes = opSize(op);
      if (batch.operations.length > 0 && batch.size + bytes > Math.min(this.#limit, fillSize)) {
        this.#sendRest(batch);
        yield;
      }
      batch.operations.push(op);
      batch.size += bytes;
      if (++count % elementsAtOnce === 0) yield;
    }
  }

  /**
   * What packets meet changes in one transaction, as far as the send buffer lets it: its size is a matter of privileges.
   * Beyond it each element still changes in one, but maps that lead to one another do so one after the other.
   */
  #switchOver(groups: readonly Op[][]): void {
    try {
      this.#send(groups.flat());
    } catch (error) {
      if (!(error instanceof KernelError && error.code === 'EMSGSIZE')) throw error;
      for (const batch of joinGroups(groups, this.#limit)) this.#send(batch);
    }
  }

  /** What nothing refers to yet, in an order that the kernel accepts; undefined where a step may end. */
  *#preparing(changes: Changes, view: TableView): Generator<Op | undefined> {
    for (const name of changes.counters) {
      if (this.#ruleset.counters.has(name) && !view.counters.has(name)) yield { op: 'addCounter', name };
    }
    const newSets = [...changes.sets].flatMap(name => this.#newSet(name, view));
    for (const set of newSets) yield { op: 'addSet', set: set.spec };
    const newChains = [...changes.chains].filter(name => this.#ruleset.chains.has(name) && !view.chains.has(name));
    const jumpedTo = newChains.filter(name => this.#ruleset.chains.get(name)?.spec.hook === undefined);
    for (const name of jumpedTo) yield { op: 'addChain', chain: { name } };
    // Before elements: the kernel walks all of a map for each chain that comes to ask it.
    for (const name of jumpedTo) yield* this.#rulesOf(name);
    for (const set of newSets) {
      yield undefined;
      yield* additionsOf(set);
    }
  }

  /** What changes in sets and chains that are there; the operations of one group belong into one transaction. */
  *#switching(changes: Changes, view: TableView): Generator<void, Record<Phase, Op[][]>> {
    const groups: Record<Phase, Op[][]> = { before: [], during: [], after: [] };
    for (const name of changes.sets) {
      yield* this.#markElements(name, view, changes.elements);
      yield;
    }
    const byDepth = [...changes.elements.keys()].sort((a, b) => this.#depth(a) - this.#depth(b));
    const keysOf = (name: string, phase: Phase) => this.#keysOf(name, phase, changes.elements, view);
    const inPhase = (name: string, phase: Phase) => this.#elementChanges(name, keysOf(name, phase), view);
    for (const name of byDepth.toReversed()) groups.before.push(...inPhase(name, 'before'));
    for (const name of byDepth) groups.during.push(...inPhase(name, 'during'));
    yield* eachInSteps(changes.chains, name => groups.during.push(this.#rewriting(name, view)), chainsAtOnce);
    for (const name of byDepth) groups.after.push(...inPhase(name, 'after'));
    return groups;
  }

  /** What nothing refers to any more. */
  #cleaning(changes: Changes, view: TableView): Op[] {
    const operations: Op[] = [];
    const oldChains = [...changes.chains].filter(name => !this.#ruleset.chains.has(name) && view.chains.has(name));
    for (const name of oldChains) operations.push({ op: 'flushChain', name });
    // Old maps lead to old chains.
    for (const name of changes.sets) {
      if (!this.#ruleset.sets.has(name) && view.sets.has(name)) operations.push({ op: 'deleteSet', name });
    }
    for (const name of oldChains) operations.push({ op: 'deleteChain', name });
    for (const name of changes.counters) {
      if (!this.#ruleset.counters.has(name) && view.counters.has(name)) operations.push({ op: 'deleteCounter', name });
    }
    return operations;
  }

  /** A chain that the kernel calls is written in place; one that is jumped to only where another program changed it. */
  #rewriting(name: string, view: TableView): Op[] {
    const chain = this.#ruleset.chains.get(name);
    const present = view.chains.get(name);
    if (chain === undefined || (present !== undefined && sameChain(present, chain))) return [];
    if (chain.spec.hook === undefined && present === undefined) return [];
    // What another version of this program has put elsewhere.
    const away: Op[] =
      present === undefined || samePlace(present.spec, chain.spec)
        ? []
        : [
            { op: 'flushChain', name },
            { op: 'deleteChain', name },
          ];
    return [...away, { op: 'addChain', chain: chain.spec }, { op: 'flushChain', name }, ...this.#rulesOf(name)];
  }

  /** A set that went and came again between two writes: any element may differ. */
  *#markElements(name: string, view: TableView, elements: Map<string, Set<string>>): Generator<void, void> {
    const wanted = this.#ruleset.sets.get(name)?.elements;
    const present = view.sets.get(name);
    if (wanted === undefined || present === undefined) return;
    const differing = new Set<string>();
    yield* eachInSteps(wanted, ([key, value]) => {
      if (present.get(key) !== value) differing.add(key);
    });
    yield* eachInSteps(present.keys(), key => {
      if (!wanted.has(key)) differing.add(key);
    });
    if (differing.size > 0) elements.set(name, differing);
    else elements.delete(name);
  }

  #newSet(name: string, view: TableView): NamedSet[] {
    const set = this.#ruleset.sets.get(name);
    return set === undefined || view.sets.has(name) ? [] : [set];
  }

  #rulesOf(chain: string): Op[] {
    return (this.#ruleset.chains.get(chain)?.rules ?? []).map(exprs => ({ op: 'addRule', chain, exprs }));
  }

  #depth(set: string): number {
    return this.#ruleset.sets.get(set)?.depth ?? 0;
  }

  /**
   * The dirty keys of a set that are written in the phase: in a map that is looked up behind others, new elements come
   * before anything leads to them, and old ones go when nothing does any more.
   */
  #keysOf(name: string, phase: Phase, dirty: ReadonlyMap<string, ReadonlySet<string>>, view: TableView): string[] {
    // What is new was filled beforehand.
    if (!view.sets.has(name)) return [];
    const keys = [...(dirty.get(name) ?? [])];
    if (this.#depth(name) === 0) return phase === 'during' ? keys : [];
    const wanted = this.#ruleset.sets.get(name)?.elements;
    const present = view.sets.get(name);
    return keys.filter(key => phase === (!present?.has(key) ? 'before' : !wanted?.has(key) ? 'after' : 'during'));
  }

  /** Deletions before additions: an element with another verdict, or one in a hidden network's place, must go first. */
  #elementChanges(name: string, keys: Iterable<string>, view: TableView): Op[][] {
    const set = this.#ruleset.sets.get(name);
    const present = view.sets.get(name);
    if (set === undefined || present === undefined) return [];
    const changed = [...keys].filter(key => set.elements.get(key) !== present.get(key));
    const deletions = (list: readonly string[]): Op[] => {
      const gone = list.filter(key => present.has(key)).map(key => element(set, key, present.get(key) ?? ''));
      return gone.length > 0 ? [{ op: 'deleteElements', set: name, elements: gone }] : [];
    };
    const additions = (list: readonly string[]): Op[] => {
      const come = list.flatMap(key => {
        const value = set.elements.get(key);
        return value === undefined ? [] : [[key, value] as const];
      });
      return come.length > 0 ? [addElements(set, come)] : [];
    };
    const chunks = chunked(changed, elementsAtOnce);
    // A network can take the place of several others: all of those must have gone before.
    if (set.spec.flags.includes('interval')) return [...chunks.map(deletions), ...chunks.map(additions)];
    return chunks.map(chunk => [...deletions(chunk), ...additions(chunk)]);
  }

  /** The write has succeeded: what has changed is now as desired. */
  *#remember(changes: Changes, view: TableView): Generator<void, void> {
    for (const name of changes.counters) {
      if (this.#ruleset.counters.has(name)) view.counters.add(name);
      else view.counters.delete(name);
    }
    for (const name of changes.chains) {
      const chain = this.#ruleset.chains.get(name);
      if (chain !== undefined) view.chains.set(name, chain);
      else view.chains.delete(name);
    }
    for (const name of changes.sets) {
      const set = this.#ruleset.sets.get(name);
      if (set === undefined) view.sets.delete(name);
      else if (!view.sets.has(name)) {
        const elements = new Map<string, string>();
        view.sets.set(name, elements);
        changes.elements.delete(name);
        yield* eachInSteps(set.elements, ([key, value]) => elements.set(key, value));
      }
    }
    for (const [name, keys] of changes.elements) {
      const set = this.#ruleset.sets.get(name);
      const present = view.sets.get(name);
      for (const key of set === undefined || present === undefined ? [] : keys) {
        const value = set?.elements.get(key);
        if (value === undefined) present?.delete(key);
        else present?.set(key, value);
      }
    }
  }

  /** Marks everything of the ruleset and everything that the kernel has: the write leaves out what is equal. */
  #markAll(view: TableView): void {
    for (const name of [...this.#ruleset.chains.keys(), ...view.chains.keys()])
      this.#ruleset.markChanged('chains', name);
    for (const name of [...this.#ruleset.counters, ...view.counters]) this.#ruleset.markChanged('counters', name);
    for (const name of [...this.#ruleset.sets.keys(), ...view.sets.keys()]) this.#ruleset.markChanged('sets', name);
  }
}

/** Joins groups to batches of at most `limit` bytes; none is torn apart. */
function joinGroups(groups: readonly Op[][], limit: number): Op[][] {
  const batches: Op[][] = [];
  let size = 0;
  for (const group of groups) {
    const bytes = batchSize(group);
    const last = batches.at(-1);
    if (last !== undefined && size + bytes <= limit) {
      last.push(...group);
      size += bytes;
    } else {
      batches.push([...group]);
      size = bytes;
    }
  }
  return batches;
}

function chunked<T>(list: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, i) => list.slice(i * size, (i + 1) * size));
}

/** All elements of a set, which may be many: never all in one list. */
function* additionsOf(set: NamedSet): Generator<Op> {
  let entries: (readonly [string, string])[] = [];
  for (const entry of set.elements) {
    entries.push(entry);
    if (entries.length < elementsAtOnce) continue;
    yield addElements(set, entries);
    entries = [];
  }
  if (entries.length > 0) yield addElements(set, entries);
}

function addElements(set: NamedSet, entries: readonly (readonly [string, string])[]): Op {
  return { op: 'addElements', set: set.spec.name, elements: entries.map(([key, value]) => element(set, key, value)) };
}

function element(set: NamedSet, key: string, value: string): Element {
  const bytes = keyBytes(key);
  const half = bytes.length / 2;
  const keys = set.spec.flags.includes('interval')
    ? { key: bytes.subarray(0, half), keyEnd: bytes.subarray(half) }
    : { key: bytes };
  if (set.spec.map === undefined) return keys;
  return { ...keys, data: set.spec.map === 'verdict' ? { kind: 'goto', chain: value } : keyBytes(value) };
}
