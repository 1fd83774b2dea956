import { podList, type Shape, status } from './protobuf-shapes.ts';

/** The media type of Kubernetes' own kinds in Protocol Buffers. */
export const PROTOBUF = 'application/vnd.kubernetes.protobuf';

/** What a body begins with; a runtime.Unknown follows (Kubernetes documentation, "Alternate representations of resources"). */
const MAGIC = 'k8s\0';
const unknown: Shape = [
  undefined,
  { name: 'type', of: [undefined, { name: 'apiVersion', of: 'string' }, { name: 'kind', of: 'string' }] },
  { name: 'raw', of: 'bytes' },
];
const shapes: Readonly<Record<string, Shape>> = { PodList: podList, Status: status };

/** The wire types (Protocol Buffers documentation, "Encoding"). */
const VARINT = 0;
const FIXED64 = 1;
const DELIMITED = 2;
const FIXED32 = 5;

type Value = string | number | boolean | Range | { [name: string]: unknown };

/** Where bytes lie that are read later. */
class Range {
  readonly start: number;
  readonly end: number;

  constructor(start: number, end: number) {
    this.start = start;
    this.end = end;
  }
}

/** Whether the server answers with this kind in protobuf when it is asked to, and it can be read. */
export function readsProtobuf({ group, listKind }: { readonly group: string; readonly listKind: string }): boolean {
  return group === '' && Object.hasOwn(shapes, listKind);
}

/**
 * Reads a body as its JSON would be, but for fields that no shape names: those are stepped over. Throws RangeError on what is
 * no such body, or of a kind without a shape.
 */
export function readProtobuf(body: Uint8Array): unknown {
  const reader = new Reader(body);
  const { type, raw } = reader.envelope();
  const kind = String(Reflect.get(Object(type), 'kind'));
  const shape = Object.hasOwn(shapes, kind) ? shapes[kind] : undefined;
  if (shape === undefined || !(raw instanceof Range)) {
    throw new RangeError(`the kind is "${kind}"; allowed: ${Object.keys(shapes).join(', ')}`);
  }
  return reader.message(shape, raw.start, raw.end);
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(body: Uint8Array) {
    this.#bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  }

  envelope(): { [name: string]: unknown } {
    if (this.#bytes.toString('latin1', 0, MAGIC.length) !== MAGIC)
      throw new RangeError('it does not begin as protobuf does');
    return this.message(unknown, MAGIC.length, this.#bytes.length);
  }

  /** A message whose bytes go up to `end`. What is empty, zero or false is left out, as JSON does. */
  message(shape: Shape, start: number, end: number): { [name: string]: unknown } {
    const message: { [name: string]: unknown } = {};
    this.#at = start;
    while (this.#at < end) {
      const tag = this.#varint(end);
      const field = shape[tag >>> 3];
      if (field === undefined) {
        this.#skip(tag & 7, end);
        continue;
      }
      const { name, of } = field;
      if (of === 'map') {
        this.#mapEntry(message, name, this.#length(tag, end));
        continue;
      }
      const value = this.#value(of, tag, end);
      if (field.repeated) {
        const list = message[name];
        if (Array.isArray(list)) list.push(value);
        else message[name] = [value];
      } else if (value !== '' && value !== 0 && value !== false) message[name] = value;
    }
    return message;
  }

  #value(of: NonNullable<Shape[number]>['of'], tag: number, end: number): Value {
    if (of === 'number') return this.#scalar(tag, end);
    if (of === 'boolean') return this.#scalar(tag, end) !== 0;
    const to = this.#length(tag, end);
    const from = this.#at;
    this.#at = to;
    if (of === 'string') return this.#bytes.toString('utf8', from, to);
    if (of === 'bytes') return new Range(from, to);
    if (of === 'time') {
      const { seconds } = this.message(TIME, from, to);
      return typeof seconds === 'number' ? `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z` : '';
    }
    return this.message(of as Shape, from, to);
  }

  #mapEntry(message: { [name: string]: unknown }, name: string, end: number): void {
    const { key = '', value = '' } = this.message(MAP_ENTRY, this.#at, end);
    message[name] ??= {};
    const map = message[name] as Record<string, unknown>;
    // A key such as __proto__ must be one like any other.
    if (key === '__proto__')
      Object.defineProperty(map, key, { value, enumerable: true, writable: true, configurable: true });
    else map[String(key)] = value;
  }

  #scalar(tag: number, end: number): number {
    if ((tag & 7) !== VARINT) throw new RangeError(`a number has the wire type ${tag & 7}; allowed: ${VARINT}`);
    return this.#varint(end);
  }

  /** Where the value ends that comes next. */
  #length(tag: number, end: number): number {
    if ((tag & 7) !== DELIMITED) throw new RangeError(`a field has the wire type ${tag & 7}; allowed: ${DELIMITED}`);
    const length = this.#varint(end);
    const to = this.#at + length;
    if (to > end) throw new RangeError('it ends within a field');
    return to;
  }

  /** As a number: exact up to 2^53. */
  #varint(end: number): number {
    let value = 0;
    for (let scale = 1, count = 0; count < 10; scale *= 128, count++) {
      if (this.#at >= end) throw new RangeError('it ends within a field');
      const byte = this.#bytes[this.#at++] ?? 0;
      if (byte < 128) return value + byte * scale;
      value += (byte - 128) * scale;
    }
    throw new RangeError('a number has more than 10 bytes');
  }

  #skip(wireType: number, end: number): void {
    if (wireType === VARINT) this.#varint(end);
    else if (wireType === DELIMITED) this.#at = this.#length(wireType, end);
    else if (wireType === FIXED64) this.#at += 8;
    else if (wireType === FIXED32) this.#at += 4;
    else throw new RangeError(`a field has the wire type ${wireType}; allowed: 0, 1, 2, 5`);
    if (this.#at > end) throw new RangeError('it ends within a field');
  }
}

const TIME: Shape = [undefined, { name: 'seconds', of: 'number' }];
const MAP_ENTRY: Shape = [undefined, { name: 'key', of: 'string' }, { name: 'value', of: 'string' }];
