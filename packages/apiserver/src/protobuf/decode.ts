/**
 * Objects in Kubernetes' protobuf encoding, which kubectl uses for what it builds itself (`kubectl create namespace x`).
 * Source: protobuf.dev "Encoding"; Kubernetes API concepts, "Kubernetes Protobuf encoding" (the envelope).
 */
import { type JsonObject, setKey } from '../json.ts';
import { ApiError, badRequest } from '../status.ts';

/** How one field is turned into JSON. */
export type FieldType =
  | { readonly kind: 'string' | 'bool' | 'integer' | 'bytes' | 'intOrString' | 'ignored' }
  | { readonly kind: 'map'; readonly value: 'string' | 'bytes' }
  | { readonly kind: 'message'; readonly message: () => Message };

/** A field of a message. */
export interface Field {
  readonly name: string;
  readonly type: FieldType;
  readonly repeated?: boolean;
  /** A Go pointer: its zero value is meant. Of other fields the zero value is the same as none. */
  readonly optional?: boolean;
}

/** Fields by their number. */
export type Message = { readonly [number: number]: Field };

/** The media type of the encoding. */
export const PROTOBUF = 'application/vnd.kubernetes.protobuf';

const MAGIC = Uint8Array.of(0x6b, 0x38, 0x73, 0x00); // "k8s\0"
const MAX_DEPTH = 32;

interface RawField {
  readonly number: number;
  /** Of a varint field. */
  readonly integer: bigint;
  /** Of a length-delimited field. */
  readonly bytes: Uint8Array;
}

function truncated(): never {
  throw badRequest('the object provided cannot be decoded as protobuf: the text breaks off');
}

function* rawFields(bytes: Uint8Array): Generator<RawField> {
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) truncated();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(64, value);
    }
    throw badRequest('the object provided cannot be decoded as protobuf: a number is too long');
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const number = tag >>> 3;
    const none = new Uint8Array();
    if ((tag & 7) === 0) yield { number, integer: varint(), bytes: none };
    else if ((tag & 7) === 2) {
      const length = Number(varint());
      if (length < 0 || at + length > bytes.length) truncated();
      yield { number, integer: 0n, bytes: bytes.subarray(at, at + length) };
      at += length;
    } else {
      throw badRequest(
        `the object provided cannot be decoded as protobuf: wire type ${tag & 7} is not used by Kubernetes`,
      );
    }
  }
}

function text(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw badRequest('the object provided cannot be decoded as protobuf: text is not valid UTF-8');
  }
}

function whole(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function fieldOf(bytes: Uint8Array, number: number): RawField | undefined {
  return [...rawFields(bytes)].findLast(raw => raw.number === number);
}

/** util/intstr IntOrString: type 0 is the number in field 2, type 1 the text in field 3. */
function intOrString(bytes: Uint8Array): number | bigint | string {
  const isText = (fieldOf(bytes, 1)?.integer ?? 0n) === 1n;
  return isText ? text(fieldOf(bytes, 3)?.bytes ?? new Uint8Array()) : whole(fieldOf(bytes, 2)?.integer ?? 0n);
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

function decodeValue(raw: RawField, type: FieldType, depth: number): unknown {
  switch (type.kind) {
    case 'string':
      return text(raw.bytes);
    case 'bytes':
      return base64(raw.bytes);
    case 'bool':
      return raw.integer !== 0n;
    case 'integer':
      return whole(raw.integer);
    case 'intOrString':
      return intOrString(raw.bytes);
    case 'message':
      return decodeMessage(raw.bytes, type.message(), depth + 1);
    case 'map':
    case 'ignored':
      return undefined;
  }
}

function isZero(value: unknown): boolean {
  if (value === undefined || value === '' || value === 0 || value === false) return true;
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

function addToMap(target: JsonObject, name: string, entry: Uint8Array, value: 'string' | 'bytes'): void {
  const map = target[name] ?? {};
  const key = text(fieldOf(entry, 1)?.bytes ?? new Uint8Array());
  const bytes = fieldOf(entry, 2)?.bytes ?? new Uint8Array();
  setKey(map as JsonObject, key, value === 'bytes' ? base64(bytes) : text(bytes));
  target[name] = map;
}

function decodeMessage(bytes: Uint8Array, message: Message, depth: number): JsonObject {
  if (depth > MAX_DEPTH) throw badRequest('the object provided cannot be decoded as protobuf: nested too deep');
  const result: JsonObject = {};
  for (const raw of rawFields(bytes)) {
    const field = message[raw.number];
    if (field === undefined) {
      if (raw.integer === 0n && raw.bytes.length === 0) continue; // Zero: the same as not given.
      throw new ApiError(
        415,
        'UnsupportedMediaType',
        `this server does not know field ${raw.number} of ${Object.values(message)
          .map(f => f.name)
          .slice(0, 4)
          .join(', ')}, … in protobuf; send the object as JSON (kubectl apply -f)`,
      );
    }
    const { name, type } = field;
    if (type.kind === 'map') addToMap(result, name, raw.bytes, type.value);
    else {
      const value = decodeValue(raw, type, depth);
      if (field.repeated) {
        const list = result[name];
        result[name] = Array.isArray(list) ? [...list, value] : [value];
      } else if (field.optional || !isZero(value)) result[name] = value;
    }
  }
  return result;
}

/**
 * Decodes the envelope and the object in it by the table of its type (`<apiVersion>/<kind>`). Throws ApiError: 400 for
 * what is not the encoding, 415 for a type or field that the tables do not have.
 */
export function decodeProtobuf(bytes: Uint8Array, messages: { readonly [type: string]: Message }): JsonObject {
  if (!MAGIC.every((byte, i) => bytes[i] === byte)) {
    throw badRequest('the object provided cannot be decoded as protobuf: it does not begin with "k8s" and a zero byte');
  }
  const envelope = bytes.subarray(MAGIC.length);
  const type = fieldOf(envelope, 1)?.bytes ?? new Uint8Array();
  const apiVersion = text(fieldOf(type, 1)?.bytes ?? new Uint8Array());
  const kind = text(fieldOf(type, 2)?.bytes ?? new Uint8Array());
  const message = Object.hasOwn(messages, `${apiVersion}/${kind}`) ? messages[`${apiVersion}/${kind}`] : undefined;
  if (message === undefined) {
    throw new ApiError(
      415,
      'UnsupportedMediaType',
      `this server does not read ${apiVersion}/${kind} in protobuf; send the object as JSON (kubectl apply -f)`,
    );
  }
  const object = decodeMessage(fieldOf(envelope, 2)?.bytes ?? new Uint8Array(), message, 0);
  return { apiVersion, kind, ...object };
}
