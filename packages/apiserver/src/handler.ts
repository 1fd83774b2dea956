/** The API as a function from requests to responses: routing, authentication, errors. Knows no sockets. */
import { createHash } from 'node:crypto';
import { parseAccept } from './accept.ts';
import { OBJECT_TYPES, readBody } from './body.ts';
import { discover } from './discovery.ts';
import { isJsonObject } from './json.ts';
import { OPENAPI_V2_PROTOBUF, openApiDocument, openApiIndex, openApiV2, openApiV2Protobuf } from './openapi.ts';
import { parseResourcePath } from './request-info.ts';
import { handleResource, type ResourceBackend } from './resource-handler.ts';
import { errorResponse, jsonResponse, textResponse } from './response.ts';
import { ApiError, methodNotAllowed, unknownPath } from './status.ts';

/** Where the server tells what it does; pino fits. Tokens and bodies are never written to it. */
export interface ServerLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

const VERSION = {
  major: '1',
  minor: '32',
  gitVersion: 'v1.32.0',
  gitCommit: '',
  gitTreeState: 'clean',
  buildDate: '1970-01-01T00:00:00Z',
  goVersion: '',
  compiler: 'bun',
  platform: 'linux/amd64',
};

const HEALTH = new Set(['/healthz', '/livez', '/readyz']);
const REVIEWS = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
const RULES_REVIEWS = '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews';
const WHO_AM_I = '/apis/authentication.k8s.io/v1/selfsubjectreviews';

/** Answers a question that a client asks about itself: the object it sent, with the answer as its status. */
async function review(request: Request, status: unknown): Promise<Response> {
  if (request.method !== 'POST') throw methodNotAllowed();
  const { value } = await readBody(request, OBJECT_TYPES);
  return jsonResponse(201, { ...(isJsonObject(value) ? value : {}), status });
}

/** Makes the handler. `authenticate` gives the user of a request or throws a 401 ApiError. */
export function createHandler(
  backend: ResourceBackend,
  authenticate: (request: Request) => string,
  log: ServerLog,
): (request: Request) => Promise<Response> {
  let hashed: { readonly generation: number; readonly hash: string } | undefined;
  const hash = (): string => {
    const { generation } = backend.registry;
    if (hashed?.generation !== generation) {
      const text = JSON.stringify(openApiV2(backend.registry));
      hashed = { generation, hash: createHash('sha256').update(text).digest('hex').slice(0, 32) };
    }
    return hashed.hash;
  };

  function document(request: Request, path: string): Response | undefined {
    const { registry } = backend;
    if (path === '/openapi/v3') return jsonResponse(200, openApiIndex(registry, hash()));
    if (path === '/openapi/v2') {
      const [wanted] = parseAccept(request.headers.get('accept'));
      if (wanted?.type !== OPENAPI_V2_PROTOBUF) return jsonResponse(200, openApiV2(registry));
      // An @ is nothing that a media type may have: clients do not read the answer's under the name they asked by.
      return new Response(openApiV2Protobuf(), { headers: { 'content-type': OPENAPI_V2_PROTOBUF.replace('@', '.') } });
    }
    if (path.startsWith('/openapi/v3/')) {
      const found = openApiDocument(registry, path.slice('/openapi/v3/'.length));
      return found === undefined ? undefined : jsonResponse(200, found);
    }
    const found = discover(registry, path, request.headers.get('accept'));
    return found && jsonResponse(200, found.body, found.contentType);
  }

  async function route(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const path = url.pathname.length > 1 ? url.pathname.replace(/\/+$/, '') : url.pathname;
    if (HEALTH.has(path)) return textResponse(200, 'ok');
    if (path === '/version') return jsonResponse(200, VERSION);
    const user = authenticate(request);
    if (path === REVIEWS) return review(request, { allowed: true });
    if (path === RULES_REVIEWS) {
      const everything = { verbs: ['*'], apiGroups: ['*'], resources: ['*'] };
      return review(request, { resourceRules: [everything], nonResourceRules: [], incomplete: false });
    }
    if (path === WHO_AM_I) return review(request, { userInfo: { username: user, groups: ['system:authenticated'] } });
    if (request.method === 'GET' || request.method === 'HEAD') {
      const found = document(request, path);
      if (found !== undefined) return found;
    }
    const resource = parseResourcePath(path);
    if (resource === undefined) throw unknownPath();
    return handleResource(backend, request, resource, url.searchParams);
  }

  return async request => {
    try {
      return await route(request);
    } catch (cause) {
      if (!(cause instanceof ApiError)) {
        log.error({ err: cause, method: request.method, path: new URL(request.url).pathname }, 'Request failed');
      }
      return errorResponse(cause);
    }
  };
}
