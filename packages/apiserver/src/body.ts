/** Request bodies: bounded, checked once at the edge, turned into JSON values. */

import { parseJson } from '@calico/api';
import { JsonSyntaxError, scanJson } from './json-scan.ts';
import { decodeProtobuf, PROTOBUF } from './protobuf/decode.ts';
import { protobufMessages } from './protobuf/messages.ts';
import { ApiError, badRequest, unsupportedMediaType } from './status.ts';

/** The most bytes a body may have; what a Kubernetes API server takes. */
export const MAX_BODY_BYTES = 3 * 1024 * 1024;
/** How deep objects and lists may be nested in a body. */
export const MAX_DEPTH = 128;

/** A decoded body and the paths of keys that it gives twice (the last value wins). */
export interface DecodedBody {
  readonly value: unknown;
  readonly duplicates: readonly string[];
}

function tooLarge(): ApiError {
  return new ApiError(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${MAX_BODY_BYTES} bytes`);
}

/** Reads a body, at most MAX_BODY_BYTES of it. Throws a 413 ApiError. */
export async function readBytes(request: Request): Promise<Uint8Array> {
  const announced = Number(request.headers.get('content-length') ?? Number.NaN);
  if (announced > MAX_BODY_BYTES) throw tooLarge();
  // No more than announced is read, so there is nothing to count.
  if (announced >= 0) return await request.bytes();
  if (request.body === null) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = request.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > MAX_BODY_BYTES) {
      await reader.cancel();
      throw tooLarge();
    }
    chunks.push(value);
  }
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
}

/** The media type of a request's body, lower case and without parameters. */
export function contentType(request: Request): string {
  return (request.headers.get('content-type') ?? 'application/json').split(';')[0]?.trim().toLowerCase() ?? '';
}

/** Parses JSON text that came from outside. Throws a 400 ApiError that says where it breaks. */
export function decodeJson(bytes: Uint8Array): DecodedBody {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw badRequest('the object provided cannot be decoded: the body is not valid UTF-8');
  }
  try {
    const { duplicates } = scanJson(text, MAX_DEPTH);
    return { value: parseJson(text), duplicates };
  } catch (cause) {
    if (!(cause instanceof JsonSyntaxError)) throw cause;
    throw badRequest(`the object provided cannot be decoded as JSON: ${cause.message}`);
  }
}

/** The media types of objects. */
export const OBJECT_TYPES: readonly string[] = ['application/json', PROTOBUF];

/** Reads and decodes a body; an empty one is `undefined`. `types` are the media types that are allowed. */
export async function readBody(request: Request, types: readonly string[]): Promise<DecodedBody> {
  const type = contentType(request);
  const bytes = await readBytes(request);
  if (bytes.length === 0) return { value: undefined, duplicates: [] };
  if (!types.includes(type)) {
    throw unsupportedMediaType(
      `the body of the request was in an unknown format - content type is "${type}"; accepted media types include: ${types.join(', ')}`,
    );
  }
  return type === PROTOBUF ? { value: decodeProtobuf(bytes, protobufMessages), duplicates: [] } : decodeJson(bytes);
}
