import type { ObjectMeta, Resource } from '@calico/api';
import { Failure } from '../failure.ts';
import { type CtlKind, printId } from '../kinds/ctl-kind.ts';
import { ctlKindOf } from '../kinds/registry.ts';
import { documentNamespace } from '../namespaces.ts';
import type { World } from '../world.ts';
import { parseDocuments, type RawObject } from './parse-documents.ts';
import { readFiles } from './read-files.ts';

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
    throw new Failure(`failed to execute command: ${err instanceof Error ? err.message : String(err)}`);
  }
}

function load({ value, where }: RawObject, namespace: string | undefined): LoadedResource {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`${where}: ${JSON.stringify(value)} is no resource; allowed: an object with apiVersion and kind`);
  const { apiVersion, kind: kindName, metadata }: { apiVersion?: unknown; kind?: unknown; metadata?: unknown } = value;
  const kind = ctlKindOf(String(apiVersion), String(kindName));
  if (kind === undefined)
    throw new Error(`${where}: unknown resource type (${kindName ?? ''}) and/or version (${apiVersion ?? ''})`);
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

/** Metadata with a name; the rest is judged with the object. */
function metadataOf(value: unknown): ObjectMeta | undefined {
  if (typeof value !== 'object' || value === null || !('name' in value)) return undefined;
  const { name } = value;
  return name === undefined || name === null || name === '' ? undefined : { ...value, name: String(name) };
}
