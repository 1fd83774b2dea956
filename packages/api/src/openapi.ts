import type { Kind } from './kind.ts';
import type { Resource } from './resource.ts';
import { copyJson } from './schema/defaults.ts';
import { isObject } from './schema/node.ts';

/** JSON data of an OpenAPI document. */
export interface OpenApiSchema {
  [keyword: string]: unknown;
}

/** Keywords that Swagger 2 lacks, or whose meaning kubectl takes from others there. */
const V3_ONLY = new Set(['nullable', 'anyOf', 'oneOf', 'default', 'x-kubernetes-validations']);

/**
 * The schema of a kind as OpenAPI publishes it: our own keywords taken out, the group, version and kind put in.
 * 'v2' is Swagger's form: an integer or string is `{type: string, format: int-or-string}` there. A new object each time.
 */
export function openApiSchema<R extends Resource>(kind: Kind<R>, version: 'v3' | 'v2' = 'v3'): OpenApiSchema {
  const schema = published(kind.schema, version);
  const { group, version: apiVersion, kind: name } = kind;
  schema['x-kubernetes-group-version-kind'] = [{ group, version: apiVersion, kind: name }];
  return schema;
}

/** The schema of a list of a kind. `item` is what stands for one of them: the schema itself or a `$ref`. */
export function openApiListSchema<R extends Resource>(kind: Kind<R>, item: OpenApiSchema): OpenApiSchema {
  return {
    type: 'object',
    description: `A list of ${kind.kind} objects.`,
    required: ['items'],
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: {
        type: 'object',
        properties: {
          resourceVersion: { type: 'string' },
          continue: { type: 'string' },
          remainingItemCount: { type: 'integer', format: 'int64' },
          selfLink: { type: 'string' },
        },
      },
      items: { type: 'array', items: item },
    },
    'x-kubernetes-group-version-kind': [{ group: kind.group, version: kind.version, kind: kind.listKind }],
  };
}

/** The name of a kind's component: `io.k8s.api.apps.v1.Deployment`, `org.projectcalico.v3.IPPool`. */
export function openApiName<R extends Resource>(kind: Kind<R>): string {
  const { group, version, kind: name } = kind;
  if (group === '') return `io.k8s.api.core.${version}.${name}`;
  if (!group.includes('.') || group.endsWith('.k8s.io')) return `io.k8s.api.${group.split('.')[0]}.${version}.${name}`;
  return `${group.split('.').reverse().join('.')}.${version}.${name}`;
}

function published(schema: object, version: 'v3' | 'v2'): OpenApiSchema {
  const out: OpenApiSchema = {};
  for (const [keyword, value] of Object.entries(schema)) {
    if (keyword.startsWith('x-calico-') || value === undefined) continue;
    if (version === 'v2' && V3_ONLY.has(keyword)) continue;
    if (keyword === 'properties' && isObject(value)) {
      const properties: OpenApiSchema = {};
      for (const [name, inner] of Object.entries(value))
        if (isObject(inner)) properties[name] = published(inner, version);
      if (Object.keys(properties).length > 0) out.properties = properties;
    } else if ((keyword === 'items' || keyword === 'additionalProperties') && isObject(value)) {
      out[keyword] = published(value, version);
    } else {
      out[keyword] = copyJson(value);
    }
  }
  if (out['x-kubernetes-int-or-string'] === true) {
    if (version === 'v2') {
      delete out['x-kubernetes-int-or-string'];
      out.type = 'string';
      out.format = 'int-or-string';
    } else {
      out.anyOf = [{ type: 'integer' }, { type: 'string' }];
    }
  }
  return out;
}
