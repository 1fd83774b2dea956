import { align4, LITTLE_ENDIAN, viewOf } from './message.ts';

/** linux/netlink.h NLA_HDRLEN: u16 length (header included, padding not), u16 type. */
export const NLA_HDRLEN = 4;
/** linux/netlink.h NLA_F_NESTED: the payload is attributes again. */
export const NLA_F_NESTED = 0x8000;
/** linux/netlink.h NLA_TYPE_MASK: the type without NLA_F_NESTED and NLA_F_NET_BYTEORDER. */
const NLA_TYPE_MASK = 0x3fff;

const decoder = new TextDecoder();

/**
 * Reads the attributes of `bytes` one by one, in order, duplicates included: `visit(type, payload)`, the payload being a
 * view. An attribute whose length does not fit ends the walk (linux/netlink.h nla_ok).
 */
export function eachAttribute(bytes: Uint8Array, visit: (type: number, payload: Uint8Array) => void): void {
  let at = 0;
  while (at + NLA_HDRLEN <= bytes.length) {
    const length = u16At(bytes, at);
    if (length < NLA_HDRLEN || at + length > bytes.length) return;
    visit(u16At(bytes, at + 2) & NLA_TYPE_MASK, bytes.subarray(at + NLA_HDRLEN, at + length));
    at += align4(length);
  }
}

/** Host order. Without a DataView: making one takes longer than all the rest of reading an attribute. */
function u16At(bytes: Uint8Array, at: number): number {
  const first = bytes[at] ?? 0;
  const second = bytes[at + 1] ?? 0;
  return LITTLE_ENDIAN ? first | (second << 8) : (first << 8) | second;
}

/**
 * The attributes of one message or nest, by type; a repeated type keeps its last value. Every reader gives undefined
 * where the attribute is absent or too short for the number asked for.
 */
export class Attributes {
  readonly #byType = new Map<number, Uint8Array>();

  constructor(bytes: Uint8Array) {
    eachAttribute(bytes, (type, payload) => this.#byType.set(type, payload));
  }

  has(type: number): boolean {
    return this.#byType.has(type);
  }

  /** The types present, in order of first appearance. */
  types(): number[] {
    return [...this.#byType.keys()];
  }

  bytes(type: number): Uint8Array | undefined {
    return this.#byType.get(type);
  }

  #number(type: number, size: number): DataView | undefined {
    const bytes = this.#byType.get(type);
    return bytes !== undefined && bytes.length >= size ? viewOf(bytes) : undefined;
  }

  u8(type: number): number | undefined {
    return this.#number(type, 1)?.getUint8(0);
  }

  /** Host order. */
  u16(type: number): number | undefined {
    return this.#number(type, 2)?.getUint16(0, LITTLE_ENDIAN);
  }

  /** Host order. */
  u32(type: number): number | undefined {
    return this.#number(type, 4)?.getUint32(0, LITTLE_ENDIAN);
  }

  /** Host order, signed. */
  i32(type: number): number | undefined {
    return this.#number(type, 4)?.getInt32(0, LITTLE_ENDIAN);
  }

  /** Host order. */
  u64(type: number): bigint | undefined {
    return this.#number(type, 8)?.getBigUint64(0, LITTLE_ENDIAN);
  }

  /** Network order. */
  u16be(type: number): number | undefined {
    return this.#number(type, 2)?.getUint16(0, false);
  }

  /** Network order. */
  u32be(type: number): number | undefined {
    return this.#number(type, 4)?.getUint32(0, false);
  }

  /** Network order. */
  u64be(type: number): bigint | undefined {
    return this.#number(type, 8)?.getBigUint64(0, false);
  }

  /** UTF-8 text up to the first NUL, or all of it where there is none. */
  string(type: number): string | undefined {
    const bytes = this.#byType.get(type);
    if (bytes === undefined) return undefined;
    const end = bytes.indexOf(0);
    return decoder.decode(end < 0 ? bytes : bytes.subarray(0, end));
  }

  /** The attributes inside this one. */
  nest(type: number): Attributes | undefined {
    const bytes = this.#byType.get(type);
    return bytes === undefined ? undefined : new Attributes(bytes);
  }
}
