import type { FakeSet } from './fake-set.ts';
import type { FakeTable } from './fake-table.ts';
import { typeLength } from './field-type.ts';
import { Refusal } from './refusal.ts';
import { REGISTER_BYTES, type RegisterUse, registersRead, registerWritten } from './registers.ts';
import type { ChainSpec, Expr, Hook, Verdict } from './types.ts';

/** linux/include/net/netfilter/nf_tables.h NFT_JUMP_STACK_SIZE: chains on the way from a base chain. */
const JUMP_STACK_SIZE = 16;

/** Throws Refusal ENODATA where the rule reads what it has not written, ERANGE where a value leaves the registers. */
export function assertRegisters(exprs: readonly Expr[], sets: ReadonlyMap<string, FakeSet>): void {
  const written = new Uint8Array(REGISTER_BYTES);
  const inside = ({ at, length }: RegisterUse) => {
    if (at + length > REGISTER_BYTES) throw new Refusal('ERANGE');
  };
  for (const expr of exprs) {
    const set = expr.kind === 'lookup' || expr.kind === 'objrefMap' ? sets.get(expr.set) : undefined;
    if (set === undefined && (expr.kind === 'lookup' || expr.kind === 'objrefMap')) throw new Refusal('ENOENT');
    for (const read of registersRead(expr, set?.keyLength ?? 0)) {
      inside(read);
      // Whole words: a value of one byte fills four.
      if (written.subarray(read.at, read.at + read.length).includes(0)) throw new Refusal('ENODATA');
    }
    const data = typeof set?.spec.map === 'object' ? typeLength(set.spec.map.type) : 0;
    for (const use of registerWritten(expr, data)) {
      inside(use);
      written.fill(1, use.at, use.at + ((use.length + 3) & ~3));
    }
  }
}

/**
 * What the kernel checks of a table when it commits: from every base chain, jumps neither loop nor go deeper than
 * sixteen chains (EMLINK), and expressions are met on hooks that they work on (EOPNOTSUPP). Throws Refusal.
 */
export function assertTable(table: FakeTable): void {
  for (const { spec } of table.chains.values()) {
    if (spec.hook !== undefined) new Walk(table, spec).enter(spec.name, 0);
  }
}

/** The way through the chains from one base chain. */
class Walk {
  readonly #table: FakeTable;
  readonly #base: ChainSpec;
  readonly #path = new Set<string>();
  /** The depth at which each chain was found sound: not walked again at that depth or above. */
  readonly #sound = new Map<string, number>();

  constructor(table: FakeTable, base: ChainSpec) {
    this.#table = table;
    this.#base = base;
  }

  enter(name: string, depth: number): void {
    if (this.#path.has(name) || depth >= JUMP_STACK_SIZE) throw new Refusal('EMLINK');
    if ((this.#sound.get(name) ?? -1) >= depth) return;
    this.#path.add(name);
    for (const rule of this.#table.chains.get(name)?.rules ?? []) {
      for (const expr of rule.exprs) {
        if (!worksOn(expr, this.#base)) throw new Refusal('EOPNOTSUPP');
        for (const verdict of this.#verdictsOf(expr)) {
          if (verdict.kind === 'jump' || verdict.kind === 'goto') this.enter(verdict.chain, depth + 1);
        }
      }
    }
    this.#path.delete(name);
    this.#sound.set(name, depth);
  }

  #verdictsOf(expr: Expr): readonly Verdict[] {
    if (expr.kind === 'verdict') return [expr.verdict];
    if (expr.kind !== 'lookup' || expr.dreg !== 0) return [];
    const elements = this.#table.sets.get(expr.set)?.elements() ?? [];
    return elements.flatMap(({ data }) =>
      data === undefined || data instanceof Uint8Array || data.kind === 'counter' ? [] : data,
    );
  }
}

/** The `validate` of each expression in linux/net/netfilter/nft_*.c. */
function worksOn(expr: Expr, { hook = 'input', type = 'filter' }: ChainSpec): boolean {
  const isOn = (...hooks: readonly Hook[]) => hooks.includes(hook);
  switch (expr.kind) {
    case 'masquerade':
      return type === 'nat' && isOn('postrouting');
    case 'nat':
      return type === 'nat' && (expr.type === 'snat' ? isOn('postrouting', 'input') : isOn('prerouting', 'output'));
    case 'reject':
      return isOn('prerouting', 'input', 'forward', 'output');
    case 'fib': {
      const inbound = isOn('prerouting') || (expr.flags.includes('iif') && isOn('input', 'forward'));
      if (expr.result !== 'type' || expr.flags.includes('iif')) return inbound;
      return !expr.flags.includes('oif') || isOn('output', 'postrouting', 'forward');
    }
    default:
      return true;
  }
}
