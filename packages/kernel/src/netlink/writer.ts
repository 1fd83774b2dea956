import { NLA_F_NESTED, NLA_HDRLEN } from './attributes.ts';
import { align4, LITTLE_ENDIAN, NLMSG_HDRLEN } from './message.ts';

const encoder = new TextEncoder();

/**
 * Builds netlink messages, one after the other, in one growing buffer. Sequence and port stay 0: the socket fills in
 * the sequence when it sends. Numbers are in host order unless the method's name ends in `be`.
 *
 * ```ts
 * const w = new MessageWriter();
 * w.message(RTM_NEWLINK, NLM_F_CREATE, () => {
 *   w.zeros(16); // struct ifinfomsg
 *   w.attrString(IFLA_IFNAME, 'br0');
 *   w.nest(IFLA_LINKINFO, () => w.attrString(IFLA_INFO_KIND, 'bridge'));
 * });
 * socket.request(w.bytes(), 'create link br0');
 * ```
 */
export class MessageWriter {
  #buffer: Uint8Array;
  #view: DataView;
  #length = 0;

  constructor(capacity = 512) {
    this.#buffer = new Uint8Array(capacity);
    this.#view = new DataView(this.#buffer.buffer);
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  /** What was written: a view that is valid until the next write. */
  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  /** One message: nlmsghdr with `type` and `flags`, then what `body` writes, padded to 4 bytes. */
  message(type: number, flags: number, body: () => void): this {
    const start = this.#claim(NLMSG_HDRLEN);
    body();
    const length = this.#length - start;
    this.#view.setUint32(start, length, LITTLE_ENDIAN);
    this.#view.setUint16(start + 4, type, LITTLE_ENDIAN);
    this.#view.setUint16(start + 6, flags, LITTLE_ENDIAN);
    this.#claim(align4(length) - length);
    return this;
  }

  u8(value: number): this {
    // Claimed first: growing replaces the view.
    const at = this.#claim(1);
    this.#view.setUint8(at, value);
    return this;
  }

  u16(value: number): this {
    const at = this.#claim(2);
    this.#view.setUint16(at, value, LITTLE_ENDIAN);
    return this;
  }

  u32(value: number): this {
    const at = this.#claim(4);
    this.#view.setUint32(at, value, LITTLE_ENDIAN);
    return this;
  }

  u16be(value: number): this {
    const at = this.#claim(2);
    this.#view.setUint16(at, value, false);
    return this;
  }

  u32be(value: number): this {
    const at = this.#claim(4);
    this.#view.setUint32(at, value, false);
    return this;
  }

  raw(bytes: Uint8Array): this {
    const at = this.#claim(bytes.length);
    this.#buffer.set(bytes, at);
    return this;
  }

  zeros(count: number): this {
    this.#claim(count);
    return this;
  }

  /** linux/netlink.h struct nlattr, payload, padding to 4 bytes. */
  attr(type: number, payload: Uint8Array): this {
    const at = this.#attribute(type, payload.length);
    this.#buffer.set(payload, at);
    return this;
  }

  attrU8(type: number, value: number): this {
    const at = this.#attribute(type, 1);
    this.#view.setUint8(at, value);
    return this;
  }

  attrU32(type: number, value: number): this {
    const at = this.#attribute(type, 4);
    this.#view.setUint32(at, value, LITTLE_ENDIAN);
    return this;
  }

  attrU16be(type: number, value: number): this {
    const at = this.#attribute(type, 2);
    this.#view.setUint16(at, value, false);
    return this;
  }

  attrU32be(type: number, value: number): this {
    const at = this.#attribute(type, 4);
    this.#view.setUint32(at, value, false);
    return this;
  }

  attrU64be(type: number, value: bigint): this {
    const at = this.#attribute(type, 8);
    this.#view.setBigUint64(at, value, false);
    return this;
  }

  /** UTF-8 text with its closing NUL (NLA_NUL_STRING). */
  attrString(type: number, value: string): this {
    const text = encoder.encode(value);
    const at = this.#attribute(type, text.length + 1);
    this.#buffer.set(text, at);
    return this;
  }

  /** An attribute that holds what `body` writes, with NLA_F_NESTED. Throws RangeError beyond 65,535 bytes. */
  nest(type: number, body: () => void): this {
    const start = this.#claim(NLA_HDRLEN);
    body();
    const length = this.#length - start;
    if (length > 0xffff) {
      throw new RangeError(`Cannot nest attribute ${type}: length is ${length}; allowed: up to 65535 bytes`);
    }
    this.#view.setUint16(start, length, LITTLE_ENDIAN);
    this.#view.setUint16(start + 2, type | NLA_F_NESTED, LITTLE_ENDIAN);
    this.#claim(align4(length) - length);
    return this;
  }

  #attribute(type: number, payloadLength: number): number {
    const length = NLA_HDRLEN + payloadLength;
    const at = this.#claim(align4(length));
    this.#view.setUint16(at, length, LITTLE_ENDIAN);
    this.#view.setUint16(at + 2, type, LITTLE_ENDIAN);
    return at + NLA_HDRLEN;
  }

  /** Makes room for `count` zero bytes; gives where they start. */
  #claim(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(this.#length, this.#buffer.length * 2));
      grown.set(this.#buffer.subarray(0, at));
      this.#buffer = grown;
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }
}
