/** Values against a structural schema. Source: OpenAPI 3.0 schema objects, as Kubernetes documents them for CustomResourceDefinitions. */
import { type FieldError, type FieldErrorCode, printJson } from '@calico/api';
import { parseAddr, parseCidr } from '@calico/ip';
import { isJsonObject, type JsonObject, jsonEquals } from '../json.ts';
import { compilePattern } from './pattern.ts';

const FORMATS: { readonly [format: string]: (text: string) => boolean } = {
  'date-time': text =>
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i.test(text) && !Number.isNaN(Date.parse(text)),
  date: text => /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text)),
  duration: text => /^([+-]?(\d+(\.\d*)?|\.\d+)\s*(ns|us|µs|ms|s|m|h|d|w))+$|^0$/.test(text),
  ipv4: text => parseAddr(text)?.family === 4,
  ipv6: text => parseAddr(text)?.family === 6,
  cidr: text => parseCidr(text) !== undefined && text.includes('/'),
  uuid: text => /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i.test(text),
  byte: text => /^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text),
  uri: text => URL.canParse(text),
  email: text => /^[^\s@]+@[^\s@]+$/.test(text),
  hostname: text => /^([a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?\.?)+$/.test(text) && text.length <= 253,
  mac: text => /^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i.test(text),
};

const isWhole = (value: unknown): value is number | bigint => typeof value === 'bigint' || Number.isInteger(value);
const isNumber = (value: unknown): value is number | bigint => typeof value === 'bigint' || Number.isFinite(value);
const count = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);

const TYPES: { readonly [type: string]: { readonly words: string; fits(value: unknown): boolean } } = {
  object: { words: 'an object', fits: isJsonObject },
  array: { words: 'a list', fits: Array.isArray },
  string: { words: 'a string', fits: value => typeof value === 'string' },
  integer: { words: 'a whole number', fits: isWhole },
  number: { words: 'a number', fits: isNumber },
  boolean: { words: 'true or false', fits: value => typeof value === 'boolean' },
};

class Validation {
  readonly faults: FieldError[] = [];

  #add(code: FieldErrorCode, path: string, value: unknown, message: string): void {
    this.faults.push({ code, path, value, message });
  }

  walk(schema: JsonObject, value: unknown, path: string): void {
    if (value === null && schema.nullable === true) return;
    if (schema['x-kubernetes-int-or-string'] === true && !isWhole(value) && typeof value !== 'string') {
      this.#add('TypeInvalid', path, value, 'must be an integer or a string');
      return;
    }
    const type = typeof schema.type === 'string' ? TYPES[schema.type] : undefined;
    if (type !== undefined && !type.fits(value)) {
      this.#add('TypeInvalid', path, value, `must be ${type.words}`);
      return;
    }
    if (Array.isArray(schema.enum) && !schema.enum.some(word => jsonEquals(word, value))) {
      this.#add(
        'NotSupported',
        path,
        value,
        `supported values: ${schema.enum.map(word => printJson(word)).join(', ')}`,
      );
    }
    if (typeof value === 'string') this.#text(schema, value, path);
    else if (isNumber(value)) this.#number(schema, value, path);
    else if (Array.isArray(value)) this.#list(schema, value, path);
    else if (isJsonObject(value)) this.#object(schema, value, path);
    this.#combined(schema, value, path);
  }

  #text(schema: JsonObject, value: string, path: string): void {
    const length = [...value].length;
    if (length > (count(schema.maxLength) ?? Number.POSITIVE_INFINITY)) {
      this.#add('TooLong', path, value, `must have at most ${schema.maxLength} characters`);
    }
    if (length < (count(schema.minLength) ?? 0))
      this.#add('Invalid', path, value, `must have at least ${schema.minLength} characters`);
    if (typeof schema.pattern === 'string' && compilePattern(schema.pattern)?.test(value) === false) {
      this.#add('Invalid', path, value, `must match ${JSON.stringify(schema.pattern)}`);
    }
    const format = typeof schema.format === 'string' ? FORMATS[schema.format] : undefined;
    if (format !== undefined && !format(value)) this.#add('Invalid', path, value, `must be of format ${schema.format}`);
  }

  #number(schema: JsonObject, value: number | bigint, path: string): void {
    const { minimum, maximum, multipleOf } = schema;
    if (isNumber(minimum)) {
      const exclusive = schema.exclusiveMinimum === true;
      if (exclusive ? value <= minimum : value < minimum) {
        this.#add('Invalid', path, value, `must be ${exclusive ? 'greater than' : 'at least'} ${minimum}`);
      }
    }
    if (isNumber(maximum)) {
      const exclusive = schema.exclusiveMaximum === true;
      if (exclusive ? value >= maximum : value > maximum) {
        this.#add('Invalid', path, value, `must be ${exclusive ? 'less than' : 'at most'} ${maximum}`);
      }
    }
    if (typeof multipleOf === 'number' && multipleOf > 0 && !Number.isInteger(Number(value) / multipleOf)) {
      this.#add('Invalid', path, value, `must be a multiple of ${multipleOf}`);
    }
    if (schema.format === 'int32' && (value < -(2 ** 31) || value >= 2 ** 31)) {
      this.#add('Invalid', path, value, 'must fit in 32 bits');
    }
  }

  #list(schema: JsonObject, value: readonly unknown[], path: string): void {
    if (value.length > (count(schema.maxItems) ?? Number.POSITIVE_INFINITY)) {
      this.#add('TooMany', path, value.length, `must have at most ${schema.maxItems} items`);
      return;
    }
    if (value.length < (count(schema.minItems) ?? 0))
      this.#add('Invalid', path, value.length, `must have at least ${schema.minItems} items`);
    const { items } = schema;
    if (isJsonObject(items)) for (const [i, item] of value.entries()) this.walk(items, item, `${path}[${i}]`);
    const keys = schema['x-kubernetes-list-map-keys'];
    if (schema['x-kubernetes-list-type'] === 'set' || schema.uniqueItems === true)
      this.#unique(value, item => item, path);
    else if (Array.isArray(keys)) {
      this.#unique(
        value,
        item => (isJsonObject(item) ? Object.fromEntries(keys.map(key => [key, item[String(key)]])) : item),
        path,
      );
    }
  }

  #unique(list: readonly unknown[], keyOf: (item: unknown) => unknown, path: string): void {
    const seen = new Set<string>();
    for (const [i, item] of list.entries()) {
      const key = printJson(keyOf(item));
      if (seen.has(key)) this.#add('Duplicate', `${path}[${i}]`, keyOf(item), 'must stand only once in the list');
      seen.add(key);
    }
  }

  #object(schema: JsonObject, value: JsonObject, path: string): void {
    const { properties, additionalProperties, required } = schema;
    const at = (name: string): string => (path === '' ? name : `${path}.${name}`);
    for (const name of Array.isArray(required) ? required.map(String) : []) {
      if (!Object.hasOwn(value, name)) this.#add('Required', at(name), undefined, 'must be given');
    }
    const size = Object.keys(value).length;
    if (size > (count(schema.maxProperties) ?? Number.POSITIVE_INFINITY)) {
      this.#add('TooMany', path, size, `must have at most ${schema.maxProperties} fields`);
    }
    if (size < (count(schema.minProperties) ?? 0))
      this.#add('Invalid', path, size, `must have at least ${schema.minProperties} fields`);
    for (const [name, part] of Object.entries(value)) {
      const known =
        isJsonObject(properties) && Object.hasOwn(properties, name) ? properties[name] : additionalProperties;
      if (isJsonObject(known)) this.walk(known, part, at(name));
    }
  }

  #combined(schema: JsonObject, value: unknown, path: string): void {
    const { allOf, anyOf, oneOf, not } = schema;
    if (Array.isArray(allOf)) for (const inner of allOf) if (isJsonObject(inner)) this.walk(inner, value, path);
    const passing = (list: readonly unknown[]): number =>
      list.filter(inner => isJsonObject(inner) && validateValue(inner, value, path).length === 0).length;
    if (Array.isArray(anyOf) && anyOf.length > 0 && passing(anyOf) === 0) {
      this.#add('Invalid', path, value, 'must fit at least one schema of anyOf');
    }
    if (Array.isArray(oneOf) && oneOf.length > 0 && passing(oneOf) !== 1) {
      this.#add('Invalid', path, value, 'must fit exactly one schema of oneOf');
    }
    if (isJsonObject(not) && passing([not]) > 0) this.#add('Invalid', path, value, 'must not fit the schema of not');
  }
}

/** Every way in which a value, standing at `path`, does not fit a schema; empty is good. Rules in CEL are for `checkRules`. */
export function validateValue(schema: JsonObject, value: unknown, path: string): FieldError[] {
  const validation = new Validation();
  validation.walk(schema, value, path);
  return validation.faults;
}
