import { LITTLE_ENDIAN, viewOf } from '../netlink/index.ts';
import { byteOrder } from './field-type.ts';
import type { SetSpec } from './types.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** linux/netfilter/nf_tables.h NFT_USERDATA_MAXLEN, less type, length and closing NUL of a comment, less byte orders. */
const COMMENT_MAX = 256 - 3 - 12;

/**
 * Userdata is kept by the kernel for whoever reads it: entries of u8 type, u8 length, value (libnftnl's udata). The type
 * of a comment is 0 for rules, elements and chains, 7 for sets.
 */
const COMMENT = 0;
export const SET_COMMENT = 7;
// libnftnl NFTNL_UDATA_SET_KEYBYTEORDER and _DATABYTEORDER, without which nft misreads names and marks
const KEY_ORDER = 0;
const DATA_ORDER = 1;
// nftables enum byteorder
const orderNumbers = { host: 1, network: 2 } as const;

/** A comment as userdata, NUL at its end. Throws RangeError beyond 241 bytes. */
export function encodeComment(text: string, type: number = COMMENT): Uint8Array {
  const bytes = encoder.encode(text);
  if (bytes.length > COMMENT_MAX) {
    throw new RangeError(`Cannot encode comment: length is ${bytes.length} bytes; allowed: up to ${COMMENT_MAX}`);
  }
  const entry = new Uint8Array(bytes.length + 3);
  entry[0] = type;
  entry[1] = bytes.length + 1;
  entry.set(bytes, 2);
  return entry;
}

function encodeOrder(type: number, order: 'host' | 'network' | undefined): Uint8Array {
  const entry = Uint8Array.of(type, 4, 0, 0, 0, 0);
  viewOf(entry).setUint32(2, order === undefined ? 0 : orderNumbers[order], LITTLE_ENDIAN);
  return entry;
}

/** What nft must know of a set to list it: the byte orders of keys and values, and its comment. */
export function encodeSetUserdata(set: SetSpec): Uint8Array {
  const entries = [encodeOrder(KEY_ORDER, byteOrder(set.keyType))];
  if (typeof set.map === 'object') entries.push(encodeOrder(DATA_ORDER, byteOrder(set.map.type)));
  if (set.comment !== undefined) entries.push(encodeComment(set.comment, SET_COMMENT));
  return Buffer.concat(entries);
}

/** The comment among the entries of userdata; undefined without one. */
export function decodeComment(userdata: Uint8Array | undefined, type: number = COMMENT): string | undefined {
  if (userdata === undefined) return undefined;
  for (let at = 0; at + 2 <= userdata.length; ) {
    const length = userdata[at + 1] ?? 0;
    if (userdata[at] === type) {
      const value = userdata.subarray(at + 2, at + 2 + length);
      const end = value.indexOf(0);
      return decoder.decode(end < 0 ? value : value.subarray(0, end));
    }
    at += 2 + length;
  }
  return undefined;
}
