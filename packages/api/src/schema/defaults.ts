import { isObject, type SchemaNode } from './node.ts';

/**
 * A copy of `value` with every default of the schema filled in, and every null taken out that stands for an absent field
 * (Kubernetes structural defaulting). What does not fit the schema is left for validation to name.
 */
export function applyDefaults<T>(schema: object, value: T): T {
  return walk(schema, value) as T;
}

function walk(schema: SchemaNode, value: unknown): unknown {
  if (Array.isArray(value)) {
    const { items } = schema;
    return items === undefined ? copyJson(value) : value.map(item => walk(items, item));
  }
  if (!isObject(value)) return value;
  const { properties, additionalProperties } = schema;
  const out: Record<string, unknown> = {};
  for (const name of Object.keys(value)) {
    const part = value[name];
    if (part === undefined) continue;
    const inner = properties !== undefined && Object.hasOwn(properties, name) ? properties[name] : additionalProperties;
    if (inner === undefined) {
      set(out, name, copyJson(part));
    } else if (part !== null || inner.nullable === true || isUntyped(inner)) {
      set(out, name, walk(inner, part));
    }
  }
  for (const [name, inner] of defaultsOf(properties)) {
    if (!Object.hasOwn(out, name)) out[name] = walk(inner, copyJson(inner.default));
  }
  return out;
}

type Properties = NonNullable<SchemaNode['properties']>;
const withDefaults = new WeakMap<Properties, readonly (readonly [name: string, schema: SchemaNode])[]>();

/** The properties that have a default; looked for once. */
function defaultsOf(properties: Properties | undefined): readonly (readonly [name: string, schema: SchemaNode])[] {
  if (properties === undefined) return [];
  let found = withDefaults.get(properties);
  if (found === undefined) {
    found = Object.entries(properties).filter(([, inner]) => inner.default !== undefined);
    withDefaults.set(properties, found);
  }
  return found;
}

/** Sets a field that may be called `__proto__`. */
function set(target: Record<string, unknown>, name: string, value: unknown): void {
  if (name === '__proto__')
    Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true });
  else target[name] = value;
}

function isUntyped(schema: SchemaNode): boolean {
  return schema.type === undefined && schema['x-kubernetes-int-or-string'] !== true;
}

/** A deep copy of JSON data. */
export function copyJson(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copyJson);
  if (!isObject(value)) return value;
  const out: Record<string, unknown> = {};
  for (const [name, part] of Object.entries(value)) set(out, name, copyJson(part));
  return out;
}
