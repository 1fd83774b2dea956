/**
 * One step of a path through an object, as FieldsV1 writes it: `f:<field>`, `k:{"<key>":<value>}` for an item of a list by
 * key, `v:<value>` for an item of a set, `i:<index>`. Source: Kubernetes API reference, meta/v1 FieldsV1.
 */
import { printJson } from '@calico/api';
import { isJsonObject, type JsonObject, jsonEquals } from '../json.ts';

/** The element that names a field of an object. */
export const fieldElement = (name: string): string => `f:${name}`;

type SchemaNode = JsonObject | undefined;

/** The schema of a field of an object, also of a key of a map. */
export function fieldSchema(schema: SchemaNode, field: string): SchemaNode {
  const properties = schema?.properties;
  if (isJsonObject(properties) && Object.hasOwn(properties, field) && isJsonObject(properties[field])) {
    return properties[field];
  }
  const rest = schema?.additionalProperties;
  return isJsonObject(rest) ? rest : undefined;
}

/** The schema of a list's items. */
export const itemSchema = (schema: SchemaNode): SchemaNode => (isJsonObject(schema?.items) ? schema.items : undefined);

/** Whether a list is merged, and how its items are told apart; anything else is replaced as a whole. */
export function listType(schema: SchemaNode): 'map' | 'set' | 'atomic' {
  const type = schema?.['x-kubernetes-list-type'];
  return type === 'map' || type === 'set' ? type : 'atomic';
}

/** Whether an object is replaced as a whole. */
export const isAtomicMap = (schema: SchemaNode): boolean => schema?.['x-kubernetes-map-type'] === 'atomic';

/**
 * What identifies an item of a list by key or of a set; undefined for an item without any of its keys. A key that is
 * absent has its default.
 */
export function itemElement(schema: SchemaNode, item: unknown): string | undefined {
  if (listType(schema) === 'set') return `v:${printJson(item)}`;
  if (!isJsonObject(item)) return undefined;
  const names = schema?.['x-kubernetes-list-map-keys'];
  const keys: JsonObject = {};
  for (const name of Array.isArray(names) ? names.map(String).toSorted() : []) {
    const value = item[name] ?? fieldSchema(itemSchema(schema), name)?.default;
    if (value !== undefined) keys[name] = value;
  }
  return Object.keys(keys).length === 0 ? undefined : `k:${printJson(keys)}`;
}

/** The item of a list that an element names: its index, or -1. */
export function findItem(list: readonly unknown[], element: string): number {
  const text = element.slice(2);
  if (element.startsWith('i:')) return Number(text) < list.length ? Number(text) : -1;
  const wanted: unknown = JSON.parse(text);
  if (element.startsWith('v:')) return list.findIndex(item => jsonEquals(item, wanted));
  if (!isJsonObject(wanted)) return -1;
  const keys = Object.entries(wanted);
  return list.findIndex(item => isJsonObject(item) && keys.every(([key, value]) => jsonEquals(item[key], value)));
}

/** Whether text is an element; a managed field that a client made up may be none. */
export function isElement(text: string): boolean {
  if (text.startsWith('f:')) return text.length > 2;
  if (/^i:\d{1,9}$/.test(text)) return true;
  if (!text.startsWith('k:') && !text.startsWith('v:')) return false;
  try {
    const value: unknown = JSON.parse(text.slice(2));
    return text.startsWith('v:') || isJsonObject(value);
  } catch {
    return false;
  }
}

/** An element as conflicts print it: `.image`, `[name="web"]`, `[="x"]`, `[0]`. */
export function printElement(element: string): string {
  const text = element.slice(2);
  if (element.startsWith('f:')) return `.${text}`;
  if (element.startsWith('i:')) return `[${text}]`;
  if (element.startsWith('v:')) return `[=${text}]`;
  const keys: unknown = JSON.parse(text);
  const parts = isJsonObject(keys) ? Object.entries(keys) : [];
  return `[${parts.map(([key, value]) => `${key}=${printJson(value)}`).join(',')}]`;
}
