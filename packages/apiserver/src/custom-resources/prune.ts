/** Defaulting and pruning of custom objects by their structural schema. */
import { isJsonObject, type JsonObject, setKey } from '../json.ts';
import { PRESERVE } from './structural-schema.ts';

/**
 * A copy of a value with the schema's defaults filled in and the fields that it does not know taken out, except below
 * `x-kubernetes-preserve-unknown-fields`. A null where the schema has a default and allows no null counts as absent.
 */
export function defaultAndPrune(schema: JsonObject, value: unknown): unknown {
  if (Array.isArray(value)) {
    const { items } = schema;
    return isJsonObject(items) ? value.map(item => defaultAndPrune(items, item)) : value;
  }
  if (!isJsonObject(value)) return value;
  const properties = isJsonObject(schema.properties) ? schema.properties : {};
  const { additionalProperties } = schema;
  const result: JsonObject = {};
  for (const [name, part] of Object.entries(value)) {
    const own = Object.hasOwn(properties, name) ? properties[name] : additionalProperties;
    if (isJsonObject(own)) {
      if (part === null && own.default !== undefined && own.nullable !== true) continue;
      setKey(result, name, defaultAndPrune(own, part));
    } else if (schema[PRESERVE] === true || schema.type === undefined) setKey(result, name, part);
  }
  for (const [name, inner] of Object.entries(properties)) {
    if (!isJsonObject(inner) || inner.default === undefined || Object.hasOwn(result, name)) continue;
    setKey(result, name, defaultAndPrune(inner, structuredClone(inner.default)));
  }
  return result;
}
