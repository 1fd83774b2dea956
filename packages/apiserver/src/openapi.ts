/**
 * OpenAPI v3 documents, one per group and version: what kubectl explains from, and where it sees that the server itself
 * validates fields. Source: Kubernetes documentation, "The Kubernetes API", OpenAPI V3.
 */
import { type Kind, type OpenApiSchema, openApiListSchema, openApiName, openApiSchema } from '@calico/api';
import type { JsonObject } from './json.ts';
import type { KindRegistry } from './kind-registry.ts';

const INFO = { title: 'Calico', version: 'v1.32.0' };
const reference = (name: string): OpenApiSchema => ({ $ref: `#/components/schemas/${name}` });

/** The schema of a kind and that of its list, by name. */
function kindSchemas(kind: Kind): [string, unknown][] {
  const name = openApiName(kind);
  const schema = { ...openApiSchema(kind), description: kind.description };
  return [
    [name, schema],
    [`${name}List`, openApiListSchema(kind, reference(name))],
  ];
}

const query = (name: string): unknown => ({ name, in: 'query', schema: { type: 'string', uniqueItems: true } });

function operation(kind: Kind, action: string, parameters: readonly string[]): unknown {
  const schema = reference(action === 'list' ? `${openApiName(kind)}List` : openApiName(kind));
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
    info: INFO,
    paths: Object.fromEntries(kinds.flatMap(kindPaths)),
    components: { schemas: Object.fromEntries(kinds.flatMap(kindSchemas)) },
  };
}

/** The older, single document, `/openapi/v2`. */
export function openApiV2(registry: KindRegistry): unknown {
  return {
    swagger: '2.0',
    info: INFO,
    paths: {},
    definitions: Object.fromEntries(
      registry.kinds.map(kind => [openApiName(kind), { ...openApiSchema(kind, 'v2'), description: kind.description }]),
    ),
  };
}

/** The form of the older document that kubectl asks for. */
export const OPENAPI_V2_PROTOBUF = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';

/**
 * The older document as protobuf (gnostic, openapi.v2.Document), without definitions: kubectl looks into it for kinds that no v3 document
 * has, and there are none.
 */
export function openApiV2Protobuf(): Uint8Array<ArrayBuffer> {
  // A field of the wire type for bytes: its tag, its length, which one byte holds, and the bytes.
  const field = (number: number, bytes: readonly number[]): number[] => [(number << 3) | 2, bytes.length, ...bytes];
  const text = (value: string): number[] => [...new TextEncoder().encode(value)];
  const info = [...field(1, text(INFO.title)), ...field(2, text(INFO.version))];
  const [swagger, paths] = [text('2.0'), []];
  return new Uint8Array([...field(1, swagger), ...field(2, info), ...field(8, paths)]);
}
