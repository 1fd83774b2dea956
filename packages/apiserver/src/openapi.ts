/**
 * OpenAPI v3 documents, one per group and version: what kubectl explains from, and where it sees that the server itself
 * validates fields. Source: Kubernetes documentation, "The Kubernetes API", OpenAPI V3.
 */
import type { Kind } from '@calico/api';
import { isJsonObject, type JsonObject } from './json.ts';
import type { KindRegistry } from './kind-registry.ts';

const INT_OR_STRING = 'x-kubernetes-int-or-string';

/** The name of a kind's schema: the group reversed, as Kubernetes names models. */
function modelName(kind: Kind): string {
  const group = kind.group === '' ? 'core' : kind.group;
  return `${group.split('.').reverse().join('.')}.${kind.version}.${kind.kind}`;
}

/** A JSON schema in the form that OpenAPI clients read: without our own keywords, int-or-string spelled out. */
function publish(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(publish);
  if (!isJsonObject(schema)) return schema;
  const result: JsonObject = {};
  for (const [key, value] of Object.entries(schema)) {
    if (key.startsWith('x-calico-') || key.startsWith('~')) continue;
    if (key === 'properties' && isJsonObject(value)) {
      result[key] = Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, publish(inner)]));
    } else if (['default', 'enum', 'required', 'const'].includes(key)) result[key] = value;
    else result[key] = publish(value);
  }
  if (schema[INT_OR_STRING] === true && result.type === undefined)
    result.oneOf = [{ type: 'integer' }, { type: 'string' }];
  return result;
}

function kindSchema(kind: Kind): unknown {
  const schema = publish(kind.schema);
  if (!isJsonObject(schema)) return schema;
  return {
    ...schema,
    description: kind.description,
    'x-kubernetes-group-version-kind': [{ group: kind.group, version: kind.version, kind: kind.kind }],
  };
}

const query = (name: string): unknown => ({ name, in: 'query', schema: { type: 'string', uniqueItems: true } });

function operation(kind: Kind, action: string, parameters: readonly string[]): unknown {
  const schema = { $ref: `#/components/schemas/${modelName(kind)}` };
  return {
    tags: [kind.plural],
    operationId: `${action}${kind.kind}`,
    parameters: parameters.map(query),
    responses: { '200': { description: 'OK', content: { 'application/json': { schema } } } },
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': { group: kind.group, version: kind.version, kind: kind.kind },
  };
}

function kindPaths(kind: Kind): [string, unknown][] {
  const root = kind.group === '' ? `/api/${kind.version}` : `/apis/${kind.apiVersion}`;
  const collection = `${root}/${kind.namespaced ? 'namespaces/{namespace}/' : ''}${kind.plural}`;
  const write = ['dryRun', 'fieldManager', 'fieldValidation'];
  const select = ['labelSelector', 'fieldSelector', 'limit', 'continue', 'resourceVersion', 'watch'];
  return [
    [
      collection,
      {
        get: operation(kind, 'list', select),
        post: operation(kind, 'post', write),
        delete: operation(kind, 'deletecollection', ['dryRun', ...select]),
      },
    ],
    [
      `${collection}/{name}`,
      {
        get: operation(kind, 'get', ['resourceVersion']),
        put: operation(kind, 'put', write),
        patch: operation(kind, 'patch', write),
        delete: operation(kind, 'delete', ['dryRun', 'gracePeriodSeconds', 'propagationPolicy']),
      },
    ],
  ];
}

/** The index of documents, `/openapi/v3`. `hash` changes whenever a document may. */
export function openApiIndex(registry: KindRegistry, hash: string): unknown {
  const paths: JsonObject = {};
  for (const group of registry.groups) {
    for (const version of group.versions) {
      const path = group.name === '' ? `api/${version}` : `apis/${group.name}/${version}`;
      paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` };
    }
  }
  return { paths };
}

/** The document of one group and version, `/openapi/v3/api/v1` or `/openapi/v3/apis/<group>/<version>`. */
export function openApiDocument(registry: KindRegistry, path: string): unknown {
  const [root, first, second, ...rest] = path.split('/');
  const [group, version] = root === 'api' ? ['', first] : [first, second];
  if ((root !== 'api' && root !== 'apis') || (root === 'api' ? second !== undefined : rest.length > 0))
    return undefined;
  const kinds = registry.inVersion(group ?? '', version ?? '');
  if (kinds.length === 0) return undefined;
  return {
    openapi: '3.0.0',
    info: { title: 'Calico', version: 'v1.32.0' },
    paths: Object.fromEntries(kinds.flatMap(kindPaths)),
    components: { schemas: Object.fromEntries(kinds.map(kind => [modelName(kind), kindSchema(kind)])) },
  };
}

/** The older, single document, `/openapi/v2`. */
export function openApiV2(registry: KindRegistry): unknown {
  return {
    swagger: '2.0',
    info: { title: 'Calico', version: 'v1.32.0' },
    paths: {},
    definitions: Object.fromEntries(registry.kinds.map(kind => [modelName(kind), kindSchema(kind)])),
  };
}
