import type { Expr } from '@calico/kernel';
import { bytesKey } from './address-sets.ts';

/**
 * Whether rules read from the kernel are the rules that we wrote. Registers are compared by the names that the kernel
 * gives them (8, 12, 16 and 20 are 1 to 4), and what is false as if it were absent.
 */
export function sameRules(present: readonly (readonly Expr[])[], wanted: readonly (readonly Expr[])[]): boolean {
  if (present === wanted) return true;
  return present.length === wanted.length && present.every((rule, i) => ruleKey(rule) === ruleKey(wanted[i] ?? []));
}

function ruleKey(rule: readonly Expr[]): string {
  return JSON.stringify(rule.map(expr => Object.entries(expr).map(fieldKey).filter(Boolean).sort()));
}

function fieldKey([field, value]: [string, unknown]): string {
  if (value === undefined || value === false) return '';
  if (value instanceof Uint8Array) return `${field} ${bytesKey(value)}`;
  if (typeof value === 'number' && /reg$/i.test(field)) return `${field} ${canonicalRegister(value)}`;
  return `${field} ${JSON.stringify(value)}`;
}

/** linux/net/netfilter/nf_tables_api.c nft_dump_register */
function canonicalRegister(register: number): number {
  return register >= 8 && register % 4 === 0 ? register / 4 - 1 : register;
}
