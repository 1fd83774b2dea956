/** Bodies of server-side apply: one YAML document, or JSON, which is YAML too. */
import { isUtf8 } from 'node:buffer';
import { readYaml, YamlError } from '@calico/api/yaml';
import { type DecodedBody, decodeJson, readBytes } from './body.ts';
import { isJsonObject } from './json.ts';
import { badRequest } from './status.ts';

function refuse(why: string): never {
  throw badRequest(`error decoding YAML: ${why}`);
}

/** Parses one YAML document of JSON values. Throws a 400 ApiError that says where it breaks. */
export function decodeYaml(bytes: Uint8Array): DecodedBody {
  if (!isUtf8(bytes)) return refuse('the body is not valid UTF-8');
  let documents: unknown[];
  try {
    documents = readYaml(new TextDecoder().decode(bytes));
  } catch (cause) {
    if (!(cause instanceof YamlError)) throw cause;
    return refuse(cause.message);
  }
  const [value, ...others] = documents;
  if (documents.length === 0 || others.length > 0) return refuse('the body must be exactly one document');
  return { value, duplicates: [] };
}

/** Reads the body of an apply request. Throws a 400 or 413 ApiError. */
export async function readApplyBody(request: Request): Promise<DecodedBody> {
  const bytes = await readBytes(request);
  const start = bytes.findIndex(byte => byte > 0x20);
  const body = bytes[start] === 0x7b ? decodeJson(bytes) : decodeYaml(bytes);
  if (isJsonObject(body.value)) return body;
  throw badRequest('the applied object must be a JSON or YAML object');
}
