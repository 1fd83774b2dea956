import { maskCidr, parseCidr, parseIpv4, printCidr, printIpv4 } from '@calico/ip';

/**
 * A masked CIDR. A single IPv4 address is its 32-bit number, which costs no memory of its own: of the millions of
 * addresses in a large cluster's sets nearly all are such. Anything else is text as `printCidr` gives it.
 */
export type NetKey = number | string;

/** None, one or several masked CIDRs; one is kept without an array around it, since nearly every endpoint has one. */
export type NetKeys = NetKey | readonly NetKey[];

const NO_NETS: readonly NetKey[] = [];

/** Reads a CIDR or an address; undefined when it is none. */
export function netKey(text: string): NetKey | undefined {
  const address = parseIpv4(text, 0, text.endsWith('/32') ? text.length - 3 : text.length);
  if (address >= 0) return address;
  const net = parseCidr(text);
  if (net === undefined) return undefined;
  const masked = maskCidr(net);
  return masked.length === 32 && masked.addr.family === 4 ? Number(masked.addr.value) : printCidr(masked);
}

/** Reads CIDRs and addresses, each once; text that is none is left out. */
export function netKeys(texts: readonly string[] | undefined): NetKeys {
  if (texts === undefined || texts.length === 0) return NO_NETS;
  const keys: NetKey[] = [];
  for (const text of texts) {
    const key = netKey(text);
    if (key !== undefined) keys.push(key);
  }
  const [first] = keys;
  if (keys.length === 1 && first !== undefined) return first;
  const distinct = new Set(keys);
  return distinct.size === keys.length ? keys : [...distinct];
}

/** One by one. */
export function eachNet(nets: NetKeys): readonly NetKey[] {
  return typeof nets === 'object' ? nets : [nets];
}

/** A CIDR as text, always with its length. */
export function netText(key: NetKey): string {
  return typeof key === 'number' ? `${printIpv4(key)}/32` : key;
}

/** The address of a CIDR as text, without its length. */
export function addressText(key: NetKey): string {
  return typeof key === 'number' ? printIpv4(key) : key.slice(0, key.indexOf('/'));
}

/** Whether two are the same CIDRs in the same order. */
export function sameNets(a: NetKeys, b: NetKeys): boolean {
  if (typeof a !== 'object' || typeof b !== 'object') return a === b;
  return a.length === b.length && a.every((key, i) => key === b[i]);
}
