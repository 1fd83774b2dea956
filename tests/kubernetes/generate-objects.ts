import { type Random, randomInt } from '@calico/reconcile';

/** The parts of an OpenAPI v3 schema that objects are made from. */
export interface Schema {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxItems?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly format?: string;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly 'x-kubernetes-int-or-string'?: boolean;
}

type Json = { [key: string]: unknown };

/** A change of an object at one place. */
export interface Mutation {
  /** Such as `spec.ingress[0].action`. */
  readonly path: string;
  /** What was done, in words. */
  readonly change: string;
  readonly object: Json;
}

interface Place {
  readonly path: readonly (string | number)[];
  readonly schema: Schema;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Every place of the schema that the object has, or could have in an object that it has. */
function places(schema: Schema, value: unknown, path: readonly (string | number)[] = []): Place[] {
  const own: Place[] = path.length === 0 ? [] : [{ path, schema }];
  if (isObject(value) && schema.properties !== undefined) {
    for (const [name, inner] of Object.entries(schema.properties))
      own.push(...places(inner, value[name], [...path, name]));
  } else if (Array.isArray(value) && schema.items !== undefined) {
    for (const [i, item] of value.entries()) own.push(...places(schema.items, item, [...path, i]));
  }
  return own;
}

function printPath(path: readonly (string | number)[]): string {
  return path.reduce<string>(
    (text, step) => (typeof step === 'number' ? `${text}[${step}]` : `${text}${text && '.'}${step}`),
    '',
  );
}

/** The object with another value at a place; undefined takes it away. */
function replaced(object: Json, path: readonly (string | number)[], value: unknown): Json {
  const copy = structuredClone(object);
  let at: unknown = copy;
  for (const step of path.slice(0, -1)) at = Reflect.get(Object(at), step);
  const last = path.at(-1) ?? '';
  if (value === undefined) Reflect.deleteProperty(Object(at), last);
  else Reflect.set(Object(at), last, value);
  return copy;
}

function pick<T>(random: Random, values: readonly T[]): T | undefined {
  return values[randomInt(random, values.length)];
}

/** A value that the schema allows, where that can be said without knowing what the field means; else undefined. */
function allowedValue(schema: Schema, random: Random): unknown {
  if (schema.enum !== undefined) return pick(random, schema.enum);
  if (schema.type === 'boolean') return random.next() < 0.5;
  if (schema.type === 'integer' && schema.minimum !== undefined && schema.maximum !== undefined) {
    return schema.minimum + randomInt(random, Math.min(schema.maximum - schema.minimum, 1_000_000) + 1);
  }
  return undefined;
}

/** Values that the schema refuses, each with words for it. */
function refusedValues(schema: Schema): [change: string, value: unknown][] {
  if (schema['x-kubernetes-int-or-string'] === true)
    return [
      ['a boolean', true],
      ['an object', {}],
    ];
  const refused: [string, unknown][] = [];
  if (schema.enum !== undefined) refused.push(['not in the enumeration', 'Bogus']);
  if (schema.minimum !== undefined) refused.push(['below the minimum', schema.minimum - 1]);
  if (schema.maximum !== undefined) refused.push(['above the maximum', schema.maximum + 1]);
  if (schema.maxLength !== undefined) refused.push(['too long', 'x'.repeat(schema.maxLength + 1)]);
  if (schema.pattern !== undefined) refused.push(['against the pattern', '\u0001 no']);
  if (schema.type === 'string') refused.push(['a number for a text', 7], ['a list for a text', ['x']]);
  if (schema.type === 'boolean') refused.push(['a text for a boolean', 'yes']);
  if (schema.type === 'integer' || schema.type === 'number') refused.push(['a text for a number', 'x']);
  if (schema.type === 'array') refused.push(['a text for a list', 'x'], ['an object for a list', {}]);
  if (schema.type === 'object') refused.push(['a text for an object', 'x'], ['a list for an object', []]);
  return refused;
}

/** The optional fields that an object has. */
function optionalPlaces(schema: Schema, object: Json): (readonly (string | number)[])[] {
  return places(schema, object).flatMap(({ path, schema: at }) => {
    const value = valueAt(object, path);
    const names = isObject(value) ? Object.keys(value) : [];
    return names.filter(name => at.properties?.[name] && !at.required?.includes(name)).map(name => [...path, name]);
  });
}

/** An object changed at up to three places in ways that the schema allows; undefined when there is nothing to change. */
export function allowedMutation(schema: Schema, object: Json, random: Random): Mutation | undefined {
  const optional = pick(random, optionalPlaces(schema, object));
  if (optional !== undefined && random.next() < 0.3) {
    const path = printPath(optional);
    return { path, change: `${path} left out`, object: replaced(object, optional, undefined) };
  }
  const changes: string[] = [];
  const paths: string[] = [];
  let current = object;
  for (let i = 0; i < 3; i++) {
    const place = pick(
      random,
      places(schema, current).filter(({ schema }) => allowedValue(schema, random) !== undefined),
    );
    if (place === undefined) break;
    const value = allowedValue(place.schema, random);
    current = replaced(current, place.path, value);
    paths.push(printPath(place.path));
    changes.push(`${printPath(place.path)} = ${JSON.stringify(value)}`);
  }
  return changes.length === 0 ? undefined : { path: paths.join(', '), change: changes.join(', '), object: current };
}

/** An object changed at one place in a way that the schema refuses: a wrong value, or a required field taken away. */
export function refusedMutation(schema: Schema, object: Json, random: Random): Mutation | undefined {
  const candidates = places(schema, object).flatMap(({ path, schema: at }) => [
    ...refusedValues(at).map(([change, value]) => ({ path, change, value })),
    ...(at.required ?? [])
      .filter(() => isObject(valueAt(object, path)))
      .map(name => ({ path: [...path, name], change: 'missing', value: undefined })),
  ]);
  const chosen = pick(random, candidates);
  if (chosen === undefined) return undefined;
  const path = printPath(chosen.path);
  return { path, change: `${path} ${chosen.change}`, object: replaced(object, chosen.path, chosen.value) };
}

function valueAt(object: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>((at, step) => Reflect.get(Object(at), step), object);
}
