import { type ObjectMeta, printJson, type Resource } from '@calico/api';
import { Failure } from '../failure.ts';
import { type CtlKind, printId } from '../kinds/ctl-kind.ts';
import { ctlKindOf } from '../kinds/registry.ts';
import { documentNamespace } from '../namespaces.ts';
import type { World } from '../world.ts';
import { parseDocuments, type RawObject } from './parse-documents.ts';
import { readFiles } from './read-files.ts';

/** Characters of a value that a message shows. */
const LONGEST_VALUE = 100;
/** Characters of a message. */
const LONGEST_MESSAGE = 2000;

/** Flags of the commands that read files. */
export interface FileFlags {
  readonly filename?: string;
  readonly recursive?: boolean;
  readonly skipEmpty?: boolean;
  readonly namespace?: string;
}

/** An object read from a file, with the namespace that it goes to. */
export interface LoadedResource {
  readonly kind: CtlKind;
  readonly resource: Resource;
  /** The file, and the place in it. */
  readonly where: string;
}

/** The objects of all files that the flags name. Throws a Failure that names file, object and field of what cannot be read. */
export function loadResources(flags: FileFlags, world: World): LoadedResource[] {
  try {
    const files = readFiles(flags.filename ?? '', flags.recursive === true, world);
    const loaded = files.flatMap(({ name, text }) => {
      const objects = parseDocuments(text, name);
      if (objects.length === 0 && flags.skipEmpty !== true) throw new Error(`${name}: no resources in it`);
      return objects.map(object => load(object, flags.namespace));
    });
    if (loaded.length === 0 && flags.skipEmpty !== true)
      throw new Error(`${flags.filename}: no files that end in .yaml, .yml or .json`);
    return loaded;
  } catch (err) {
    throw new Failure(`failed to execute command: ${printable(err instanceof Error ? err.message : String(err))}`);
  }
}

/** One line that a terminal does not obey: names and fields are shown as they stand in the file. */
export function printable(text: string): string {
  const line = text.replace(/\p{Cc}/gu, char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return line.length > LONGEST_MESSAGE ? `${line.slice(0, LONGEST_MESSAGE)}…` : line;
}

function load({ value, where }: RawObject, namespace: string | undefined): LoadedResource {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`${where}: ${brief(value)} is no resource; allowed: an object with apiVersion and kind`);
  const { apiVersion, kind: kindName, metadata }: { apiVersion?: unknown; kind?: unknown; metadata?: unknown } = value;
  const kind =
    typeof apiVersion === 'string' && typeof kindName === 'string' ? ctlKindOf(apiVersion, kindName) : undefined;
  if (kind === undefined)
    throw new Error(`${where}: unknown resource type (${brief(kindName)}) and/or version (${brief(apiVersion)})`);
  const given = metadataOf(metadata);
  if (given === undefined) throw new Error(`${where}: ${kind.kind}: metadata.name is missing; allowed: a name`);
  const id = printId(kind, given);
  const [unknown] = kind.unknownFields(value);
  if (unknown !== undefined)
    throw new Error(`${where}: ${id}: field in document is not recognized or is in the wrong location: ${unknown}`);
  try {
    const target = documentNamespace(kind, given.namespace, namespace);
    const { namespace: _own, ...rest } = given;
    const own: ObjectMeta = target === undefined ? rest : { ...rest, namespace: target };
    return { kind, where, resource: { ...value, apiVersion: kind.apiVersion, kind: kind.kind, metadata: own } };
  } catch (err) {
    throw new Error(`${where}: ${id}: ${err instanceof Error ? err.message : String(err)}`, { cause: err });
  }
}

/** A value as it stands in a message, cut where it is long. */
function brief(value: unknown): string {
  const text = typeof value === 'string' ? printJson(value).slice(1, -1) : printJson(value ?? '');
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}…` : text;
}

/** Metadata with a name; the rest is judged with the object. */
export function metadataOf(value: unknown): ObjectMeta | undefined {
  if (typeof value !== 'object' || value === null || !('name' in value)) return undefined;
  const { name } = value;
  if (typeof name === 'number' || typeof name === 'bigint' || typeof name === 'boolean')
    return { ...value, name: String(name) };
  return typeof name === 'string' && name !== '' ? { ...value, name } : undefined;
}
