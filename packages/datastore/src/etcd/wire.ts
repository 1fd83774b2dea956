/** The two wire types that etcd's messages use (Protocol Buffers documentation, "Encoding"), and those to step over. */
const VARINT = 0;
const FIXED64 = 1;
const DELIMITED = 2;
const FIXED32 = 5;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Collects the bytes of a message. */
class Writer {
  readonly #chunks: Uint8Array[] = [];

  tag(field: number, wireType: number): void {
    this.varint(BigInt((field << 3) | wireType));
  }

  /** Base 128, the lowest seven bits first; negative numbers as 64-bit two's complement. */
  varint(value: bigint): void {
    const bytes: number[] = [];
    let rest = BigInt.asUintN(64, value);
    while (rest > 0x7fn) {
      bytes.push(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    bytes.push(Number(rest));
    this.#chunks.push(Uint8Array.from(bytes));
  }

  delimited(bytes: Uint8Array): void {
    this.varint(BigInt(bytes.length));
    this.#chunks.push(bytes);
  }

  finish(): Buffer {
    return Buffer.concat(this.#chunks);
  }
}

/** Reads the bytes of a message; throws RangeError where they end too early. */
class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** As a number: exact up to 2^53, and for small negative ones. */
  varint(): number {
    let low = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#byte();
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) return low;
    }
    let value = BigInt(low);
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return Number(BigInt.asIntN(64, value));
    }
    throw new RangeError('Cannot decode a message: a number has more than 10 bytes; allowed: at most 10');
  }

  delimited(): Uint8Array {
    return this.#take(this.varint());
  }

  skip(wireType: number): void {
    if (wireType === VARINT) this.varint();
    else if (wireType === DELIMITED) this.delimited();
    else if (wireType === FIXED64) this.#take(8);
    else if (wireType === FIXED32) this.#take(4);
    else throw new RangeError(`Cannot decode a message: a wire type is ${wireType}; allowed: 0, 1, 2, 5`);
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new RangeError('Cannot decode a message: it ends within a field');
    this.#at++;
    return byte;
  }

  #take(length: number): Uint8Array {
    const end = this.#at + length;
    if (length < 0 || end > this.#bytes.length) throw new RangeError('Cannot decode a message: it ends within a field');
    const bytes = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return bytes;
  }
}

/** How one field of a message is written and read. */
export interface Field<T> {
  readonly number: number;
  readonly wireType: number;
  /** What it is when the message does not have it. */
  initial(): T;
  write(writer: Writer, value: T): void;
  /** The value with one more occurrence of the field read into it. */
  read(reader: Reader, before: T): T;
}

type Fields = { readonly [name: string]: Field<unknown> };
type Values<F extends Fields> = { [K in keyof F]: F[K] extends Field<infer T> ? T : never };

/** A message with all its fields; those that are unknown are stepped over. */
export interface Message<T> {
  /** Fields that are left out are not sent. */
  encode(value: Partial<T>): Buffer;
  /** Throws RangeError on what is no such message. */
  decode(bytes: Uint8Array): T;
}

/** What a message has when it is decoded. */
export type MessageOf<M> = M extends Message<infer T> ? T : never;

/** Declares a message by its fields. */
export function message<F extends Fields>(fields: F): Message<Values<F>> {
  const entries = Object.entries(fields);
  const byNumber = new Map(entries.map(entry => [entry[1].number, entry]));
  return {
    encode(value) {
      const writer = new Writer();
      for (const [name, field] of entries) {
        const part: unknown = Reflect.get(value, name);
        if (part !== undefined) field.write(writer, part);
      }
      return writer.finish();
    },
    decode(bytes) {
      const out: { [name: string]: unknown } = {};
      for (const [name, field] of entries) out[name] = field.initial();
      const reader = new Reader(bytes);
      while (!reader.done) {
        const tag = reader.varint();
        const [name, field] = byNumber.get(tag >>> 3) ?? [];
        if (name === undefined || field?.wireType !== (tag & 7)) reader.skip(tag & 7);
        else out[name] = field.read(reader, out[name]);
      }
      return out as Values<F>;
    },
  };
}

/** An int64 or enum. Numbers beyond 2^53 are not exact: etcd's revisions never come that far. */
export function integer(number: number): Field<number> {
  return {
    number,
    wireType: VARINT,
    initial: () => 0,
    write(writer, value) {
      writer.tag(number, VARINT);
      writer.varint(BigInt(value));
    },
    read: reader => reader.varint(),
  };
}

/** A bool. */
export function flag(number: number): Field<boolean> {
  const { write, read } = integer(number);
  return {
    number,
    wireType: VARINT,
    initial: () => false,
    write: (writer, value) => write(writer, value ? 1 : 0),
    read: reader => read(reader, 0) !== 0,
  };
}

/** A string, or bytes that hold UTF-8 as all of Calico's keys and values do. */
export function text(number: number): Field<string> {
  return {
    number,
    wireType: DELIMITED,
    initial: () => '',
    write(writer, value) {
      writer.tag(number, DELIMITED);
      writer.delimited(encoder.encode(value));
    },
    read: reader => decoder.decode(reader.delimited()),
  };
}

/** A message within a message. */
export function nested<T>(number: number, inner: Message<T>): Field<Partial<T> | undefined> {
  return {
    number,
    wireType: DELIMITED,
    initial: () => undefined,
    write(writer, value) {
      if (value === undefined) return;
      writer.tag(number, DELIMITED);
      writer.delimited(inner.encode(value));
    },
    read: reader => inner.decode(reader.delimited()),
  };
}

/** Any number of messages within a message. */
export function repeated<T>(number: number, inner: Message<T>): Field<readonly Partial<T>[]> {
  return {
    number,
    wireType: DELIMITED,
    initial: () => [],
    write(writer, values) {
      for (const value of values) {
        writer.tag(number, DELIMITED);
        writer.delimited(inner.encode(value));
      }
    },
    read: (reader, before) => {
      const value = inner.decode(reader.delimited());
      if (before.length === 0) return [value];
      // The list is this decoder's own from the second element on.
      (before as Partial<T>[]).push(value);
      return before;
    },
  };
}
