/** Requests about objects: the verbs of the resource API over store, writer and watches. */
import { type Kind, printJson } from '@calico/api';
import { negotiate } from './accept.ts';
import { readApplyBody } from './apply-body.ts';
import { contentType, OBJECT_TYPES, readBody } from './body.ts';
import type { Entry, ObjectKey } from './collection.ts';
import { loadCel } from './custom-resources/cel/load.ts';
import { DEFINITIONS } from './custom-resources/definition-kind.ts';
import { parseDeleteOptions } from './delete-options.ts';
import type { FieldValidation } from './field-validation.ts';
import { parseFilter } from './filter.ts';
import { type KindRegistry, resourceName } from './kind-registry.ts';
import { checkReached, listPage, parseRevision } from './list.ts';
import { applyJsonPatch } from './patch/json-patch.ts';
import { applyMergePatch } from './patch/merge-patch.ts';
import { applyStrategicMergePatch } from './patch/strategic-merge-patch.ts';
import { printEntry, printList, type View } from './representation.ts';
import type { ResourcePath } from './request-info.ts';
import { jsonResponse, objectResponse, piecesResponse, streamResponse } from './response.ts';
import { fromScale, isScalable, toScale } from './scale.ts';
import {
  type ApiError,
  badRequest,
  deletedStatus,
  invalid,
  methodNotAllowed,
  notFound,
  unknownPath,
  unsupportedMediaType,
} from './status.ts';
import type { Store } from './store.ts';
import type { ServerClock, WatchHub } from './watch.ts';
import type { WriteOptions, Writer } from './writer.ts';

/** What resource requests are answered from. */
export interface ResourceBackend {
  readonly store: Store;
  readonly registry: KindRegistry;
  readonly writer: Writer;
  readonly watches: WatchHub;
  readonly clock: ServerClock;
}

const DEFAULT_WATCH_SECONDS = 45 * 60;
const JSON_PATCH = 'application/json-patch+json';
const MERGE_PATCH = 'application/merge-patch+json';
const STRATEGIC_PATCH = 'application/strategic-merge-patch+json';
const APPLY_TYPES = ['application/apply-patch+yaml', 'application/apply-patch+json'];
const PATCH_TYPES = [JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH];
const ALL_PATCH_TYPES = [...PATCH_TYPES, ...APPLY_TYPES];

function wholeNumber(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  if (!/^\d{1,9}$/.test(text)) throw badRequest(`${name} is ${JSON.stringify(text)}; allowed: a whole number`);
  return Number(text);
}

function flag(query: URLSearchParams, name: string): boolean {
  const text = query.get(name);
  if (text === null || text === 'false' || text === '0') return false;
  if (text === 'true' || text === '1' || text === '') return true;
  throw badRequest(`${name} is ${JSON.stringify(text)}; allowed: true, false`);
}

/** Reads `dryRun`. Throws a 400 ApiError for anything but `All`. */
export function parseDryRun(values: readonly string[]): boolean {
  const wrong = values.find(value => value !== 'All' && value !== '');
  if (wrong !== undefined) throw badRequest(`dryRun is ${JSON.stringify(wrong)}; allowed: All`);
  return values.includes('All');
}

function fieldValidation(query: URLSearchParams): FieldValidation {
  const text = query.get('fieldValidation') ?? 'Warn';
  if (text === 'Strict' || text === 'Warn' || text === 'Ignore') return text;
  if (text === '') return 'Warn';
  throw badRequest(`fieldValidation is ${JSON.stringify(text)}; allowed: Strict, Warn, Ignore`);
}

const MANAGER_LIMIT = 128;

/** Who writes: `fieldManager`, else the name that the client's user agent begins with. Throws a 400 ApiError. */
function fieldManager(request: Request, query: URLSearchParams): string {
  const given = query.get('fieldManager') ?? '';
  if (given.length > MANAGER_LIMIT || /[^\P{C}]/u.test(given)) {
    throw badRequest(
      `fieldManager is ${JSON.stringify(given.slice(0, 200))}; allowed: up to ${MANAGER_LIMIT} printable characters`,
    );
  }
  if (given !== '') return given;
  const agent = (request.headers.get('user-agent') ?? '').split('/')[0] ?? '';
  return agent.replace(/[^\P{C}]/gu, '').slice(0, MANAGER_LIMIT) || 'unknown';
}

function writeOptions(request: Request, query: URLSearchParams, duplicates: readonly string[]): WriteOptions {
  return {
    dryRun: parseDryRun(query.getAll('dryRun')),
    fieldValidation: fieldValidation(query),
    duplicates,
    warnings: [],
    manager: fieldManager(request, query),
  };
}

/** Server-side apply names its manager, always. */
function managerRequired(): ApiError {
  return invalid({ group: 'meta.k8s.io', kind: 'PatchOptions', name: '' }, [
    { reason: 'FieldValueRequired', message: 'Required value: is required for apply patch', field: 'fieldManager' },
  ]);
}

function viewOf(kind: Kind, request: Request, query: URLSearchParams): View {
  const form = negotiate(request.headers.get('accept'));
  const includeObject = query.get('includeObject') ?? 'Metadata';
  if (includeObject === 'None' || includeObject === 'Metadata' || includeObject === 'Object') {
    return { kind, form, includeObject };
  }
  throw badRequest(`includeObject is ${JSON.stringify(includeObject)}; allowed: None, Metadata, Object`);
}

/** One request about a resource. */
class ResourceRequest {
  readonly #backend: ResourceBackend;
  readonly #request: Request;
  readonly #kind: Kind;
  readonly #path: ResourcePath;
  readonly #query: URLSearchParams;
  readonly #view: View;

  constructor(backend: ResourceBackend, request: Request, kind: Kind, path: ResourcePath, query: URLSearchParams) {
    this.#backend = backend;
    this.#request = request;
    this.#kind = kind;
    this.#path = path;
    this.#query = query;
    this.#view = viewOf(kind, request, query);
  }

  answer(): Promise<Response> | Response {
    const { name, namespace } = this.#path;
    const { method } = this.#request;
    if (name === undefined) {
      if (method === 'GET') return flag(this.#query, 'watch') ? this.#watch() : this.#list();
      if (method === 'POST' && (namespace !== undefined || !this.#kind.namespaced)) return this.#create();
      if (method === 'DELETE') return this.#deleteCollection();
      throw methodNotAllowed();
    }
    if (this.#kind.namespaced && namespace === undefined) throw unknownPath();
    const key = { resource: resourceName(this.#kind), namespace: namespace ?? '', name };
    if (method === 'GET') return flag(this.#query, 'watch') ? this.#watch() : this.#get(key);
    if (method === 'PUT') return this.#update(key);
    if (method === 'PATCH') return this.#patch(key);
    if (method === 'DELETE' && this.#path.subresource === undefined) return this.#delete(key);
    throw methodNotAllowed();
  }

  #now(): number {
    return this.#backend.clock.wallTime();
  }

  #filter() {
    return parseFilter(this.#kind, {
      namespace: this.#path.namespace,
      name: this.#path.name,
      labelSelector: this.#query.get('labelSelector'),
      fieldSelector: this.#query.get('fieldSelector'),
    });
  }

  /** The Scale of an entry where that is the subresource asked for, else the entry in the wanted form. */
  #answer(code: number, entry: Entry, warnings: readonly string[] = []): Response {
    if (this.#path.subresource === 'scale') return objectResponse(code, printJson(toScale(entry.object)), warnings);
    return objectResponse(code, printEntry(this.#view, entry, this.#now()), warnings);
  }

  #get(key: ObjectKey): Response {
    const wanted = this.#query.get('resourceVersion') ?? '';
    if (wanted !== '') checkReached(this.#backend.store, parseRevision(wanted));
    const entry = this.#backend.store.get(key);
    if (entry === undefined) throw notFound({ group: this.#kind.group, plural: this.#kind.plural, name: key.name });
    return this.#answer(200, entry);
  }

  #list(): Response {
    const { entries, meta } = listPage(this.#backend.store, this.#kind, this.#filter(), {
      resourceVersion: this.#query.get('resourceVersion') ?? '',
      resourceVersionMatch: this.#query.get('resourceVersionMatch') ?? '',
      limit: wholeNumber(this.#query, 'limit') ?? 0,
      continue: this.#query.get('continue') ?? '',
    });
    return piecesResponse(200, printList(this.#view, entries, meta, this.#now()));
  }

  #watch(): Response {
    const query = this.#query;
    const version = query.get('resourceVersion') ?? '';
    const sendInitialEvents = flag(query, 'sendInitialEvents');
    const match = query.get('resourceVersionMatch') ?? '';
    if (query.has('sendInitialEvents') && match !== 'NotOlderThan') {
      throw badRequest('resourceVersionMatch must be NotOlderThan when sendInitialEvents is set');
    }
    if (sendInitialEvents && version !== '') checkReached(this.#backend.store, parseRevision(version));
    const latest = version === '' || version === '0';
    const skipInitial = query.has('sendInitialEvents') && !sendInitialEvents;
    const after = latest ? (skipInitial ? this.#backend.store.revision : undefined) : parseRevision(version);
    const timeout = wholeNumber(query, 'timeoutSeconds') ?? 0;
    const options = {
      after,
      bookmarks: flag(query, 'allowWatchBookmarks'),
      sendInitialEvents,
      timeoutMs: (timeout === 0 ? DEFAULT_WATCH_SECONDS : timeout) * 1000,
    };
    const filter = this.#filter();
    return streamResponse(this.#request.signal, (sink, signal) =>
      this.#backend.watches.open(this.#view, filter, options, sink, signal),
    );
  }

  async #create(): Promise<Response> {
    const body = await readBody(this.#request, OBJECT_TYPES);
    const options = writeOptions(this.#request, this.#query, body.duplicates);
    const namespace = this.#path.namespace ?? '';
    const entry = await this.#backend.writer.create(this.#kind, namespace, body.value, options);
    return objectResponse(201, printEntry(this.#view, entry, this.#now()), options.warnings);
  }

  async #update(key: ObjectKey): Promise<Response> {
    const body = await readBody(this.#request, OBJECT_TYPES);
    const options = writeOptions(this.#request, this.#query, body.duplicates);
    const { writer } = this.#backend;
    const { subresource } = this.#path;
    const entry =
      subresource === 'scale'
        ? await writer.patch(this.#kind, key, subresource, now => fromScale(now, body.value), options)
        : await writer.update(this.#kind, key, subresource, body.value, options);
    return this.#answer(200, entry, options.warnings);
  }

  async #patch(key: ObjectKey): Promise<Response> {
    const type = contentType(this.#request);
    if (APPLY_TYPES.includes(type)) return this.#apply(key);
    if (!PATCH_TYPES.includes(type)) {
      throw unsupportedMediaType(
        `the body of the request was in an unknown format - content type is "${type}"; accepted media types include: ${ALL_PATCH_TYPES.join(', ')}`,
      );
    }
    if (this.#query.has('force')) throw badRequest('force: Forbidden: may not be specified for non-apply patch');
    const { value, duplicates } = await readBody(this.#request, PATCH_TYPES);
    if (value === undefined) throw badRequest('the patch is empty');
    const options = writeOptions(this.#request, this.#query, duplicates);
    const { subresource } = this.#path;
    const apply = (now: unknown): unknown => {
      if (type === JSON_PATCH) return applyJsonPatch(now, value);
      if (type === MERGE_PATCH) return applyMergePatch(now, value);
      return applyStrategicMergePatch(now, value, subresource === 'scale' ? {} : this.#kind.schema);
    };
    const entry = await this.#backend.writer.patch(
      this.#kind,
      key,
      subresource,
      now => (subresource === 'scale' ? fromScale(now, apply(toScale(now))) : apply(now)),
      options,
    );
    return this.#answer(200, entry, options.warnings);
  }

  async #apply(key: ObjectKey): Promise<Response> {
    if (this.#path.subresource === 'scale') {
      throw unsupportedMediaType(
        'the scale subresource cannot be applied; apply the object itself, or patch its scale',
      );
    }
    if ((this.#query.get('fieldManager') ?? '') === '') throw managerRequired();
    const { value, duplicates } = await readApplyBody(this.#request);
    const options = {
      ...writeOptions(this.#request, this.#query, duplicates),
      force: flag(this.#query, 'force'),
    };
    const { subresource } = this.#path;
    const { entry, created } = await this.#backend.writer.apply(this.#kind, key, subresource, value, options);
    return this.#answer(created ? 201 : 200, entry, options.warnings);
  }

  async #delete(key: ObjectKey): Promise<Response> {
    const body = await readBody(this.#request, OBJECT_TYPES);
    const options = parseDeleteOptions(body.value, this.#query);
    const { entry, gone } = await this.#backend.writer.delete(this.#kind, key, options);
    if (!gone) return objectResponse(200, printEntry(this.#view, entry, this.#now()));
    const subject = { group: this.#kind.group, plural: this.#kind.plural, name: key.name };
    return jsonResponse(200, deletedStatus(subject, entry.object.metadata.uid));
  }

  async #deleteCollection(): Promise<Response> {
    const body = await readBody(this.#request, OBJECT_TYPES);
    const options = parseDeleteOptions(body.value, this.#query);
    const filter = this.#filter();
    const { store, writer } = this.#backend;
    const chosen = store.list(resourceName(this.#kind), filter.namespace).filter(entry => filter.matches(entry.object));
    const outcomes = await Promise.allSettled(chosen.map(entry => writer.delete(this.#kind, entry, options)));
    const failure = outcomes.find(o => o.status === 'rejected');
    if (failure !== undefined) throw failure.reason;
    const meta = { resourceVersion: String(store.revision) };
    return piecesResponse(200, printList(this.#view, chosen, meta, this.#now()));
  }
}

/** Answers a request about a resource. Throws (or rejects with) ApiError. */
export async function handleResource(
  backend: ResourceBackend,
  request: Request,
  path: ResourcePath,
  query: URLSearchParams,
): Promise<Response> {
  const kind = backend.registry.byPath(path.group, path.version, path.plural);
  if (kind === undefined || (path.namespace !== undefined && !kind.namespaced)) throw unknownPath();
  if (path.subresource !== undefined) {
    const isScale = path.subresource === 'scale' && isScalable(kind);
    const isStatus = path.subresource === 'status' && kind.statusSubresource;
    const isFinalize = path.subresource === 'finalize' && kind.kind === 'Namespace';
    if (!isStatus && !isFinalize && !isScale) throw unknownPath();
  }
  if (resourceName(kind) === DEFINITIONS && request.method !== 'GET') await loadCel();
  return await new ResourceRequest(backend, request, kind, path, query).answer();
}
