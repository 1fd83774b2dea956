import { IpError } from './error.ts';
import { parseIpv4, printIpv4 } from './ipv4.ts';
import { parseIpv6, printIpv6 } from './ipv6.ts';

export type Family = 4 | 6;

/** An IP address: `value` is the 32-bit (IPv4) or 128-bit (IPv6) number, most significant byte first on the wire. */
export interface Addr {
  readonly family: Family;
  readonly value: bigint;
}

/** Number of bits of an address of the family. */
export function bitsOf(family: Family): 32 | 128 {
  return family === 4 ? 32 : 128;
}

/** The all-ones address value of each family. */
const MAX_VALUE: Readonly<Record<Family, bigint>> = { 4: (1n << 32n) - 1n, 6: (1n << 128n) - 1n };

/**
 * Reads an address; undefined when the text is not one. Strict: IPv4 octets have no leading zeros, IPv6 has no zone,
 * and a v4-mapped address stays IPv6.
 */
export function parseAddr(text: string): Addr | undefined {
  if (!text.includes(':')) {
    const value = parseIpv4(text);
    return value < 0 ? undefined : { family: 4, value: BigInt(value) };
  }
  const groups = parseIpv6(text);
  if (groups === undefined) return undefined;
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = groups;
  return { family: 6, value: fromWords((a << 16) | b, (c << 16) | d, (e << 16) | f, (g << 16) | h) };
}

/** Joins four 32-bit words, most significant first, to a 128-bit number. */
function fromWords(w0: number, w1: number, w2: number, w3: number): bigint {
  const high = (BigInt(w0 >>> 0) << 32n) | BigInt(w1 >>> 0);
  const low = (BigInt(w2 >>> 0) << 32n) | BigInt(w3 >>> 0);
  return (high << 64n) | low;
}

/** Reads an address from trusted text; throws IpError when it is not one. */
export function addr(text: string): Addr {
  const parsed = parseAddr(text);
  if (parsed === undefined) {
    throw new IpError(`Cannot parse address: text is "${text}"; allowed: an IPv4 or IPv6 address`);
  }
  return parsed;
}

/** Prints an address: dotted quad, or the canonical IPv6 text of RFC 5952. `parseAddr` reads it back. */
export function printAddr(a: Addr): string {
  if (a.family === 4) return printIpv4(Number(a.value));
  const groups: number[] = [];
  for (let shift = 112n; shift >= 0n; shift -= 16n) groups.push(Number((a.value >> shift) & 0xffffn));
  return printIpv6(groups);
}

/** Orders addresses: IPv4 before IPv6, then by value. Negative, zero or positive, as for Array.sort. */
export function compareAddr(a: Addr, b: Addr): number {
  if (a.family !== b.family) return a.family - b.family;
  return a.value < b.value ? -1 : a.value > b.value ? 1 : 0;
}

/** Whether two addresses are the same address of the same family. */
export function addrEquals(a: Addr, b: Addr): boolean {
  return a.family === b.family && a.value === b.value;
}

/** The address n places further (n may be negative). Throws IpError when that leaves the family's space. */
export function addAddr(a: Addr, n: bigint | number): Addr {
  const value = a.value + BigInt(n);
  if (value < 0n || value > MAX_VALUE[a.family]) {
    throw new IpError(`Cannot add ${n} to ${printAddr(a)}: result is outside the IPv${a.family} address space`);
  }
  return { family: a.family, value };
}

/** The address's 4 or 16 bytes in network order. */
export function addrToBytes(a: Addr): Uint8Array {
  const bytes = new Uint8Array(a.family === 4 ? 4 : 16);
  // Without a DataView, whose making takes longer than all the rest.
  for (let at = bytes.length, rest = a.value; at > 0; rest >>= 32n) {
    const word = Number(rest & 0xffff_ffffn);
    bytes[--at] = word;
    bytes[--at] = word >>> 8;
    bytes[--at] = word >>> 16;
    bytes[--at] = word >>> 24;
  }
  return bytes;
}

/** The address in 4 or 16 bytes of network order; throws IpError for any other length. */
export function addrFromBytes(bytes: Uint8Array): Addr {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.byteLength === 4) return { family: 4, value: BigInt(view.getUint32(0)) };
  if (bytes.byteLength === 16) return { family: 6, value: (view.getBigUint64(0) << 64n) | view.getBigUint64(8) };
  throw new IpError(`Cannot decode address: length is ${bytes.byteLength} bytes; allowed: 4, 16`);
}
