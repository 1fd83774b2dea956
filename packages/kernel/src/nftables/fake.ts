import { errnoNumber, KernelError } from '../error.ts';
import { refusedOp } from './batch.ts';
import { type Classification, classify, type FakePacket, type PacketContext } from './classify.ts';
import { FakeTable, type Undo } from './fake-table.ts';
import { assertTable } from './fake-validate.ts';
import { Refusal } from './refusal.ts';
import type { CounterDump, Element, Hook, Nftables, Op, SetDump, TableDump, TableName } from './types.ts';

/** The tables of one namespace in memory, shared by the handles on them. */
interface Ruleset {
  /** Told of each change, and by which handle it was made. */
  readonly listeners: Set<(table: TableName, handle: number) => void>;
  tables: Map<string, FakeTable>;
  handles: number;
}

/** nf_tables in memory, empty. It refuses what the kernel refuses, with the same errnos. */
export function fakeNftables(): FakeNftables {
  return new FakeNftables({ listeners: new Set(), tables: new Map(), handles: 0 });
}

function keyOf(table: TableName): string {
  return `${table.family} ${table.name}`;
}

/** One handle on nf_tables in memory; see {@link fakeNftables}. */
export class FakeNftables implements Nftables {
  readonly #ruleset: Ruleset;
  readonly #handle: number;
  #nextRefusal: string | undefined;

  constructor(ruleset: Ruleset) {
    this.#ruleset = ruleset;
    this.#handle = ++ruleset.handles;
  }

  /** Another handle on the same tables, as another process has it. */
  another(): FakeNftables {
    return new FakeNftables(this.#ruleset);
  }

  /** Calls for each change that another handle makes. */
  onForeignChange(call: (table: TableName) => void): void {
    this.#ruleset.listeners.add((table, handle) => {
      if (handle !== this.#handle) call(table);
    });
  }

  /** The next transaction is refused with this errno name, and changes nothing. */
  failNext(code: string): void {
    this.#nextRefusal = code;
  }

  transaction(table: TableName, ops: readonly Op[]): void {
    const refusal = this.#nextRefusal;
    this.#nextRefusal = undefined;
    if (refusal !== undefined) throw new KernelError(refusedOp(table, ops, 0), errnoNumber(refusal));
    // The kernel too checks the whole at the end, and once more after each operation to find the one at fault.
    const failed = this.#apply(table, ops, false);
    if (failed === undefined) {
      for (const listener of this.#ruleset.listeners) listener(table, this.#handle);
      return;
    }
    const { index, code } = failed.index < ops.length ? failed : (this.#apply(table, ops, true) ?? failed);
    throw new KernelError(refusedOp(table, ops, index), errnoNumber(code));
  }

  /** Applies all, or takes everything back and says what was refused, `ops.length` standing for the final check. */
  #apply(name: TableName, ops: readonly Op[], checkEach: boolean): { index: number; code: string } | undefined {
    const undo: Undo[] = [];
    let index = 0;
    try {
      for (const op of ops) {
        this.#applyOp(name, op, undo);
        if (checkEach) this.#assert(name);
        index++;
      }
      this.#assert(name);
      return undefined;
    } catch (error) {
      for (const back of undo.reverse()) back();
      if (error instanceof Refusal) return { index, code: error.code };
      throw error;
    }
  }

  #assert(name: TableName): void {
    const table = this.#ruleset.tables.get(keyOf(name));
    if (table !== undefined) assertTable(table);
  }

  #applyOp(name: TableName, op: Op, undo: Undo[]): void {
    const ruleset = this.#ruleset;
    const table = ruleset.tables.get(keyOf(name));
    const change = (tables: Ruleset['tables']) => {
      const before = ruleset.tables;
      ruleset.tables = tables;
      undo.push(() => {
        ruleset.tables = before;
      });
    };
    if (table?.owner !== undefined && table.owner !== this.#handle) throw new Refusal('EPERM');
    if (op.op === 'addTable') {
      const made = this.#addTable(name, table, op, undo);
      if (made !== undefined) change(new Map(ruleset.tables).set(keyOf(name), made));
      return;
    }
    if (table === undefined) throw new Refusal('ENOENT');
    if (op.op !== 'deleteTable') {
      table.apply(op, undo);
      return;
    }
    const without = new Map(ruleset.tables);
    without.delete(keyOf(name));
    change(without);
  }

  /** A new table, or undefined where the present one serves: unowned for unowned, or orphaned and claimed again. */
  #addTable(
    name: TableName,
    table: FakeTable | undefined,
    op: Extract<Op, { op: 'addTable' }>,
    undo: Undo[],
  ): FakeTable | undefined {
    const { owner = false, persist = false, create = false } = op;
    if (table === undefined) {
      if (persist && !owner) throw new Refusal('EINVAL');
      return new FakeTable(name, owner ? this.#handle : undefined, persist);
    }
    if (create) throw new Refusal('EEXIST');
    if (table.owned !== owner || table.persist !== persist) throw new Refusal('EOPNOTSUPP');
    const before = table.owner;
    table.owner = owner ? this.#handle : undefined;
    undo.push(() => {
      table.owner = before;
    });
    return undefined;
  }

  tables(): readonly TableName[] {
    return [...this.#ruleset.tables.values()].map(table => table.name);
  }

  dump(name: TableName): TableDump | undefined {
    const table = this.#ruleset.tables.get(keyOf(name));
    if (table === undefined) return undefined;
    const inOrder = <T extends { readonly sequence: number }>(map: ReadonlyMap<string, T>) =>
      [...map.values()].sort((a, b) => a.sequence - b.sequence);
    const owner = table.owner === undefined ? undefined : table.owner === this.#handle ? 'us' : 'other';
    return structuredClone({
      table: table.name,
      ...(owner !== undefined && ({ owner } as const)),
      persist: table.persist,
      chains: inOrder(table.chains).map(({ spec, rules }) => ({ chain: spec, rules })),
      sets: inOrder(table.sets).map(set => ({ set: set.spec, elements: set.elements() })),
      counters: inOrder(table.counters).map(({ name, packets, bytes }) => ({ name, packets, bytes })),
    });
  }

  /** Part by part, each as it is at its time. */
  *dumpInSteps(name: TableName): Generator<void, TableDump | undefined> {
    const table = () => this.#ruleset.tables.get(keyOf(name));
    const chains = this.dump(name)?.chains ?? [];
    yield;
    const sets: SetDump[] = [];
    for (const set of [...(table()?.sets.keys() ?? [])]) {
      const now = table()?.sets.get(set);
      if (now !== undefined) sets.push(structuredClone({ set: now.spec, elements: now.elements() }));
      yield;
    }
    const last = this.dump(name);
    return last && { ...last, chains, sets };
  }

  isOwner(name: TableName): boolean {
    return this.#ruleset.tables.get(keyOf(name))?.owner === this.#handle;
  }

  *countersInSteps(name: TableName): Generator<void, readonly CounterDump[]> {
    yield;
    return this.counters(name);
  }

  counters(name: TableName): readonly CounterDump[] {
    const dump = this.dump(name);
    if (dump === undefined) throw absent(`read counters of table ${keyOf(name)}`);
    return dump.counters;
  }

  elements(name: TableName, set: string): readonly Element[] {
    const found = this.#ruleset.tables.get(keyOf(name))?.sets.get(set);
    if (found === undefined) throw absent(`read set "${set}" of table ${keyOf(name)}`);
    return structuredClone(found.elements());
  }

  close(): void {
    const kept = [...this.#ruleset.tables].filter(([, table]) => table.owner !== this.#handle || table.persist);
    this.#ruleset.tables = new Map(kept);
    for (const [, table] of kept) if (table.owner === this.#handle) table.owner = undefined;
  }

  /**
   * The fate of a packet at one hook, decided as the kernel would: base chains of all tables by priority, with jumps,
   * sets and maps. Counters count. Throws Error where `context` lacks what a rule asks about.
   */
  classify(hook: Hook, packet: FakePacket, context: PacketContext = {}): Classification {
    return classify(this.#ruleset.tables.values(), hook, packet, context);
  }

  /**
   * Every fate of a packet that is under way while the tables here become those of `later`. The kernel takes the rules of all
   * chains behind a base chain from the ruleset that the packet met there, but what it looks up from the sets as they are at
   * that moment; a set that was deleted is empty. linux/net/netfilter/nf_tables_core.c nft_do_chain, nft_lookup.c
   */
  fatesUnderWay(
    later: FakeNftables,
    hook: Hook,
    packet: FakePacket,
    context: PacketContext = {},
  ): ReadonlySet<Classification['verdict']> {
    const fates = new Set<Classification['verdict']>();
    // Each time the change comes before another look of the packet, at a base chain's rules or at a set.
    for (let change = 0, looks = 0; looks >= change; change++) {
      looks = 0;
      const met = (table: FakeTable) => {
        const becomes = later.#ruleset.tables.get(keyOf(table.name));
        const now = () => (looks++ < change ? table : becomes);
        const { chains } = now() ?? table;
        const get = (name: string) => now()?.sets.get(name);
        return { name: table.name, chains, counters: table.counters, sets: { get } };
      };
      fates.add(classify(this.#ruleset.tables.values(), hook, packet, context, met).verdict);
    }
    return fates;
  }

  /** Faults that the kernel would not report: elements of concatenations that overlap, wrong use counts. */
  check(): string[] {
    return [...this.#ruleset.tables].flatMap(([name, table]) => table.check().map(fault => `table ${name}: ${fault}`));
  }
}

function absent(op: string): KernelError {
  return new KernelError(op, errnoNumber('ENOENT'));
}
