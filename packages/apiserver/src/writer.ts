/** Create, update, patch and delete: what the server does to an object between the request and the store. */
import { type AnyResource, type Kind, printJson } from '@calico/api';
import type { Admission, AdmissionRequest } from './admission.ts';
import type { Entry, ObjectKey } from './collection.ts';
import { checkFields, checkObject, type FieldValidation } from './field-validation.ts';
import { isJsonObject } from './json.ts';
import { resourceName } from './kind-registry.ts';
import type { ManagedEntry } from './managed-fields/managers.ts';
import { applyConfiguration, type Recording, recordApply, recordUpdate } from './managed-fields/ownership.ts';
import {
  asObject,
  born,
  checkFinalizers,
  isFinished,
  printTime,
  sameObject,
  updated,
  withGeneration,
} from './object-lifecycle.ts';
import { alreadyExists, conflict, type ErrorSubject, forbidden, notFound } from './status.ts';
import type { Store, Transaction } from './store.ts';

/** What the writer needs from outside. */
export interface WriterEnvironment {
  readonly admissions: readonly Admission[];
  /** Milliseconds since the epoch. */
  wallTime(): number;
  newUid(): string;
  /** Five characters that end a generated name. */
  nameSuffix(): string;
}

/** Query parameters that every write takes. */
export interface WriteOptions {
  readonly dryRun: boolean;
  readonly fieldValidation: FieldValidation;
  /** Keys that the body gave twice. */
  readonly duplicates: readonly string[];
  /** Filled with what the client is told in Warning headers. */
  readonly warnings: string[];
  /** Who writes, as managedFields call it. */
  readonly manager: string;
}

/** Query parameters of server-side apply. */
export interface ApplyOptions extends WriteOptions {
  /** Take over fields that other managers own. */
  readonly force: boolean;
}

/** How one write changes a stored object, and whose the fields are then. */
interface Change {
  /** The object as the client wants it. */
  next(now: AnyResource): unknown;
  /** The object that will be stored, with its managedFields. `given` is what the client sent as such. */
  record(old: AnyResource, now: AnyResource, given: readonly unknown[] | undefined): AnyResource;
}

/** How a deletion is meant (meta/v1 DeleteOptions). */
export interface DeleteOptions {
  readonly dryRun: boolean;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
}

/** Writes without a client: controllers of the server itself. */
export const INTERNAL_WRITE: WriteOptions = {
  dryRun: false,
  fieldValidation: 'Ignore',
  duplicates: [],
  warnings: [],
  manager: 'apiserver',
};

/** Carries the result of a dry run out of a transaction that must not be kept. */
class DryRunResult extends Error {
  readonly entry: Entry;
  constructor(entry: Entry) {
    super('dry run');
    this.entry = entry;
  }
}

const DEFAULT_POD_GRACE_SECONDS = 30;
const FINALIZER_OF = { Foreground: 'foregroundDeletion', Orphan: 'orphan' } as const;

function numberField(value: unknown, field: string): number | undefined {
  const found = isJsonObject(value) ? value[field] : undefined;
  return typeof found === 'number' ? found : undefined;
}

/** The graceful part of a pod's deletion: its node confirms by deleting once more with a grace period of 0. */
function gracePeriod(object: AnyResource, wanted: number | undefined): number {
  if (object.kind !== 'Pod' || object.apiVersion !== 'v1') return 0;
  const spec = isJsonObject(object.spec) ? object.spec : {};
  const phase = isJsonObject(object.status) ? object.status.phase : undefined;
  const runs = typeof spec.nodeName === 'string' && spec.nodeName !== '' && phase !== 'Failed' && phase !== 'Succeeded';
  if (!runs) return 0;
  return wanted ?? numberField(spec, 'terminationGracePeriodSeconds') ?? DEFAULT_POD_GRACE_SECONDS;
}

/** Writes objects of every kind into a store. */
export class Writer {
  readonly #store: Store;
  readonly #environment: WriterEnvironment;

  constructor(store: Store, environment: WriterEnvironment) {
    this.#store = store;
    this.#environment = environment;
  }

  async #transact(dryRun: boolean, work: (tx: Transaction) => Entry): Promise<Entry> {
    try {
      return await this.#store.transact(tx => {
        const entry = work(tx);
        if (dryRun) throw new DryRunResult(entry);
        return entry;
      });
    } catch (cause) {
      if (cause instanceof DryRunResult) return this.#unwritten(cause.entry);
      throw cause;
    }
  }

  /** What a dry run answers: the object under the version that it still has, or none if it would be new. */
  #unwritten(entry: Entry): Entry {
    const { resourceVersion: _never, ...metadata } = entry.object.metadata;
    const stored = this.#store.get(entry)?.object.metadata.resourceVersion;
    const object: AnyResource = {
      ...entry.object,
      metadata: { ...metadata, ...(stored === undefined ? {} : { resourceVersion: stored }) },
    };
    return { ...entry, object, json: printJson(object) };
  }

  #admit(
    tx: Transaction,
    request: Omit<AdmissionRequest, 'get' | 'list' | 'warn'>,
    warnings: string[] = [],
  ): AnyResource {
    const { kind, old } = request;
    const view = {
      warn: (text: string) => warnings.push(text),
      get: (resource: string, namespace: string, name: string) => tx.get({ resource, namespace, name })?.object,
      list: (resource: string, namespace?: string) => tx.list(resource, namespace),
    };
    let object = request.object;
    for (const admission of this.#environment.admissions) {
      if (admission.mutate) object = admission.mutate({ ...request, ...view, object });
    }
    if (request.operation !== 'delete') checkObject(kind, object, old);
    for (const admission of this.#environment.admissions) admission.validate?.({ ...request, ...view, object });
    return object;
  }

  /** Stores a new object. Throws ApiError: 400, 403, 404 (no such namespace), 409 (exists), 422. */
  create(kind: Kind, namespace: string, body: unknown, options: WriteOptions): Promise<Entry> {
    return this.#transact(options.dryRun, tx => {
      const given = asObject(kind, body, namespace, undefined);
      const recording = this.#recording(kind, 'Update', undefined, options);
      return this.#insert(tx, kind, namespace, given, options, now =>
        recordUpdate(undefined, now, undefined, recording),
      );
    });
  }

  #recording(
    kind: Kind,
    operation: 'Apply' | 'Update',
    subresource: string | undefined,
    { manager: name }: WriteOptions,
  ): Recording {
    const manager = { name, operation, apiVersion: kind.apiVersion, subresource };
    return { kind, manager, time: printTime(this.#environment.wallTime()) };
  }

  #insert(
    tx: Transaction,
    kind: Kind,
    namespace: string,
    given: AnyResource,
    options: WriteOptions,
    record: (now: AnyResource) => AnyResource,
  ): Entry {
    checkFields(kind, given, undefined, options.duplicates, options.fieldValidation, options.warnings);
    const { generateName } = given.metadata;
    const generated = given.metadata.name === '' && generateName !== undefined && generateName !== '';
    const name = generated ? `${generateName.slice(0, 248)}${this.#environment.nameSuffix()}` : given.metadata.name;
    const key = { resource: resourceName(kind), namespace, name };
    const subject = { group: kind.group, plural: kind.plural, name };
    if (kind.namespaced) this.#checkNamespace(tx, namespace, subject);
    if (name !== '' && tx.get(key) !== undefined) throw alreadyExists(subject);
    const fresh = kind.default(
      born(kind, given, {
        name,
        namespace,
        uid: this.#environment.newUid(),
        time: printTime(this.#environment.wallTime()),
      }),
    );
    const request = { operation: 'create', subresource: undefined, kind, namespace, name, old: undefined } as const;
    return tx.put(key, record(this.#admit(tx, { ...request, object: fresh }, options.warnings)));
  }

  #checkNamespace(tx: Transaction, namespace: string, subject: ErrorSubject): void {
    const found = tx.get({ resource: '/namespaces', namespace: '', name: namespace });
    if (found === undefined) throw notFound({ group: '', plural: 'namespaces', name: namespace });
    if (found.object.metadata.deletionTimestamp === undefined) return;
    throw forbidden(subject, `unable to create new content in namespace ${namespace} because it is being terminated`, [
      {
        reason: 'NamespaceTerminating',
        message: `namespace ${namespace} is being terminated`,
        field: 'metadata.namespace',
      },
    ]);
  }

  /** Replaces an object, or its status. Throws ApiError: 400, 404, 409 (resourceVersion or uid differ), 422. */
  update(
    kind: Kind,
    key: ObjectKey,
    subresource: string | undefined,
    body: unknown,
    options: WriteOptions,
  ): Promise<Entry> {
    return this.#transact(options.dryRun, tx =>
      this.#replace(
        tx,
        kind,
        key,
        subresource,
        this.#change(kind, subresource, () => body, options),
        options,
      ),
    );
  }

  /** Changes an object by a function of its present state, under the same rules as an update. */
  patch(
    kind: Kind,
    key: ObjectKey,
    subresource: string | undefined,
    change: (now: AnyResource) => unknown,
    options: WriteOptions,
  ): Promise<Entry> {
    return this.#transact(options.dryRun, tx =>
      this.#replace(tx, kind, key, subresource, this.#change(kind, subresource, change, options), options),
    );
  }

  #change(
    kind: Kind,
    subresource: string | undefined,
    next: (now: AnyResource) => unknown,
    options: WriteOptions,
  ): Change {
    const recording = this.#recording(kind, 'Update', subresource, options);
    return { next, record: (old, now, given) => recordUpdate(old, now, given, recording) };
  }

  /**
   * Server-side apply: makes the object, or merges what the manager wants into it. `created` tells which. Throws ApiError:
   * 400, 403, 404 (a subresource of what is absent), 409 (other managers' fields), 422.
   */
  async apply(
    kind: Kind,
    key: ObjectKey,
    subresource: string | undefined,
    body: unknown,
    options: ApplyOptions,
  ): Promise<{ entry: Entry; created: boolean }> {
    let created = false;
    const entry = await this.#transact(options.dryRun, tx => {
      const config = asObject(kind, body, key.namespace, key.name);
      const recording = this.#recording(kind, 'Apply', subresource, options);
      created = subresource === undefined && tx.get(key) === undefined;
      if (created) {
        const { apiVersion, kind: name, metadata } = config;
        if (metadata.uid !== undefined && metadata.uid !== '') {
          throw conflict(
            { group: kind.group, plural: kind.plural, name: key.name },
            `uid mismatch: the provided object specified uid ${metadata.uid}, and no existing object was found`,
          );
        }
        const bare = { apiVersion, kind: name, metadata: { name: key.name } };
        const { object, managers } = applyConfiguration(bare, config, options.force, recording);
        const given = asObject(kind, object, key.namespace, key.name);
        return this.#insert(tx, kind, key.namespace, given, options, now => recordApply(now, managers));
      }
      let managers: readonly ManagedEntry[] = [];
      const change: Change = {
        next: now => {
          const applied = applyConfiguration(now, config, options.force, recording);
          managers = applied.managers;
          const { resourceVersion, uid } = config.metadata;
          const metadata = {
            ...applied.object.metadata,
            ...(resourceVersion === undefined ? {} : { resourceVersion }),
            ...(uid === undefined ? {} : { uid }),
          };
          return { ...applied.object, metadata };
        },
        record: (_old, now) => recordApply(now, managers),
      };
      return this.#replace(tx, kind, key, subresource, change, options);
    });
    return { entry, created };
  }

  #replace(
    tx: Transaction,
    kind: Kind,
    key: ObjectKey,
    subresource: string | undefined,
    change: Change,
    options: WriteOptions,
  ): Entry {
    const subject = { group: kind.group, plural: kind.plural, name: key.name };
    const stored = tx.get(key);
    if (stored === undefined) throw notFound(subject);
    // Versions of a custom kind differ in nothing but their name.
    const old = { ...stored.object, apiVersion: kind.apiVersion };
    const given = asObject(kind, change.next(old), key.namespace, key.name);
    checkFields(kind, given, old, options.duplicates, options.fieldValidation, options.warnings);
    const { resourceVersion, uid } = given.metadata;
    if (resourceVersion !== undefined && resourceVersion !== '' && resourceVersion !== old.metadata.resourceVersion) {
      throw conflict(subject);
    }
    if (uid !== undefined && uid !== '' && uid !== old.metadata.uid) {
      throw conflict(
        subject,
        `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.metadata.uid ?? ''}`,
      );
    }
    const defaulted = kind.default(updated(kind, old, given, subresource));
    checkFinalizers(kind, old, defaulted);
    const request = { operation: 'update', subresource, kind, namespace: key.namespace, name: key.name, old } as const;
    const admitted = withGeneration(kind, old, this.#admit(tx, { ...request, object: defaulted }, options.warnings));
    const next = change.record(old, admitted, given.metadata.managedFields);
    if (isFinished(next)) {
      tx.put(key, next);
      return tx.delete(key) ?? stored;
    }
    return sameObject(stored.object, { ...next, apiVersion: stored.object.apiVersion }) ? stored : tx.put(key, next);
  }

  /**
   * Deletes an object, or marks it as being deleted while finalizers, a pod's grace period or a namespace's content hold
   * it. `gone` tells which. Throws ApiError: 403, 404, 409 (preconditions).
   */
  async delete(kind: Kind, key: ObjectKey, options: DeleteOptions): Promise<{ entry: Entry; gone: boolean }> {
    let gone = false;
    const entry = await this.#transact(options.dryRun, tx => {
      const subject = { group: kind.group, plural: kind.plural, name: key.name };
      const stored = tx.get(key);
      if (stored === undefined) throw notFound(subject);
      const old = stored.object;
      this.#checkPreconditions(old, options, subject);
      const request = { operation: 'delete', subresource: undefined, kind, old, object: old } as const;
      this.#admit(tx, { ...request, namespace: key.namespace, name: key.name });
      const marked = this.#mark(old, options);
      gone = isFinished(marked);
      if (gone) return tx.delete(key) ?? stored;
      return sameObject(old, marked) ? stored : tx.put(key, marked);
    });
    return { entry, gone };
  }

  #checkPreconditions(old: AnyResource, options: DeleteOptions, subject: ErrorSubject): void {
    const { uid, resourceVersion } = options;
    if (uid !== undefined && uid !== old.metadata.uid) {
      throw conflict(
        subject,
        `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.metadata.uid ?? ''}`,
      );
    }
    if (resourceVersion !== undefined && resourceVersion !== old.metadata.resourceVersion) {
      throw conflict(
        subject,
        `Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${old.metadata.resourceVersion ?? ''}`,
      );
    }
  }

  #mark(old: AnyResource, options: DeleteOptions): AnyResource {
    const policy = options.propagationPolicy ?? 'Background';
    const finalizers = new Set(old.metadata.finalizers);
    if (policy !== 'Background') finalizers.add(FINALIZER_OF[policy]);
    const grace = gracePeriod(old, options.gracePeriodSeconds);
    const known = old.metadata.deletionGracePeriodSeconds;
    const marked: AnyResource = {
      ...old,
      metadata: {
        ...old.metadata,
        deletionTimestamp: old.metadata.deletionTimestamp ?? printTime(this.#environment.wallTime() + grace * 1000),
        deletionGracePeriodSeconds: known === undefined ? grace : Math.min(known, grace),
        ...(finalizers.size === 0 ? {} : { finalizers: [...finalizers] }),
      },
    };
    if (marked.kind !== 'Namespace' || marked.apiVersion !== 'v1') return marked;
    return { ...marked, status: { ...(isJsonObject(old.status) ? old.status : {}), phase: 'Terminating' } };
  }
}
