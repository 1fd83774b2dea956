import { parseIpv4, printIpv4 } from './ipv4.ts';

const GROUPS = 8;

/** Value of one hexadecimal digit given as a character code, or -1. */
function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  if (code >= 97 && code <= 102) return code - 87;
  if (code >= 65 && code <= 70) return code - 55;
  return -1;
}

/**
 * Reads IPv6 text (RFC 4291 §2.2): eight groups of one to four hexadecimal digits, at most one `::` standing for at
 * least one zero group, optionally a dotted quad in place of the last two groups; no zone. Gives the eight 16-bit
 * groups, or undefined.
 */
export function parseIpv6(text: string): number[] | undefined {
  const groups: number[] = [];
  let gap = -1;
  let i = 0;
  const end = text.length;
  if (text.startsWith('::')) {
    gap = 0;
    i = 2;
  }
  while (i < end) {
    if (groups.length === GROUPS) return undefined;
    const start = i;
    let value = 0;
    for (; i < end; i++) {
      const digit = hexDigit(text.charCodeAt(i));
      if (digit < 0) break;
      if (i - start === 4) return undefined;
      value = value * 16 + digit;
    }
    if (text.charCodeAt(i) === 46) {
      const quad = parseIpv4(text, start, end);
      if (quad < 0 || groups.length > GROUPS - 2) return undefined;
      groups.push(quad >>> 16, quad & 0xffff);
      i = end;
      break;
    }
    if (i === start) return undefined;
    groups.push(value);
    if (i === end) break;
    if (text.charCodeAt(i) !== 58) return undefined;
    i++;
    if (i === end) return undefined;
    if (text.charCodeAt(i) === 58) {
      if (gap >= 0) return undefined;
      gap = groups.length;
      i++;
    }
  }
  if (gap < 0) return groups.length === GROUPS ? groups : undefined;
  if (groups.length === GROUPS) return undefined;
  groups.splice(gap, 0, ...new Array<number>(GROUPS - groups.length).fill(0));
  return groups;
}

/** Where the longest run of two or more zero groups starts, the first of equals (RFC 5952 §4.2), and its length. */
function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  const best = { start: -1, length: 1 };
  let start = 0;
  for (let i = 0; i <= groups.length; i++) {
    if (groups[i] === 0) continue;
    if (i - start > best.length) {
      best.start = start;
      best.length = i - start;
    }
    start = i + 1;
  }
  return best;
}

/** Prints eight 16-bit groups in the canonical form of RFC 5952; v4-mapped addresses end in a dotted quad (§5). */
export function printIpv6(groups: readonly number[]): string {
  if (groups[5] === 0xffff && groups.slice(0, 5).every(g => g === 0)) {
    return `::ffff:${printIpv4(((groups[6] ?? 0) << 16) | (groups[7] ?? 0))}`;
  }
  const hex = (from: number, to?: number) =>
    groups
      .slice(from, to)
      .map(g => g.toString(16))
      .join(':');
  const zeros = longestZeroRun(groups);
  if (zeros.start < 0) return hex(0);
  return `${hex(0, zeros.start)}::${hex(zeros.start + zeros.length)}`;
}
