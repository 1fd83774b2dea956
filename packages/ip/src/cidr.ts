import { type Addr, bitsOf, compareAddr, type Family, parseAddr, printAddr } from './addr.ts';
import { IpError } from './error.ts';

/** A prefix: an address and how many of its leading bits count. Host bits are kept until `maskCidr`. */
export interface Cidr {
  readonly addr: Addr;
  readonly length: number;
}

/** Bits of each family that are not part of a prefix of the length, as a mask of ones, by length. */
const HOST_BITS: Readonly<Record<Family, readonly bigint[]>> = { 4: hostBits(32), 6: hostBits(128) };

function hostBits(bits: number): bigint[] {
  return Array.from({ length: bits + 1 }, (_, length) => (1n << BigInt(bits - length)) - 1n);
}

/** The ones over the host part of a prefix. */
function hostMask(c: Cidr): bigint {
  return HOST_BITS[c.addr.family][c.length] ?? 0n;
}

/**
 * Reads `address/length`, or a bare address as a prefix of full length; undefined when the text is neither. The length
 * is decimal without sign or leading zeros. Host bits are kept.
 */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf('/');
  if (slash < 0) {
    const bare = parseAddr(text);
    return bare && hostCidr(bare);
  }
  const a = parseAddr(text.slice(0, slash));
  if (a === undefined) return undefined;
  const length = parseLength(text, slash + 1, bitsOf(a.family));
  return length < 0 ? undefined : { addr: a, length };
}

/** The decimal number at the end of the text from an offset, at most max; -1 otherwise. */
function parseLength(text: string, start: number, max: number): number {
  const digits = text.length - start;
  if (digits < 1 || digits > 3 || (digits > 1 && text.charCodeAt(start) === 48)) return -1;
  let length = 0;
  for (let i = start; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -1;
    length = length * 10 + digit;
  }
  return length > max ? -1 : length;
}

/** Reads a prefix from trusted text; throws IpError when it is not one. */
export function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  if (parsed === undefined) {
    throw new IpError(`Cannot parse prefix: text is "${text}"; allowed: <address>/<length>, or an address`);
  }
  return parsed;
}

/** Prints a prefix, always with its length: `10.0.0.1/32`. */
export function printCidr(c: Cidr): string {
  return `${printAddr(c.addr)}/${c.length}`;
}

/** Orders prefixes by address, then shorter (wider) first. */
export function compareCidr(a: Cidr, b: Cidr): number {
  return compareAddr(a.addr, b.addr) || a.length - b.length;
}

/** Whether two prefixes have the same address (host bits included) and length. */
export function cidrEquals(a: Cidr, b: Cidr): boolean {
  return a.length === b.length && a.addr.family === b.addr.family && a.addr.value === b.addr.value;
}

/** The prefix with its host bits zero; the argument itself when they are. */
export function maskCidr(c: Cidr): Cidr {
  return isMasked(c) ? c : { addr: firstAddr(c), length: c.length };
}

/** Whether all host bits are zero. */
export function isMasked(c: Cidr): boolean {
  return (c.addr.value & hostMask(c)) === 0n;
}

/** Whether the address lies in the prefix; never across families. */
export function cidrContains(c: Cidr, a: Addr): boolean {
  return c.addr.family === a.family && (c.addr.value | hostMask(c)) === (a.value | hostMask(c));
}

/** Whether every address of `inner` is in `outer`. */
export function cidrCovers(outer: Cidr, inner: Cidr): boolean {
  return outer.length <= inner.length && cidrContains(outer, inner.addr);
}

/** Whether two prefixes share an address, which means that one covers the other. */
export function cidrsOverlap(a: Cidr, b: Cidr): boolean {
  return a.length <= b.length ? cidrContains(a, b.addr) : cidrContains(b, a.addr);
}

/** The lowest address of the prefix (the network address). */
export function firstAddr(c: Cidr): Addr {
  return { family: c.addr.family, value: c.addr.value - (c.addr.value & hostMask(c)) };
}

/** The highest address of the prefix (IPv4: the broadcast address). */
export function lastAddr(c: Cidr): Addr {
  return { family: c.addr.family, value: c.addr.value | hostMask(c) };
}

/** How many addresses the prefix has. */
export function cidrSize(c: Cidr): bigint {
  return hostMask(c) + 1n;
}

/** The prefix of one address: /32 or /128. */
export function hostCidr(a: Addr): Cidr {
  return { addr: a, length: bitsOf(a.family) };
}

/** The place of an address in the prefix, from 0; throws IpError when it is not inside. */
export function ordinalOf(c: Cidr, a: Addr): bigint {
  if (!cidrContains(c, a)) {
    throw new IpError(`Cannot number address ${printAddr(a)}: it is outside ${printCidr(c)}`);
  }
  return a.value & hostMask(c);
}

/** The nth address of the prefix, from 0; throws IpError when the prefix is smaller. */
export function nthAddr(c: Cidr, n: bigint | number): Addr {
  const ordinal = BigInt(n);
  if (ordinal < 0n || ordinal > hostMask(c)) {
    throw new IpError(`Cannot take address of ${printCidr(c)}: ordinal is ${n}; allowed: 0 to ${hostMask(c)}`);
  }
  return { family: c.addr.family, value: firstAddr(c).value + ordinal };
}
