/**
 * What fields an object has, and which of them differ between two objects, by the schema's list and map types.
 * Source: Kubernetes documentation, "Server-Side Apply", merge strategy.
 */
import type { AnyResource } from '@calico/api';
import { isJsonObject, type JsonObject, jsonEquals, omitKeys, setKey } from '../json.ts';
import { badRequest } from '../status.ts';
import { EMPTY, type FieldSet, LEAF, setOf } from './field-set.ts';
import { fieldElement, fieldSchema, isAtomicMap, itemElement, itemSchema, listType } from './path-element.ts';

type SchemaNode = JsonObject | undefined;
/** The parts of a value that have an owner each: undefined when the value is owned as a whole. */
type Parts = Map<string, { readonly value: unknown; readonly schema: SchemaNode }>;

/** Metadata that nobody owns: identity, and what the server keeps. */
const UNOWNED = [
  'name',
  'namespace',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'selfLink',
  'managedFields',
];

/** The object without what nobody owns. `status` is left out where it is written through its own subresource. */
export function ownable(object: AnyResource, withStatus: boolean): JsonObject {
  const metadata = omitKeys({ ...object.metadata }, UNOWNED);
  const rest = omitKeys({ ...object }, ['apiVersion', 'kind', 'metadata', ...(withStatus ? [] : ['status'])]);
  return Object.keys(metadata).length === 0 ? rest : { metadata, ...rest };
}

/** A copy without nulls in objects: null in an applied object says nothing. */
export function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isJsonObject(value)) return value;
  const copy: JsonObject = {};
  for (const [key, part] of Object.entries(value)) {
    if (part !== null && part !== undefined) setKey(copy, key, withoutNulls(part));
  }
  return copy;
}

function partsOf(value: unknown, schema: SchemaNode): Parts | undefined {
  const parts: Parts = new Map();
  if (isJsonObject(value)) {
    if (isAtomicMap(schema)) return undefined;
    for (const [key, part] of Object.entries(value)) {
      if (part !== undefined) parts.set(fieldElement(key), { value: part, schema: fieldSchema(schema, key) });
    }
    return parts;
  }
  if (!Array.isArray(value) || listType(schema) === 'atomic') return undefined;
  for (const [i, item] of value.entries()) {
    const element = itemElement(schema, item) ?? `i:${i}`;
    // Of items that share a key the first one counts; Kubernetes lets such lists be written, not applied.
    if (!parts.has(element)) parts.set(element, { value: item, schema: itemSchema(schema) });
  }
  return parts;
}

/** The fields of a value, as its applier owns them: leaves, whole lists and maps that are atomic, and items of lists. */
export function fieldsOf(value: unknown, schema: SchemaNode, isItem = false): FieldSet {
  const parts = partsOf(value, schema);
  if (parts === undefined || (parts.size === 0 && isJsonObject(value))) return LEAF;
  return setOf(
    isItem,
    [...parts].map(([element, part]) => [element, fieldsOf(part.value, part.schema, !element.startsWith('f:'))]),
  );
}

/** Every path of a value, with those of its objects and lists themselves. */
function allPaths(value: unknown, schema: SchemaNode): FieldSet {
  const parts = partsOf(value, schema);
  if (parts === undefined) return LEAF;
  return setOf(
    true,
    [...parts].map(([element, part]) => [element, allPaths(part.value, part.schema)]),
  );
}

/** What changed between two values. */
export interface FieldChanges {
  /** Fields that are new or have another value. */
  readonly changed: FieldSet;
  readonly removed: FieldSet;
}

/** Compares two values; both must be the same part of two versions of an object. */
export function compareFields(old: unknown, now: unknown, schema: SchemaNode): FieldChanges {
  if (jsonEquals(old, now)) return { changed: EMPTY, removed: EMPTY };
  const before = partsOf(old, schema);
  const after = partsOf(now, schema);
  if (before === undefined || after === undefined || Array.isArray(old) !== Array.isArray(now)) {
    return { changed: allPaths(now, schema), removed: before === undefined ? EMPTY : allPaths(old, schema) };
  }
  const changed: [string, FieldSet][] = [];
  const removed: [string, FieldSet][] = [];
  for (const [element, part] of after) {
    const previous = before.get(element);
    const inner =
      previous === undefined
        ? { changed: allPaths(part.value, part.schema), removed: EMPTY }
        : compareFields(previous.value, part.value, part.schema);
    changed.push([element, inner.changed]);
    removed.push([element, inner.removed]);
  }
  for (const [element, part] of before) {
    if (!after.has(element)) removed.push([element, allPaths(part.value, part.schema)]);
  }
  return { changed: setOf(false, changed), removed: setOf(false, removed) };
}

/** Throws a 400 ApiError when an applied list gives an item twice, or one without its key. */
export function checkListKeys(value: unknown, schema: SchemaNode, path = ''): void {
  if (isJsonObject(value)) {
    for (const [key, part] of Object.entries(value)) checkListKeys(part, fieldSchema(schema, key), `${path}.${key}`);
    return;
  }
  if (!Array.isArray(value)) return;
  const seen = new Set<string>();
  const keyed = listType(schema) !== 'atomic';
  for (const [i, item] of value.entries()) {
    if (keyed) {
      const element = itemElement(schema, item);
      const keys = JSON.stringify(schema?.['x-kubernetes-list-map-keys'] ?? []);
      if (element === undefined) {
        throw badRequest(`Cannot apply the object: ${path}[${i}] has no key; items of this list have the keys ${keys}`);
      }
      if (seen.has(element)) {
        throw badRequest(`Cannot apply the object: ${path} gives the item ${element.slice(2)} twice`);
      }
      seen.add(element);
    }
    checkListKeys(item, itemSchema(schema), `${path}[${i}]`);
  }
}
