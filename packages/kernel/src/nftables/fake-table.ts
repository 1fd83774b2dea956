import { FakeSet } from './fake-set.ts';
import { assertRegisters } from './fake-validate.ts';
import { Refusal } from './refusal.ts';
import { canonicalExpr } from './same-exprs.ts';
import type { ChainSpec, Element, Expr, ExprOf, Op, SetSpec, TableName, Verdict } from './types.ts';

/** A rule's own counter as it is kept: it runs. */
export type RunningCounter = { -readonly [K in keyof ExprOf<'counter'>]: ExprOf<'counter'>[K] };

export interface FakeRule {
  readonly handle: number;
  readonly exprs: readonly (Exclude<Expr, { kind: 'counter' }> | RunningCounter)[];
  readonly comment?: string;
}

export interface FakeChain {
  spec: ChainSpec;
  readonly sequence: number;
  readonly rules: FakeRule[];
  /** How many verdicts, in rules and elements, lead here. */
  uses: number;
}

export interface FakeCounter {
  readonly name: string;
  readonly sequence: number;
  packets: number;
  bytes: number;
  uses: number;
}

/** Takes one change back. */
export type Undo = () => void;

/** Everything that refers to something by name. */
interface Named {
  uses: number;
}

/** One table in memory. Each change says how to take it back; a refusal leaves what was changed before to the caller. */
export class FakeTable {
  readonly name: TableName;
  readonly chains = new Map<string, FakeChain>();
  readonly sets = new Map<string, FakeSet>();
  readonly counters = new Map<string, FakeCounter>();
  /** The handle that owns the table. */
  owner: number | undefined;
  readonly owned: boolean;
  readonly persist: boolean;
  #sequence = 0;

  constructor(name: TableName, owner: number | undefined, persist: boolean) {
    this.name = name;
    this.owner = owner;
    this.owned = owner !== undefined;
    this.persist = persist;
  }

  /** Applies one operation other than those about the table itself. Throws Refusal. */
  apply(op: Exclude<Op, { op: 'addTable' | 'deleteTable' }>, undo: Undo[]): void {
    switch (op.op) {
      case 'addChain':
        this.#addChain(op.chain, op.create ?? false, undo);
        break;
      case 'deleteChain':
        this.#deleteChain(op.name, undo);
        break;
      case 'flushChain':
        this.#flushChain(this.#chain(op.name), undo);
        break;
      case 'addRule':
        this.#addRule(this.#chain(op.chain), op.exprs, op.comment, undo);
        break;
      case 'deleteRule':
        this.#deleteRule(this.#chain(op.chain), op.handle, undo);
        break;
      case 'addSet':
        this.#addSet(op.set, op.create ?? false, undo);
        break;
      case 'deleteSet':
        this.#deleteSet(op.name, undo);
        break;
      case 'flushSet':
        this.#deleteElements(this.#set(op.name), [...this.#set(op.name).elements()], undo);
        break;
      case 'addElements':
        this.#addElements(this.#set(op.set), op.elements, op.create ?? false, undo);
        break;
      case 'deleteElements':
        this.#deleteElements(this.#set(op.set), op.elements, undo);
        break;
      case 'addCounter':
        this.#addCounter(op.name, op.create ?? false, undo);
        break;
      case 'deleteCounter':
        this.#deleteCounter(op.name, undo);
        break;
    }
  }

  /** Faults in the table's own books; empty when it is sound. */
  check(): string[] {
    const uses = new Map<Named, number>();
    const count = (named: Named) => uses.set(named, (uses.get(named) ?? 0) + 1);
    for (const chain of this.chains.values()) {
      for (const rule of chain.rules) for (const named of this.#referred(rule.exprs)) count(named);
    }
    for (const set of this.sets.values()) {
      for (const element of set.elements()) for (const named of this.#referredByElement(element)) count(named);
    }
    const faults: string[] = [];
    for (const [kind, map] of [
      ['chain', this.chains] as const,
      ['set', this.sets] as const,
      ['counter', this.counters] as const,
    ]) {
      for (const [name, named] of map) {
        const found = uses.get(named) ?? 0;
        if (found !== named.uses) faults.push(`${kind} "${name}": uses is ${named.uses}; allowed: ${found}`);
      }
    }
    for (const [name, set] of this.sets) {
      for (const [a, b] of set.overlaps()) {
        faults.push(
          `set "${name}": elements ${Buffer.from(a.key).toString('hex')} and ${Buffer.from(b.key).toString('hex')} overlap`,
        );
      }
    }
    return faults;
  }

  #chain(name: string): FakeChain {
    const chain = this.chains.get(name);
    if (chain === undefined) throw new Refusal('ENOENT');
    return chain;
  }

  #set(name: string): FakeSet {
    const set = this.sets.get(name);
    if (set === undefined) throw new Refusal('ENOENT');
    return set;
  }

  #counter(name: string): FakeCounter {
    const counter = this.counters.get(name);
    if (counter === undefined) throw new Refusal('ENOENT');
    return counter;
  }

  #put<T>(map: Map<string, T>, name: string, value: T, undo: Undo[]): void {
    map.set(name, value);
    undo.push(() => map.delete(name));
  }

  /** Takes an object out that nothing may refer to. */
  #take<T extends Named>(map: Map<string, T>, name: string, undo: Undo[]): void {
    const value = map.get(name);
    if (value === undefined) throw new Refusal('ENOENT');
    if (value.uses > 0) throw new Refusal('EBUSY');
    map.delete(name);
    undo.push(() => map.set(name, value));
  }

  #hold(named: readonly Named[], by: 1 | -1, undo: Undo[]): void {
    for (const one of named) one.uses += by;
    undo.push(() => {
      for (const one of named) one.uses -= by;
    });
  }

  #addChain(spec: ChainSpec, create: boolean, undo: Undo[]): void {
    const chain = this.chains.get(spec.name);
    if (chain === undefined) {
      assertHook(spec, this.name);
      this.#put(
        this.chains,
        spec.name,
        { spec: withDefaults(spec), sequence: ++this.#sequence, rules: [], uses: 0 },
        undo,
      );
      return;
    }
    if (create) throw new Refusal('EEXIST');
    if (spec.hook === undefined) return;
    const before = chain.spec;
    const wanted = withDefaults(spec);
    if (before.hook !== wanted.hook || before.priority !== wanted.priority) throw new Refusal('EOPNOTSUPP');
    if (before.type !== wanted.type) throw new Refusal('EEXIST');
    chain.spec = { ...before, policy: wanted.policy ?? 'accept' };
    undo.push(() => {
      chain.spec = before;
    });
  }

  #deleteChain(name: string, undo: Undo[]): void {
    const chain = this.#chain(name);
    // Asked before its rules go: a chain that jumps to itself must be flushed first.
    if (chain.uses > 0) throw new Refusal('EBUSY');
    this.#flushChain(chain, undo);
    this.#take(this.chains, name, undo);
  }

  #flushChain(chain: FakeChain, undo: Undo[]): void {
    const rules = chain.rules.splice(0);
    undo.push(() => chain.rules.push(...rules));
    for (const rule of rules) this.#hold(this.#referred(rule.exprs), -1, undo);
  }

  #addRule(chain: FakeChain, exprs: readonly Expr[], comment: string | undefined, undo: Undo[]): void {
    assertRegisters(exprs, this.sets);
    const kept = exprs.map(e =>
      e.kind === 'counter' ? { ...e, packets: e.packets ?? 0, bytes: e.bytes ?? 0 } : canonicalExpr(e),
    );
    this.#hold(this.#referred(kept), 1, undo);
    chain.rules.push({ handle: ++this.#sequence, exprs: kept, ...(comment !== undefined && { comment }) });
    undo.push(() => chain.rules.pop());
  }

  #deleteRule(chain: FakeChain, handle: number, undo: Undo[]): void {
    const at = chain.rules.findIndex(rule => rule.handle === handle);
    const [rule] = at < 0 ? [] : chain.rules.splice(at, 1);
    if (rule === undefined) throw new Refusal('ENOENT');
    undo.push(() => chain.rules.splice(at, 0, rule));
    this.#hold(this.#referred(rule.exprs), -1, undo);
  }

  #addSet(spec: SetSpec, create: boolean, undo: Undo[]): void {
    const set = this.sets.get(spec.name);
    if (set === undefined) {
      this.#put(this.sets, spec.name, new FakeSet(spec, ++this.#sequence), undo);
    } else if (create || !sameSet(set.spec, spec)) {
      throw new Refusal('EEXIST');
    }
  }

  #deleteSet(name: string, undo: Undo[]): void {
    const set = this.#set(name);
    this.#take(this.sets, name, undo);
    for (const element of set.elements()) this.#hold(this.#referredByElement(element), -1, undo);
  }

  #addElements(set: FakeSet, elements: readonly Element[], create: boolean, undo: Undo[]): void {
    if (set.uses > 0 && set.spec.flags.includes('constant')) throw new Refusal('EBUSY');
    for (const element of elements) {
      const referred = this.#referredByElement(element);
      const added = set.add(element, create);
      if (added === undefined) continue;
      undo.push(added);
      this.#hold(referred, 1, undo);
    }
  }

  #deleteElements(set: FakeSet, elements: readonly Element[], undo: Undo[]): void {
    for (const wanted of elements) {
      const deleted = set.delete(wanted);
      undo.push(deleted.undo);
      this.#hold(this.#referredByElement(deleted.element), -1, undo);
    }
  }

  #addCounter(name: string, create: boolean, undo: Undo[]): void {
    if (!this.counters.has(name)) {
      this.#put(this.counters, name, { name, sequence: ++this.#sequence, packets: 0, bytes: 0, uses: 0 }, undo);
    } else if (create) {
      throw new Refusal('EEXIST');
    }
  }

  #deleteCounter(name: string, undo: Undo[]): void {
    this.#take(this.counters, name, undo);
  }

  /** Where a verdict leads; base chains cannot be jumped to. */
  #target(verdict: Verdict): FakeChain[] {
    if (verdict.kind !== 'jump' && verdict.kind !== 'goto') return [];
    const chain = this.#chain(verdict.chain);
    if (chain.spec.hook !== undefined) throw new Refusal('EOPNOTSUPP');
    return [chain];
  }

  #referredByElement({ data }: Pick<Element, 'data'>): Named[] {
    if (data === undefined || data instanceof Uint8Array) return [];
    return data.kind === 'counter' ? [this.#counter(data.name)] : this.#target(data);
  }

  #referred(exprs: FakeRule['exprs']): Named[] {
    return exprs.flatMap((e): Named[] => {
      switch (e.kind) {
        case 'lookup': {
          const set = this.#set(e.set);
          const isMap = set.spec.map !== undefined && set.spec.map !== 'counter';
          if (isMap !== (e.dreg !== undefined) || (isMap && e.inverted)) throw new Refusal('EINVAL');
          return [set];
        }
        case 'objrefMap': {
          const set = this.#set(e.set);
          if (set.spec.map !== 'counter') throw new Refusal('EINVAL');
          return [set];
        }
        case 'objref':
          return [this.#counter(e.name)];
        case 'verdict':
          return this.#target(e.verdict);
        default:
          return [];
      }
    });
  }
}

/** What a dump says of a base chain where the caller left it out. */
function withDefaults(spec: ChainSpec): ChainSpec {
  if (spec.hook === undefined) return { name: spec.name, ...(spec.comment !== undefined && { comment: spec.comment }) };
  return { ...spec, type: spec.type ?? 'filter', priority: spec.priority ?? 0, policy: spec.policy ?? 'accept' };
}

/** Which hooks each type of base chain has (linux/net/netfilter/nft_chain_*.c); ARP knows input and output only. */
function assertHook(spec: ChainSpec, table: TableName): void {
  const { hook, type = 'filter' } = spec;
  if (hook === undefined) return;
  if (table.family === 'arp' && type !== 'filter') throw new Refusal('ENOENT');
  const refused =
    (table.family === 'arp' && hook !== 'input' && hook !== 'output') ||
    (type === 'nat' && hook === 'forward') ||
    (type === 'route' && hook !== 'output');
  if (refused) throw new Refusal('EOPNOTSUPP');
}

function sameSet(a: SetSpec, b: SetSpec): boolean {
  const comparable = (s: SetSpec) =>
    JSON.stringify([[s.keyType].flat(), [...s.flags].sort(), s.map, s.counters ?? false, s.size, s.timeout]);
  return comparable(a) === comparable(b);
}
