/** Schemas as types of the language, and values as it has them. Source: Kubernetes documentation, "Validation rules", "Type checking". */
import type { Environment } from '@marcbachmann/cel-js';
import { isJsonObject, type JsonObject } from '../../json.ts';

/** A schema's type by its name in the environment, and how a JSON value becomes one of that type. */
export interface CelType {
  readonly name: string;
  convert(value: unknown): unknown;
}

const DYN: CelType = { name: 'dyn', convert: free };

/** A value that no schema describes. */
function free(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(free);
  if (isJsonObject(value)) return new Map(Object.entries(value).map(([key, part]) => [key, free(part)]));
  return typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : value;
}

const KEYWORDS = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return'.split(' '),
);
const SPELLINGS: readonly (readonly [RegExp, string])[] = [
  [/__/g, '__underscores__'],
  [/\./g, '__dot__'],
  [/-/g, '__dash__'],
  [/\//g, '__slash__'],
];

/** How rules spell a field's name; undefined for names that they cannot reach. */
export function fieldName(name: string): string | undefined {
  if (!/^[a-zA-Z_.\-/][a-zA-Z0-9_.\-/]*$/.test(name) || name === 'constructor') return undefined;
  if (KEYWORDS.has(name)) return `__${name}__`;
  return SPELLINGS.reduce((text, [from, to]) => text.replace(from, to), name);
}

const TEXT_FORMATS: Readonly<Record<string, CelType>> = {
  byte: { name: 'bytes', convert: value => new Uint8Array(Buffer.from(String(value), 'base64')) },
  date: { name: 'google.protobuf.Timestamp', convert: value => new Date(String(value)) },
  'date-time': { name: 'google.protobuf.Timestamp', convert: value => new Date(String(value)) },
};

const SCALARS: Readonly<Record<string, CelType>> = {
  integer: { name: 'int', convert: value => BigInt(value as number | bigint) },
  number: { name: 'double', convert: Number },
  boolean: { name: 'bool', convert: value => value },
};

const string = { type: 'string' };
const METADATA = { type: 'object', properties: { name: string, generateName: string } };
/** What every object as a whole has, whatever its schema says of it. */
const WHOLE_OBJECT = { apiVersion: string, kind: string, metadata: METADATA };

/** The fields that rules see of an object with `schema`; `whole` for one with apiVersion, kind and metadata. */
function visibleFields(schema: JsonObject, whole: boolean): JsonObject {
  const own = isJsonObject(schema.properties) ? schema.properties : {};
  return whole || schema['x-kubernetes-embedded-resource'] === true ? { ...own, ...WHOLE_OBJECT } : own;
}

/** Whether two converted values of one type are equal. */
function sameValue(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((each, i) => sameValue(each, b[i]));
  if (a instanceof Map && b instanceof Map) {
    return a.size === b.size && [...a].every(([key, value]) => b.has(key) && sameValue(value, b.get(key)));
  }
  if (a instanceof Date && b instanceof Date) return a.getTime() === b.getTime();
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length && keys.every(key => sameValue(Reflect.get(a, key), Reflect.get(b, key)))
  );
}

let typesMade = 0;

/** A type for objects with certain fields: a class of its own, as the library tells types by their constructors. */
function objectType(env: Environment, fields: JsonObject, duration: (text: string) => unknown): CelType {
  const known = Object.entries(fields).flatMap(([name, schema]) => {
    const spelled = fieldName(name);
    return spelled !== undefined && isJsonObject(schema)
      ? [{ name, spelled, type: celType(env, schema, duration) }]
      : [];
  });
  class Fields {}
  const name = `object${typesMade++}`;
  env.registerType(name, {
    ctor: Fields,
    fields: Object.fromEntries(known.map(each => [each.spelled, each.type.name])),
  });
  env.registerOperator(`${name} == ${name}`, sameValue);
  env.registerOperator(`${name} == null`, () => false);
  return {
    name,
    convert: value => {
      const made = new Fields();
      if (!isJsonObject(value)) return made;
      for (const { name, spelled, type } of known) {
        const part = value[name];
        // A null is as good as no value.
        if (part !== undefined && part !== null) Reflect.set(made, spelled, type.convert(part));
      }
      return made;
    },
  };
}

/**
 * The type of a schema's values, made known to `env`. `duration` reads a text as the language does. `whole` is for the root of an
 * object.
 */
export function celType(
  env: Environment,
  schema: JsonObject,
  duration: (text: string) => unknown,
  whole = false,
): CelType {
  if (schema['x-kubernetes-int-or-string'] === true) return DYN;
  const { type, items, additionalProperties, format } = schema;
  if (type === 'string') {
    if (format === 'duration') return { name: 'google.protobuf.Duration', convert: value => duration(String(value)) };
    return TEXT_FORMATS[String(format)] ?? { name: 'string', convert: value => value };
  }
  if (type === 'array') {
    const item = isJsonObject(items) ? celType(env, items, duration) : DYN;
    return { name: `list<${item.name}>`, convert: value => (Array.isArray(value) ? value.map(item.convert) : []) };
  }
  if (type === 'object') {
    if (additionalProperties === undefined) return objectType(env, visibleFields(schema, whole), duration);
    const part = isJsonObject(additionalProperties) ? celType(env, additionalProperties, duration) : DYN;
    return {
      name: `map<string, ${part.name}>`,
      convert: value =>
        new Map(Object.entries(isJsonObject(value) ? value : {}).map(([key, each]) => [key, part.convert(each)])),
    };
  }
  return SCALARS[String(type)] ?? DYN;
}
