/** Bodies of server-side apply: one YAML document, or JSON, which is YAML too. */
import { type Document, LineCounter, parseAllDocuments } from 'yaml';
import { type DecodedBody, decodeJson, MAX_DEPTH, readBytes } from './body.ts';
import { isJsonObject, type JsonObject, setKey } from './json.ts';
import { ApiError, badRequest } from './status.ts';

/** More aliases than this in one document are refused: they can stand for far more data than was sent. */
const MAX_ALIASES = 100;

function refuse(why: string): never {
  throw badRequest(`error decoding YAML: ${why}`);
}

/** Parses one YAML document of JSON values. Throws a 400 ApiError that says where it breaks. */
export function decodeYaml(bytes: Uint8Array): DecodedBody {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return refuse('the body is not valid UTF-8');
  }
  try {
    return { value: plainJson(parseOne(text).toJS({ maxAliasCount: MAX_ALIASES, mapAsMap: true }), 0), duplicates: [] };
  } catch (cause) {
    if (cause instanceof ApiError) throw cause;
    // The parser recurses: what exhausts its stack is nested without end. Too many aliases are a ReferenceError.
    if (cause instanceof RangeError) return refuse(`nested deeper than ${MAX_DEPTH} levels`);
    return refuse(cause instanceof Error ? cause.message : String(cause));
  }
}

function parseOne(text: string): Document {
  const lineCounter = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter, merge: true, intAsBigInt: true, logLevel: 'error' });
  const [document] = documents;
  if (!Array.isArray(documents) || document === undefined || documents.length > 1) {
    return refuse('the body must be exactly one document');
  }
  const [error] = document.errors;
  if (error === undefined) return document;
  // Where its stack ends inside of a collection, the parser reports that as an error of the text.
  if (error.message.includes('call stack')) return refuse(`nested deeper than ${MAX_DEPTH} levels`);
  const { line, col } = lineCounter.linePos(error.pos[0]);
  return refuse(`line ${line}, column ${col}: ${error.message.split('\n')[0]}`);
}

/** JSON data of what YAML gave: whole numbers as parseJson has them, no dates, no keys that are not text. */
function plainJson(value: unknown, depth: number): unknown {
  if (depth > MAX_DEPTH) return refuse(`nested deeper than ${MAX_DEPTH} levels`);
  if (typeof value === 'bigint') {
    return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
  }
  if (Array.isArray(value)) return value.map(item => plainJson(item, depth + 1));
  if (value instanceof Map) {
    const result: JsonObject = {};
    for (const [key, inner] of value) {
      if (typeof key === 'object' && key !== null) refuse('keys must be text');
      setKey(result, String(key), plainJson(inner, depth + 1));
    }
    return result;
  }
  if (value === null || ['string', 'boolean', 'number'].includes(typeof value)) return value;
  return refuse('only text, numbers, true, false, null, lists and maps are taken');
}

/** Reads the body of an apply request. Throws a 400 or 413 ApiError. */
export async function readApplyBody(request: Request): Promise<DecodedBody> {
  const bytes = await readBytes(request);
  const start = bytes.findIndex(byte => byte > 0x20);
  const body = bytes[start] === 0x7b ? decodeJson(bytes) : decodeYaml(bytes);
  if (isJsonObject(body.value)) return body;
  throw badRequest('the applied object must be a JSON or YAML object');
}
