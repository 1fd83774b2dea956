import { IpError } from './error.ts';

/** An Ethernet address in canonical text: `aa:bb:cc:dd:ee:ff`, lower case. */
export type Mac = string;

const PAIRS = /^([0-9a-f]{2})([:-])[0-9a-f]{2}(?:\2[0-9a-f]{2}){4}$/i;

/** Reads a 48-bit Ethernet address written with colons or hyphens in any case; gives canonical text, or undefined. */
export function parseMac(text: string): Mac | undefined {
  return PAIRS.test(text) ? text.toLowerCase().replaceAll('-', ':') : undefined;
}

/** The six bytes of an Ethernet address; throws IpError when the text is not one. */
export function macToBytes(mac: Mac): Uint8Array {
  const canonical = parseMac(mac);
  if (canonical === undefined) {
    throw new IpError(`Cannot encode MAC address: text is "${mac}"; allowed: six pairs of hexadecimal digits`);
  }
  return Uint8Array.from(canonical.split(':'), pair => Number.parseInt(pair, 16));
}

/** The canonical text of six bytes; throws IpError for any other length. */
export function macFromBytes(bytes: Uint8Array): Mac {
  if (bytes.length !== 6) {
    throw new IpError(`Cannot decode MAC address: length is ${bytes.length} bytes; allowed: 6`);
  }
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join(':');
}
