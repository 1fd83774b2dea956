import type { FieldErrors } from '../field-error.ts';
import { FORMATS } from './formats.ts';
import { fieldPath, isObject, keyPath, type SchemaNode } from './node.ts';

/** Adds every way in which `value`, standing at `path`, does not fit the schema. Unknown fields are not faults here. */
export function validateSchema(schema: object, value: unknown, path: string, errors: FieldErrors): void {
  walk(schema, value, path, errors);
}

function walk(schema: SchemaNode, value: unknown, path: string, errors: FieldErrors): void {
  if (value === null && schema.nullable === true) return;
  if (schema['x-kubernetes-int-or-string'] === true) {
    if (typeof value !== 'string' && !isInteger(value)) {
      typeInvalid(path, value, 'an integer or a string', errors);
      return;
    }
  } else if (!fitsType(schema, value, path, errors)) {
    return;
  }
  checkValue(schema, value, path, errors);
}

function fitsType(schema: SchemaNode, value: unknown, path: string, errors: FieldErrors): boolean {
  switch (schema.type) {
    case 'object':
      if (!isObject(value)) return typeInvalid(path, value, 'an object', errors);
      walkObject(schema, value, path, errors);
      return true;
    case 'array':
      if (!Array.isArray(value)) return typeInvalid(path, value, 'a list', errors);
      walkList(schema, value, path, errors);
      return true;
    case 'string':
      if (typeof value !== 'string') return typeInvalid(path, value, 'a string', errors);
      return checkText(schema, value, path, errors);
    case 'integer':
      if (!isInteger(value)) return typeInvalid(path, value, 'a whole number', errors);
      checkNumber(schema, value, path, errors);
      return true;
    case 'number':
      if (typeof value !== 'number' || !Number.isFinite(value)) return typeInvalid(path, value, 'a number', errors);
      checkNumber(schema, value, path, errors);
      return true;
    case 'boolean':
      if (typeof value !== 'boolean') return typeInvalid(path, value, 'true or false', errors);
      return true;
    default:
      return true;
  }
}

function typeInvalid(path: string, value: unknown, wanted: string, errors: FieldErrors): false {
  errors.add('TypeInvalid', path, value, `must be ${wanted}`);
  return false;
}

function isInteger(value: unknown): value is number | bigint {
  return typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value));
}

function walkObject(schema: SchemaNode, value: Record<string, unknown>, path: string, errors: FieldErrors): void {
  checkSize(schema, value, path, errors);
  for (const name of schema.required ?? []) {
    if (value[name] === undefined || !Object.hasOwn(value, name)) {
      errors.required(fieldPath(path, name), describe(schema.properties?.[name]));
    }
  }
  const { properties, additionalProperties } = schema;
  for (const name of Object.keys(value)) {
    const part = value[name];
    if (part === undefined) continue;
    if (properties !== undefined && Object.hasOwn(properties, name)) {
      const inner = properties[name];
      if (inner !== undefined) walk(inner, part, fieldPath(path, name), errors);
    } else if (additionalProperties !== undefined) {
      walk(additionalProperties, part, keyPath(path, name), errors);
    }
  }
}

function checkSize(schema: SchemaNode, value: Record<string, unknown>, path: string, errors: FieldErrors): void {
  if (schema.minProperties === undefined && schema.maxProperties === undefined) return;
  const { minProperties = 0, maxProperties = Number.POSITIVE_INFINITY } = schema;
  const count = Object.values(value).filter(part => part !== undefined).length;
  if (count >= minProperties && count <= maxProperties) return;
  const wanted = minProperties === maxProperties ? `exactly ${minProperties}` : `at least ${minProperties}`;
  errors.invalid(path, value, `must have ${wanted} of ${Object.keys(schema.properties ?? {}).join(', ')}`);
}

function walkList(schema: SchemaNode, value: readonly unknown[], path: string, errors: FieldErrors): void {
  const { items, minItems, maxItems } = schema;
  if (maxItems !== undefined && value.length > maxItems) {
    errors.add('TooMany', path, value.length, `must have at most ${maxItems} items`);
    return;
  }
  if (minItems !== undefined && value.length < minItems) {
    errors.invalid(path, value, `must have at least ${minItems} item${minItems === 1 ? '' : 's'}`);
  }
  if (items !== undefined) for (const [i, item] of value.entries()) walk(items, item, `${path}[${i}]`, errors);
  if (schema['x-calico-duplicates'] === true) return;
  if (schema['x-kubernetes-list-type'] === 'set') findDuplicates(value, item => item, path, errors);
  const keys = schema['x-kubernetes-list-map-keys'];
  if (keys !== undefined) {
    findDuplicates(value, item => (isObject(item) ? keys.map(key => item[key] ?? null) : item), path, errors);
  }
}

function findDuplicates(
  items: readonly unknown[],
  keyOf: (item: unknown) => unknown,
  path: string,
  errors: FieldErrors,
): void {
  const seen = new Set<string>();
  for (const [i, item] of items.entries()) {
    const key = JSON.stringify(keyOf(item), (_, part: unknown) => (typeof part === 'bigint' ? `${part}n` : part));
    if (seen.has(key)) errors.add('Duplicate', `${path}[${i}]`, keyOf(item), 'must stand only once in the list');
    seen.add(key);
  }
}

function checkText(schema: SchemaNode, value: string, path: string, errors: FieldErrors): boolean {
  const { minLength, maxLength, pattern } = schema;
  if (maxLength !== undefined && value.length > maxLength) {
    errors.add('TooLong', path, value, `must have at most ${maxLength} characters`);
  } else if (minLength !== undefined && value.length < minLength) {
    errors.invalid(path, value, `must have at least ${minLength} character${minLength === 1 ? '' : 's'}`);
  } else if (pattern !== undefined && !compiled(pattern).test(value)) {
    errors.invalid(path, value, `must be ${schema['x-calico-allowed'] ?? `text that matches ${pattern}`}`);
  } else {
    return true;
  }
  return false;
}

const COMPILED = new Map<string, RegExp>();

/** A pattern as Go and OpenAPI write it, with `(?i)` for any case, as a regular expression. */
function compiled(pattern: string): RegExp {
  let made = COMPILED.get(pattern);
  if (made === undefined) {
    made = pattern.includes('(?i)') ? new RegExp(pattern.replace('(?i)', ''), 'iu') : new RegExp(pattern, 'u');
    COMPILED.set(pattern, made);
  }
  return made;
}

const INT32 = { minimum: -(2 ** 31), maximum: 2 ** 31 - 1 };
const INT64 = { minimum: -(2n ** 63n), maximum: 2n ** 64n - 1n };

function checkNumber(schema: SchemaNode, value: number | bigint, path: string, errors: FieldErrors): void {
  const wide = schema.format === 'int64' || schema.format === undefined ? INT64 : INT32;
  const limits = schema.type === 'integer' ? wide : { minimum: -Infinity, maximum: Infinity };
  const minimum = schema.minimum ?? limits.minimum;
  const maximum = schema.maximum ?? limits.maximum;
  if (value >= minimum && value <= maximum) return;
  const tooLow = value < minimum;
  if (schema.minimum !== undefined && schema.maximum !== undefined) {
    errors.invalid(path, value, `must be from ${schema.minimum} to ${schema.maximum}`);
  } else if (tooLow) {
    errors.invalid(path, value, `must be at least ${minimum}`);
  } else {
    errors.invalid(path, value, `must be at most ${maximum}`);
  }
}

function checkValue(schema: SchemaNode, value: unknown, path: string, errors: FieldErrors): void {
  if (schema.enum !== undefined && !schema.enum.includes(value)) {
    errors.add(
      'NotSupported',
      path,
      value,
      `supported values: ${schema.enum.map(word => JSON.stringify(word)).join(', ')}`,
    );
  }
  const format = schema['x-calico-format'];
  if (format === undefined) return;
  const fault = FORMATS[format]?.(value);
  if (fault !== undefined) errors.invalid(path, value, fault);
}

function describe(schema: SchemaNode | undefined): string {
  if (schema?.enum !== undefined) return `must be one of ${schema.enum.map(word => JSON.stringify(word)).join(', ')}`;
  switch (schema?.type) {
    case 'object':
      return 'must be an object';
    case 'array':
      return 'must be a list';
    case 'string':
      return 'must be a string';
    case 'integer':
      return 'must be a whole number';
    case 'boolean':
      return 'must be true or false';
    default:
      return 'must be given';
  }
}
