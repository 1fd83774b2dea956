import type { Kind } from './kind.ts';
import type { Resource } from './resource.ts';
import { fieldPath, isObject, keyPath, type SchemaNode } from './schema/node.ts';

/**
 * The paths of all fields of `value` that the kind does not know, in the order they stand: `spec.replicsa`,
 * `spec.ingress[0].sorce`. Open parts (`x-kubernetes-preserve-unknown-fields`) and maps know every name.
 */
export function unknownFields<R extends Resource>(kind: Kind<R>, value: unknown): string[] {
  const paths: string[] = [];
  walk(kind.schema, value, '', paths);
  return paths;
}

function walk(schema: SchemaNode, value: unknown, path: string, paths: string[]): void {
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items !== undefined) for (const [i, item] of value.entries()) walk(items, item, `${path}[${i}]`, paths);
    return;
  }
  if (!isObject(value)) return;
  const { properties, additionalProperties } = schema;
  for (const [name, part] of Object.entries(value)) {
    const inner = properties !== undefined && Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (inner !== undefined) walk(inner, part, fieldPath(path, name), paths);
    else if (additionalProperties !== undefined) walk(additionalProperties, part, keyPath(path, name), paths);
    else if (properties !== undefined && schema['x-kubernetes-preserve-unknown-fields'] !== true) {
      paths.push(fieldPath(path, name));
    }
  }
}
