import { LITTLE_ENDIAN, viewOf } from '../netlink/index.ts';

/** linux/if.h IFNAMSIZ: bytes of an interface's name, its closing NUL included. */
const IFNAMSIZ = 16;
const encoder = new TextEncoder();

/** One byte: a protocol, an ICMP type. */
export function u8Bytes(value: number): Uint8Array {
  return Uint8Array.of(value);
}

/** Two bytes in network order: a port. */
export function u16Bytes(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 0xff);
}

/** Four bytes in this host's order: a mark, an interface's index, the bits of `ct state`. */
export function hostU32Bytes(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setUint32(0, value, LITTLE_ENDIAN);
  return bytes;
}

/** An interface's name in 16 bytes, as keys of type ifname and comparisons of iifname need it. Throws RangeError. */
export function ifnameBytes(name: string): Uint8Array {
  const bytes = new Uint8Array(IFNAMSIZ);
  const { read } = encoder.encodeInto(name, bytes.subarray(0, IFNAMSIZ - 1));
  if (read !== name.length || name === '') {
    throw new RangeError(`Cannot encode interface name: name is "${name}"; allowed: 1 to ${IFNAMSIZ - 1} bytes`);
  }
  return bytes;
}

/** The start of an interface's name, for a comparison that all names with this prefix pass. Throws RangeError. */
export function ifnamePrefixBytes(prefix: string): Uint8Array {
  return ifnameBytes(prefix).slice(0, encoder.encode(prefix).length);
}

/** Joins the fields of a concatenation, each padded with zeros to 4 bytes. */
export function concatBytes(...fields: readonly Uint8Array[]): Uint8Array {
  const padded = (field: Uint8Array) => (field.length + 3) & ~3;
  const bytes = new Uint8Array(fields.reduce((sum, field) => sum + padded(field), 0));
  let at = 0;
  for (const field of fields) {
    bytes.set(field, at);
    at += padded(field);
  }
  return bytes;
}

/** The key one higher, of the same length; undefined after all ones. */
export function nextKey(key: Uint8Array): Uint8Array | undefined {
  const next = key.slice();
  for (let i = next.length - 1; i >= 0; i--) {
    const byte = next[i] ?? 0;
    next[i] = byte + 1;
    if (byte !== 0xff) return next;
  }
  return undefined;
}

/** The key one lower, of the same length; undefined before all zeros. */
export function previousKey(key: Uint8Array): Uint8Array | undefined {
  const previous = key.slice();
  for (let i = previous.length - 1; i >= 0; i--) {
    const byte = previous[i] ?? 0;
    previous[i] = byte - 1;
    if (byte !== 0) return previous;
  }
  return undefined;
}

/** Orders keys by their bytes, as numbers in network order; a key before those that it begins. */
export function compareKeys(a: Uint8Array, b: Uint8Array): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Whether two keys have the same length and bytes. */
export function keysEqual(a: Uint8Array, b: Uint8Array): boolean {
  return compareKeys(a, b) === 0;
}
