/**
 * Structural schemas: the subset of OpenAPI that a CustomResourceDefinition may use, checked and brought into one form.
 * Source: Kubernetes documentation, "Extend the Kubernetes API with CustomResourceDefinitions", "Specifying a structural schema".
 */
import type { FieldError, FieldErrorCode } from '@calico/api';
import { isJsonObject, type JsonObject } from '../json.ts';
import { compilePattern } from './pattern.ts';
import { validateValue } from './validate-value.ts';

export const PRESERVE = 'x-kubernetes-preserve-unknown-fields';
const INT_OR_STRING = 'x-kubernetes-int-or-string';
const EMBEDDED = 'x-kubernetes-embedded-resource';
const VALIDATIONS = 'x-kubernetes-validations';
const TYPES = ['object', 'array', 'string', 'integer', 'number', 'boolean'];
const FORBIDDEN = [
  '$ref',
  'definitions',
  'dependencies',
  'patternProperties',
  'deprecated',
  'discriminator',
  'readOnly',
];
const COMBINATORS = ['allOf', 'anyOf', 'oneOf'] as const;
/** What only the structure itself may say, not the conditions inside allOf, anyOf, oneOf and not. */
const STRUCTURAL_ONLY = [
  'type',
  'default',
  'description',
  'title',
  'additionalProperties',
  'nullable',
  PRESERVE,
  EMBEDDED,
];
const MAX_DEPTH = 64;

/** Collects the faults of a schema. */
class SchemaCheck {
  readonly faults: FieldError[] = [];

  add(code: FieldErrorCode, path: string, value: unknown, message: string): void {
    this.faults.push({ code, path, value, message });
  }

  node(raw: unknown, path: string, depth: number, structural: boolean): void {
    if (!isJsonObject(raw)) {
      this.add('TypeInvalid', path, raw, 'must be a schema: an object');
      return;
    }
    if (depth > MAX_DEPTH) {
      this.add('Invalid', path, depth, `schemas may be nested up to ${MAX_DEPTH} levels deep`);
      return;
    }
    for (const key of FORBIDDEN) {
      if (raw[key] !== undefined)
        this.add('Forbidden', `${path}.${key}`, raw[key], 'is not part of structural schemas');
    }
    if (structural) this.#type(raw, path);
    else {
      for (const key of STRUCTURAL_ONLY) {
        if (raw[key] === undefined || this.#isIntOrStringForm(raw, key)) continue;
        this.add(
          'Forbidden',
          `${path}.${key}`,
          raw[key],
          'must stand in the structure, outside allOf, anyOf, oneOf and not',
        );
      }
    }
    this.#pattern(raw, path);
    this.#children(raw, path, depth, structural);
    this.#lists(raw, path);
    if (structural && raw.default !== undefined) this.#default(raw, path);
  }

  /** `anyOf: [{type: integer}, {type: string}]` is how x-kubernetes-int-or-string is usually spelled out. */
  #isIntOrStringForm(raw: JsonObject, key: string): boolean {
    return key === 'type' && (raw.type === 'integer' || raw.type === 'string') && Object.keys(raw).length === 1;
  }

  #type(raw: JsonObject, path: string): void {
    const free = raw[INT_OR_STRING] === true || raw[PRESERVE] === true;
    if (raw.type === undefined || raw.type === '') {
      if (!free) this.add('Required', `${path}.type`, undefined, `must be one of ${TYPES.join(', ')}`);
    } else if (typeof raw.type !== 'string' || !TYPES.includes(raw.type)) {
      this.add('NotSupported', `${path}.type`, raw.type, `supported values: ${TYPES.map(t => `"${t}"`).join(', ')}`);
    }
    if (raw.type === 'array' && raw.items === undefined)
      this.add('Required', `${path}.items`, undefined, 'a list has items');
    if (raw.properties !== undefined && raw.additionalProperties !== undefined) {
      this.add(
        'Forbidden',
        `${path}.additionalProperties`,
        undefined,
        'properties and additionalProperties exclude each other',
      );
    }
  }

  #pattern(raw: JsonObject, path: string): void {
    if (raw.pattern === undefined) return;
    if (typeof raw.pattern !== 'string' || compilePattern(raw.pattern) === undefined) {
      this.add('Invalid', `${path}.pattern`, raw.pattern, 'must be a regular expression');
    }
  }

  #children(raw: JsonObject, path: string, depth: number, structural: boolean): void {
    const { properties, additionalProperties, items, not } = raw;
    if (isJsonObject(properties)) {
      for (const [name, inner] of Object.entries(properties)) {
        this.node(inner, `${path}.properties[${name}]`, depth + 1, structural);
      }
    } else if (properties !== undefined) this.add('TypeInvalid', `${path}.properties`, properties, 'must be an object');
    if (additionalProperties === false) {
      this.add(
        'Forbidden',
        `${path}.additionalProperties`,
        false,
        'must not be false: unknown fields are pruned anyway',
      );
    } else if (additionalProperties !== undefined && additionalProperties !== true) {
      this.node(additionalProperties, `${path}.additionalProperties`, depth + 1, structural);
    }
    if (items !== undefined) this.node(items, `${path}.items`, depth + 1, structural);
    if (not !== undefined) this.node(not, `${path}.not`, depth + 1, false);
    for (const key of COMBINATORS) {
      const list = raw[key];
      if (Array.isArray(list))
        for (const [i, inner] of list.entries()) this.node(inner, `${path}.${key}[${i}]`, depth + 1, false);
      else if (list !== undefined) this.add('TypeInvalid', `${path}.${key}`, list, 'must be a list of schemas');
    }
  }

  #lists(raw: JsonObject, path: string): void {
    const type = raw['x-kubernetes-list-type'];
    if (type !== undefined && type !== 'atomic' && type !== 'set' && type !== 'map') {
      this.add('NotSupported', `${path}.x-kubernetes-list-type`, type, 'supported values: "atomic", "set", "map"');
    }
    const keys = raw['x-kubernetes-list-map-keys'];
    if (type !== 'map') return;
    const properties = isJsonObject(raw.items) && isJsonObject(raw.items.properties) ? raw.items.properties : {};
    if (!Array.isArray(keys) || keys.length === 0) {
      this.add('Required', `${path}.x-kubernetes-list-map-keys`, keys, 'a list of type map has keys');
    } else {
      for (const [i, key] of keys.entries()) {
        if (typeof key === 'string' && Object.hasOwn(properties, key)) continue;
        this.add('Invalid', `${path}.x-kubernetes-list-map-keys[${i}]`, key, 'must be a property of the items');
      }
    }
  }

  #default(raw: JsonObject, path: string): void {
    if (this.faults.length > 0) return;
    for (const fault of validateValue(raw, raw.default, `${path}.default`)) this.faults.push(fault);
  }
}

/** Every way in which a schema, standing at `path`, is not structural; empty is good. */
export function checkStructural(schema: unknown, path: string): FieldError[] {
  const check = new SchemaCheck();
  check.node(schema, path, 0, true);
  if (isJsonObject(schema) && schema.type !== 'object') {
    check.add('Invalid', `${path}.type`, schema.type, 'must be "object" at the root');
  }
  return check.faults;
}

/** Whether a schema has rules in CEL (x-kubernetes-validations) anywhere. */
export function hasCelRules(schema: unknown): boolean {
  if (Array.isArray(schema)) return schema.some(hasCelRules);
  if (!isJsonObject(schema)) return false;
  return Object.entries(schema).some(([key, value]) =>
    key === VALIDATIONS ? Array.isArray(value) && value.length > 0 : hasCelRules(value),
  );
}

/**
 * A checked schema in the form that validation, pruning and patches read: an object without properties has none, free maps
 * are spelled out, embedded resources have their type and metadata.
 */
export function normalizeSchema(schema: JsonObject): JsonObject {
  const result: JsonObject = { ...schema };
  const { properties, additionalProperties, items } = schema;
  if (isJsonObject(properties)) {
    result.properties = Object.fromEntries(
      Object.entries(properties).map(([name, inner]) => [name, isJsonObject(inner) ? normalizeSchema(inner) : inner]),
    );
  }
  if (additionalProperties === true) result.additionalProperties = { [PRESERVE]: true };
  else if (isJsonObject(additionalProperties)) result.additionalProperties = normalizeSchema(additionalProperties);
  if (isJsonObject(items)) result.items = normalizeSchema(items);
  if (schema.type === 'object' && additionalProperties === undefined) {
    const embedded = {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object', [PRESERVE]: true },
    };
    result.properties = {
      ...(schema[EMBEDDED] === true ? embedded : {}),
      ...(isJsonObject(result.properties) ? result.properties : {}),
    };
  }
  return result;
}
