/**
 * Strategic merge patch: a merge patch that knows from the schema which lists are merged, and by which key.
 * Source: Kubernetes documentation, "Update API Objects in Place Using kubectl patch" and the community document
 * "Strategic Merge Patch" (directives `$patch`, `$retainKeys`, `$setElementOrder`, `$deleteFromPrimitiveList`).
 */
import { isJsonObject, type JsonObject, jsonEquals, omitKeys, setKey } from '../json.ts';
import { badRequest } from '../status.ts';

const PATCH = '$patch';
const RETAIN_KEYS = '$retainKeys';
const SET_ORDER = '$setElementOrder/';
const DELETE_FROM = '$deleteFromPrimitiveList/';

/** A JSON schema node; the `x-kubernetes-patch-*` keywords are what is read here. */
type SchemaNode = JsonObject | undefined;

function fieldSchema(schema: SchemaNode, field: string): SchemaNode {
  const properties = schema?.properties;
  if (isJsonObject(properties) && isJsonObject(properties[field])) return properties[field];
  const rest = schema?.additionalProperties;
  return isJsonObject(rest) ? rest : undefined;
}

const itemSchema = (schema: SchemaNode): SchemaNode => (isJsonObject(schema?.items) ? schema.items : undefined);

function strategies(schema: SchemaNode): readonly string[] {
  const text = schema?.['x-kubernetes-patch-strategy'];
  return typeof text === 'string' ? text.split(',') : [];
}

function mergeKeyOf(schema: SchemaNode): string | undefined {
  const key = schema?.['x-kubernetes-patch-merge-key'];
  return typeof key === 'string' ? key : undefined;
}

/** What stands in a patch, without directives and without the nulls that mean "delete". */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.filter(item => !(isJsonObject(item) && item[PATCH] === 'delete')).map(plain);
  }
  if (!isJsonObject(value)) return value;
  const result: JsonObject = {};
  for (const [key, inner] of Object.entries(value)) {
    if (inner !== null && !key.startsWith('$')) setKey(result, key, plain(inner));
  }
  return result;
}

function directive(patch: JsonObject): 'merge' | 'replace' | 'delete' {
  const value = patch[PATCH];
  if (value === undefined || value === 'merge') return 'merge';
  if (value === 'replace' || value === 'delete') return value;
  throw badRequest(
    `Cannot apply strategic merge patch: $patch is ${JSON.stringify(value)}; allowed: merge, replace, delete`,
  );
}

function asList(value: unknown, what: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw badRequest(`Cannot apply strategic merge patch: ${what} is not a list`);
}

/** Says which items of a merged list are the same one: by merge key for objects, by value otherwise. */
function identity(mergeKey: string | undefined): (item: unknown) => unknown {
  return item => {
    if (!isJsonObject(item)) return item;
    if (mergeKey === undefined || item[mergeKey] === undefined) {
      throw badRequest(
        `Cannot apply strategic merge patch: a list item has no merge key ${JSON.stringify(mergeKey ?? '')}: ${JSON.stringify(plain(item))}`,
      );
    }
    return item[mergeKey];
  };
}

function indexBy(list: readonly unknown[], id: (item: unknown) => unknown, wanted: unknown): number {
  return list.findIndex(item => jsonEquals(id(item), wanted));
}

function mergeList(
  original: readonly unknown[],
  patch: readonly unknown[],
  schema: SchemaNode,
  id: (item: unknown) => unknown,
): unknown[] {
  const replaces = patch.some(item => isJsonObject(item) && item[PATCH] === 'replace');
  if (replaces) return patch.filter(item => !(isJsonObject(item) && item[PATCH] === 'replace')).map(plain);
  const result = [...original];
  for (const item of patch) {
    const wanted = id(item);
    let at = indexBy(result, id, wanted);
    if (isJsonObject(item) && directive(item) === 'delete') {
      for (; at >= 0; at = indexBy(result, id, wanted)) result.splice(at, 1);
    } else if (at < 0) result.push(plain(item));
    else if (isJsonObject(item)) result[at] = mergeObject(result[at], item, itemSchema(schema));
  }
  return result;
}

/**
 * Puts the items named by `order` in that order; the others keep their place among their neighbours in `before`.
 * Both runs are merged as sorted lists are: where `before` knows both heads it decides, else the ordered run goes first.
 */
function orderList(
  list: readonly unknown[],
  before: readonly unknown[],
  order: readonly unknown[],
  id: (item: unknown) => unknown,
): unknown[] {
  const rank = (item: unknown): number => indexBy(order, id, id(item));
  const ordered = list.filter(item => rank(item) >= 0).sort((a, b) => rank(a) - rank(b));
  const others = list.filter(item => rank(item) < 0);
  const result: unknown[] = [];
  while (ordered.length > 0 && others.length > 0) {
    const there = indexBy(before, id, id(ordered[0]));
    const here = indexBy(before, id, id(others[0]));
    result.push(there >= 0 && here >= 0 && here < there ? others.shift() : ordered.shift());
  }
  return [...result, ...ordered, ...others];
}

function patchList(
  original: readonly unknown[],
  field: string,
  patch: JsonObject,
  schema: SchemaNode,
  objectLists: string | undefined,
): unknown[] {
  const id = identity(objectLists);
  const removed = asList(patch[DELETE_FROM + field] ?? [], DELETE_FROM + field);
  const kept = original.filter(item => !removed.some(r => jsonEquals(r, item)));
  const merged = mergeList(kept, asList(patch[field] ?? [], field), schema, id);
  const order = patch[SET_ORDER + field];
  return order === undefined ? merged : orderList(merged, original, asList(order, SET_ORDER + field), id);
}

function retain(original: JsonObject, patch: JsonObject): JsonObject {
  if (patch[RETAIN_KEYS] === undefined) return original;
  const keys = asList(patch[RETAIN_KEYS], RETAIN_KEYS);
  return Object.fromEntries(Object.entries(original).filter(([key]) => keys.includes(key)));
}

function listFields(patch: JsonObject): Set<string> {
  const fields = new Set<string>();
  for (const key of Object.keys(patch)) {
    if (key.startsWith(SET_ORDER)) fields.add(key.slice(SET_ORDER.length));
    if (key.startsWith(DELETE_FROM)) fields.add(key.slice(DELETE_FROM.length));
  }
  return fields;
}

function mergeField(original: unknown, field: string, patch: JsonObject, schema: SchemaNode): unknown {
  const value = patch[field];
  const merges = strategies(schema).includes('merge');
  if (isJsonObject(value)) {
    if (strategies(schema).includes('replace')) return plain(value);
    return mergeObject(original, value, schema);
  }
  if (Array.isArray(value) && merges && Array.isArray(original)) {
    return patchList(original, field, patch, schema, mergeKeyOf(schema));
  }
  if (Array.isArray(value) && merges) return patchList([], field, patch, schema, mergeKeyOf(schema));
  return plain(value);
}

function mergeObject(original: unknown, patch: JsonObject, schema: SchemaNode): JsonObject {
  const how = directive(patch);
  if (how === 'delete') return {};
  const body = omitKeys(patch, [PATCH]);
  if (how === 'replace' || !isJsonObject(original)) {
    const fresh = plain(body);
    return isJsonObject(fresh) ? fresh : {};
  }
  const result: JsonObject = { ...retain(original, patch) };
  for (const [field, value] of Object.entries(body)) {
    if (field.startsWith('$')) continue;
    if (value === null) delete result[field];
    else setKey(result, field, mergeField(result[field], field, body, fieldSchema(schema, field)));
  }
  for (const field of listFields(body)) {
    if (Object.hasOwn(body, field) || !Array.isArray(result[field])) continue;
    const inner = fieldSchema(schema, field);
    result[field] = patchList(result[field], field, body, inner, mergeKeyOf(inner));
  }
  return result;
}

/** Applies a strategic merge patch under the schema of the whole object. `original` is not changed. Throws a 400 ApiError. */
export function applyStrategicMergePatch(original: unknown, patch: unknown, schema: unknown): unknown {
  if (!isJsonObject(patch)) throw badRequest('Cannot apply strategic merge patch: the body is not an object');
  return mergeObject(original, patch, isJsonObject(schema) ? schema : undefined);
}
