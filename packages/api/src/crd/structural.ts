import { copyJson } from '../schema/defaults.ts';
import { isObject } from '../schema/node.ts';

/** JSON data of a schema as a CustomResourceDefinition holds it. */
export interface StructuralSchema {
  [keyword: string]: unknown;
}

/** What apiextensions.k8s.io/v1 JSONSchemaProps knows, in the order in which it is written. */
const KEYWORDS = [
  'description',
  'type',
  'format',
  'nullable',
  'default',
  'enum',
  'pattern',
  'minimum',
  'maximum',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'minProperties',
  'maxProperties',
  'required',
  'x-kubernetes-int-or-string',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-list-type',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-map-type',
  'x-kubernetes-validations',
] as const;

/**
 * A schema of ours in the structural form that CustomResourceDefinitions ask for: our own keywords, and those that only
 * Kubernetes' own kinds have, are taken out. A new object each time.
 */
export function structuralSchema(schema: object): StructuralSchema {
  const source: { readonly [keyword: string]: unknown } = { ...schema };
  const out: StructuralSchema = {};
  for (const keyword of KEYWORDS) if (source[keyword] !== undefined) out[keyword] = copyJson(source[keyword]);
  if (out['x-kubernetes-int-or-string'] === true) out.anyOf = [{ type: 'integer' }, { type: 'string' }];
  const { properties } = source;
  if (isObject(properties) && Object.keys(properties).length > 0) {
    const inner: StructuralSchema = {};
    for (const name of Object.keys(properties).sort()) {
      const part = properties[name];
      if (isObject(part)) inner[name] = structuralSchema(part);
    }
    out.properties = inner;
  }
  for (const keyword of ['items', 'additionalProperties'] as const) {
    const part = source[keyword];
    if (isObject(part)) out[keyword] = structuralSchema(part);
  }
  return out;
}
