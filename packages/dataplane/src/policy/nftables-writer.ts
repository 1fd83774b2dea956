import {
  batchSize,
  type ChainSpec,
  type Element,
  KernelError,
  type Nftables,
  type Op,
  sameExprs,
  splitOps,
  type TableDump,
  type TableName,
} from '@calico/kernel';
import { bytesKey, keyBytes } from './address-sets.ts';
import { tableName } from './names.ts';
import type { Chain, NamedSet, Ruleset } from './ruleset.ts';

const table: TableName = { family: 'inet', name: tableName };

/** Largest batch in bytes of what can be cut. It must fit a socket's send buffer, without privileges about 212,992 bytes. */
export const batchLimit = 128 * 1024;

/** When elements are written: before, while or after what packets meet first changes. */
type Phase = 'before' | 'during' | 'after';

/** Elements that are changed together even where a change needs several batches, so that each is there all the time. */
const elementsAtOnce = 128;

/** What the kernel holds, as far as we know. */
interface Actual {
  readonly chains: Map<string, Chain>;
  readonly counters: Set<string>;
  readonly sets: Map<string, Map<string, string>>;
  /** Whether the table is ours: no other process can change it. */
  claimed: boolean;
}

/** The operations of a write. Those of one group of `switchOver` belong into one transaction. */
interface Stages {
  readonly prepare: Op[];
  readonly switchOver: Op[][];
  readonly cleanUp: Op[];
}

/**
 * Writes a ruleset into our table. What packets meet changes in one transaction; where that would not fit a batch, new
 * chains and sets are filled beforehand, unreferenced, and old ones removed afterwards.
 */
export class NftablesWriter {
  readonly #nftables: Nftables;
  readonly #ruleset: Ruleset;
  #actual: Actual | undefined;

  constructor(nftables: Nftables, ruleset: Ruleset) {
    this.#nftables = nftables;
    this.#ruleset = ruleset;
  }

  /**
   * Writes what has changed; the first time, or after `resync`, everything that differs from the kernel. Gives the
   * number of operations. When the kernel refuses, its state is read anew and the write is tried once more; then the
   * KernelError is thrown, and the next call starts with a reading.
   */
  apply(): number {
    if (this.#actual !== undefined && !this.#ruleset.changed) return 0;
    if (this.#actual !== undefined) {
      try {
        return this.#write(this.#actual);
      } catch {
        // Someone changed the table behind us: look, then write the difference.
        this.#actual = undefined;
      }
    }
    this.#ruleset.takeChanges();
    this.#actual = readActual(this.#nftables.dump(table));
    try {
      this.#markAll(this.#actual);
      return this.#write(this.#actual);
    } catch (error) {
      this.#actual = undefined;
      throw error;
    }
  }

  /**
   * Whether a key that is wanted in any of these maps is absent from one that should have it, or wanted in none. Asks the
   * kernel. Throws KernelError.
   */
  missingElement(maps: readonly string[], key: string): boolean {
    const wanted = maps.filter(map => this.#ruleset.sets.get(map)?.elements.has(key));
    if (wanted.length === 0) return true;
    return wanted.some(map => !this.#nftables.elements(table, map).some(element => bytesKey(element.key) === key));
  }

  /** Has the next `apply` read the table and write the difference. */
  resync(): void {
    this.#actual = undefined;
  }

  #write(actual: Actual): number {
    const { prepare, switchOver, cleanUp } = this.#stages(actual);
    const all = [...prepare, ...switchOver.flat(), ...cleanUp];
    const claim: Op[] = actual.claimed ? [] : [{ op: 'addTable', owner: true, persist: true }];
    const send = (batch: readonly Op[]) => {
      if (batch.length > 0) this.#nftables.transaction(table, batch);
    };
    if (batchSize(all) <= batchLimit) send([...claim, ...all]);
    else {
      for (const batch of splitOps([...claim, ...prepare], batchLimit)) send(batch);
      this.#switchOver(switchOver, send);
      for (const batch of splitOps(cleanUp, batchLimit)) send(batch);
    }
    actual.claimed = true;
    this.#remember(actual);
    return all.length;
  }

  /**
   * What packets meet changes in one transaction, as far as the send buffer lets it: its size is a matter of privileges.
   * Beyond it each element still changes in one, but maps that lead to one another do so one after the other.
   */
  #switchOver(groups: readonly Op[][], send: (batch: readonly Op[]) => void): void {
    try {
      send(groups.flat());
    } catch (error) {
      if (!(error instanceof KernelError && error.code === 'EMSGSIZE')) throw error;
      for (const batch of joinGroups(groups, batchLimit)) send(batch);
    }
  }

  #pending: ReturnType<Ruleset['takeChanges']> | undefined;

  /** The operations for everything dirty, in an order that the kernel accepts. */
  #stages(actual: Actual): Stages {
    const dirty = this.#ruleset.takeChanges();
    this.#pending = dirty;
    const prepare: Op[] = [];
    const switchOver: Op[][] = [];
    const cleanUp: Op[] = [];

    for (const name of dirty.counters) {
      const wanted = this.#ruleset.counters.has(name);
      if (wanted && !actual.counters.has(name)) prepare.push({ op: 'addCounter', name });
    }
    const newSets = [...dirty.sets].flatMap(name => this.#newSet(name, actual));
    for (const set of newSets) prepare.push({ op: 'addSet', set: set.spec });
    const newChains = [...dirty.chains].filter(name => this.#ruleset.chains.has(name) && !actual.chains.has(name));
    const jumpedTo = newChains.filter(name => this.#ruleset.chains.get(name)?.spec.hook === undefined);
    for (const name of jumpedTo) prepare.push({ op: 'addChain', chain: { name } });
    for (const set of newSets) if (set.elements.size > 0) prepare.push(addElements(set, [...set.elements]));
    for (const name of jumpedTo) prepare.push(...this.#rulesOf(name));

    for (const name of dirty.sets) this.#markElements(name, actual, dirty.elements);
    const byDepth = [...dirty.elements.keys()].sort((a, b) => this.#depth(a) - this.#depth(b));
    const keysOf = (name: string, phase: Phase) => this.#keysOf(name, phase, dirty.elements, actual);
    const changes = (name: string, phase: Phase) => this.#elementChanges(name, keysOf(name, phase), actual);
    for (const name of byDepth.toReversed()) switchOver.push(...changes(name, 'before'));
    for (const name of byDepth) switchOver.push(...changes(name, 'during'));
    for (const name of dirty.chains) switchOver.push(this.#rewriting(name, actual));
    for (const name of byDepth) switchOver.push(...changes(name, 'after'));

    const oldChains = [...dirty.chains].filter(name => !this.#ruleset.chains.has(name) && actual.chains.has(name));
    for (const name of oldChains) cleanUp.push({ op: 'flushChain', name });
    // Old maps lead to old chains.
    for (const name of dirty.sets) {
      if (!this.#ruleset.sets.has(name) && actual.sets.has(name)) cleanUp.push({ op: 'deleteSet', name });
    }
    for (const name of oldChains) cleanUp.push({ op: 'deleteChain', name });
    for (const name of dirty.counters) {
      if (!this.#ruleset.counters.has(name) && actual.counters.has(name)) cleanUp.push({ op: 'deleteCounter', name });
    }
    return { prepare, switchOver, cleanUp };
  }

  /** A chain that the kernel calls is written in place; one that is jumped to only where another program changed it. */
  #rewriting(name: string, actual: Actual): Op[] {
    const chain = this.#ruleset.chains.get(name);
    const present = actual.chains.get(name);
    if (chain === undefined || (present !== undefined && sameChain(present, chain))) return [];
    if (chain.spec.hook === undefined && present === undefined) return [];
    return [{ op: 'addChain', chain: chain.spec }, { op: 'flushChain', name }, ...this.#rulesOf(name)];
  }

  /** A set that went and came again between two writes: any element may differ. */
  #markElements(name: string, actual: Actual, elements: Map<string, Set<string>>): void {
    const wanted = this.#ruleset.sets.get(name)?.elements;
    const present = actual.sets.get(name);
    if (wanted === undefined || present === undefined) return;
    elements.set(name, new Set([...wanted.keys(), ...present.keys()]));
  }

  #newSet(name: string, actual: Actual): NamedSet[] {
    const set = this.#ruleset.sets.get(name);
    return set === undefined || actual.sets.has(name) ? [] : [set];
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
  #keysOf(name: string, phase: Phase, dirty: ReadonlyMap<string, ReadonlySet<string>>, actual: Actual): string[] {
    const keys = [...(dirty.get(name) ?? [])];
    if (this.#depth(name) === 0) return phase === 'during' ? keys : [];
    const wanted = this.#ruleset.sets.get(name)?.elements;
    const present = actual.sets.get(name);
    return keys.filter(key => phase === (!present?.has(key) ? 'before' : !wanted?.has(key) ? 'after' : 'during'));
  }

  /** Deletions before additions: an element with another verdict, or one in a hidden network's place, must go first. */
  #elementChanges(name: string, keys: Iterable<string>, actual: Actual): Op[][] {
    const set = this.#ruleset.sets.get(name);
    const present = actual.sets.get(name);
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

  /** The write has succeeded: what was dirty is now as desired. */
  #remember(actual: Actual): void {
    const dirty = this.#pending;
    if (dirty === undefined) return;
    for (const name of dirty.counters) {
      if (this.#ruleset.counters.has(name)) actual.counters.add(name);
      else actual.counters.delete(name);
    }
    for (const name of dirty.chains) {
      const chain = this.#ruleset.chains.get(name);
      if (chain !== undefined) actual.chains.set(name, chain);
      else actual.chains.delete(name);
    }
    for (const name of dirty.sets) {
      const set = this.#ruleset.sets.get(name);
      if (set === undefined) actual.sets.delete(name);
      else if (!actual.sets.has(name)) actual.sets.set(name, new Map(set.elements));
    }
    for (const [name, keys] of dirty.elements) {
      const set = this.#ruleset.sets.get(name);
      const present = actual.sets.get(name);
      for (const key of set === undefined || present === undefined ? [] : keys) {
        const value = set?.elements.get(key);
        if (value === undefined) present?.delete(key);
        else present?.set(key, value);
      }
    }
    this.#pending = undefined;
  }

  /** Marks everything of the ruleset and everything that the kernel has: the write leaves out what is equal. */
  #markAll(actual: Actual): void {
    for (const name of [...this.#ruleset.chains.keys(), ...actual.chains.keys()])
      this.#ruleset.markChanged('chains', name);
    for (const name of [...this.#ruleset.counters, ...actual.counters]) this.#ruleset.markChanged('counters', name);
    for (const name of [...this.#ruleset.sets.keys(), ...actual.sets.keys()]) this.#ruleset.markChanged('sets', name);
  }
}

function readActual(dump: TableDump | undefined): Actual {
  const actual: Actual = { chains: new Map(), counters: new Set(), sets: new Map(), claimed: dump?.owner === 'us' };
  for (const { chain, rules } of dump?.chains ?? []) {
    actual.chains.set(chain.name, { spec: chain, rules: rules.map(rule => rule.exprs) });
  }
  for (const { name } of dump?.counters ?? []) actual.counters.add(name);
  for (const { set, elements } of dump?.sets ?? []) {
    const isInterval = set.flags.includes('interval');
    actual.sets.set(set.name, new Map(elements.map(e => [elementKey(e, isInterval), elementValue(e)] as const)));
  }
  return actual;
}

function sameChain(present: Chain, wanted: Chain): boolean {
  const policy = ({ policy = 'accept' }: ChainSpec) => policy;
  return (
    policy(present.spec) === policy(wanted.spec) &&
    present.rules.length === wanted.rules.length &&
    present.rules.every((rule, i) => rule === wanted.rules[i] || sameExprs(rule, wanted.rules[i] ?? []))
  );
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

function elementKey({ key, keyEnd }: Element, isInterval: boolean): string {
  return bytesKey(key) + (isInterval ? bytesKey(keyEnd ?? key) : '');
}

function elementValue({ data }: Element): string {
  if (data instanceof Uint8Array) return bytesKey(data);
  return data !== undefined && 'chain' in data ? data.chain : '';
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
