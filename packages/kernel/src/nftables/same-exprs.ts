import { MessageWriter } from '../netlink/index.ts';
import { encodeExpr } from './encode-expr.ts';
import { keysEqual } from './keys.ts';
import type { Expr } from './types.ts';

/** The kernel's default syslog level (warning), left out of its dumps. */
const DEFAULT_LOG_LEVEL = 4;
/** linux/net/netfilter/nft_limit.c NFT_LIMIT_PKT_BURST_DEFAULT, taken for a packet limit with burst 0. */
const DEFAULT_PACKET_BURST = 5;

/** The name the kernel gives a register in its dumps: 8, 12, 16, 20 are 1..4; others keep theirs. */
export function canonicalRegister(register: number): number {
  return register >= 8 && register % 4 === 0 ? register / 4 - 1 : register;
}

type RegisterField = 'sreg' | 'dreg' | 'addrMinReg' | 'addrMaxReg' | 'portMinReg' | 'portMaxReg';
const registerFields: readonly RegisterField[] = [
  'sreg',
  'dreg',
  'addrMinReg',
  'addrMaxReg',
  'portMinReg',
  'portMaxReg',
];

/** The expression as a dump gives it back: the kernel's register names and defaults, counters at zero. */
export function canonicalExpr(expr: Expr): Expr {
  const copy: { [field: string]: unknown } = { ...expr };
  for (const field of registerFields) {
    const register = copy[field];
    if (typeof register === 'number') copy[field] = canonicalRegister(register);
  }
  for (const end of ['addr', 'port']) {
    if (copy[`${end}MaxReg`] === copy[`${end}MinReg`]) delete copy[`${end}MaxReg`];
  }
  if (expr.kind === 'counter') return { kind: 'counter' };
  if (expr.kind === 'log' && expr.level === DEFAULT_LOG_LEVEL) delete copy.level;
  if (expr.kind === 'limit' && !expr.bytes && expr.burst === 0) copy.burst = DEFAULT_PACKET_BURST;
  return copy as Expr;
}

/** Whether two rules do the same: compared as the kernel would dump them, numbers of their counters left aside. */
export function sameExprs(a: readonly Expr[], b: readonly Expr[]): boolean {
  return a.length === b.length && keysEqual(encodeCanonical(a), encodeCanonical(b));
}

function encodeCanonical(exprs: readonly Expr[]): Uint8Array {
  const w = new MessageWriter();
  for (const expr of exprs) encodeExpr(w, canonicalExpr(expr));
  return w.bytes();
}
