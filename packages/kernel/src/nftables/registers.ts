import type { CtKey, Expr, MetaKey } from './types.ts';

/** linux/netfilter/nf_tables.h: sixteen words of 4 bytes behind the verdict register. */
export const REGISTER_BYTES = 64;

/** Bytes of a register file taken by one value. */
export interface RegisterUse {
  /** Byte at which the register starts. */
  readonly at: number;
  readonly length: number;
}

/** Where a register starts in the register file, in bytes; undefined for the verdict register and unknown numbers. */
export function registerOffset(register: number): number | undefined {
  if (register >= 1 && register <= 4) return (register - 1) * 16;
  if (register >= 8 && register <= 23) return (register - 8) * 4;
  return undefined;
}

const nameKeys: ReadonlySet<MetaKey> = new Set<MetaKey>(['iifname', 'oifname', 'iifkind', 'oifkind']);

/** Bytes that a meta key's value takes in a register. */
export function metaLength(key: MetaKey): number {
  return nameKeys.has(key) ? 16 : 4;
}

/** Bytes that a conntrack key's value takes in a register. */
export function ctLength(key: CtKey): number {
  return key === 'srcIp6' || key === 'dstIp6' ? 16 : 4;
}

function use(register: number | undefined, length: number): RegisterUse[] {
  const at = register === undefined ? undefined : registerOffset(register);
  return at === undefined ? [] : [{ at, length }];
}

/** What the expression writes; `dataLength` is that of the map, for a lookup. */
export function registerWritten(e: Expr, dataLength: number): readonly RegisterUse[] {
  switch (e.kind) {
    case 'meta':
      return use(e.dreg, metaLength(e.key));
    case 'payload':
    case 'bitwise':
      return use(e.dreg, e.length);
    case 'lookup':
      return use(e.dreg, dataLength);
    case 'ct':
      return use(e.dreg, ctLength(e.key));
    case 'immediate':
      return use(e.dreg, e.data.length);
    case 'fib':
      return use(e.dreg, e.result === 'oifname' && !e.present ? 16 : 4);
    default:
      return [];
  }
}

/** What the expression reads; `keyLength` is that of the set, for a lookup. */
export function registersRead(e: Expr, keyLength: number): readonly RegisterUse[] {
  switch (e.kind) {
    case 'metaSet':
    case 'ctSet':
      return use(e.sreg, 4);
    case 'cmp':
      return use(e.sreg, e.data.length);
    case 'range':
      return use(e.sreg, e.from.length);
    case 'bitwise':
      return use(e.sreg, e.length);
    case 'lookup':
    case 'objrefMap':
      return use(e.sreg, keyLength);
    case 'masquerade':
      return [...use(e.portMinReg, 2), ...use(e.portMaxReg, 2)];
    case 'nat': {
      const address = e.family === 'ip' ? 4 : 16;
      const ports = [...use(e.portMinReg, 2), ...use(e.portMaxReg, 2)];
      return [...use(e.addrMinReg, address), ...use(e.addrMaxReg, address), ...ports];
    }
    default:
      return [];
  }
}
