import { type Kind, printFieldError, type Resource } from '@calico/api';
import { type Clock, type Random, randomInt, seededRandom } from '@calico/reconcile';
import {
  type Client,
  type DeleteOptions,
  keyOf,
  type ListResult,
  type ObjectKey,
  type PatchOptions,
  type Selection,
  type TakePage,
  type WatchOptions,
  type WatchStream,
} from '../client.ts';
import { DatastoreError, type DatastoreErrorCode, printResource } from '../error.ts';
import { selectionTest } from '../selection-test.ts';
import { EventQueue } from './event-queue.ts';
import { applyPatch, jsonEquals, PatchError } from './patch.ts';
import { collectionOf, eventOf, MemoryStore } from './store.ts';

/** The operations that can be made to fail. */
export type MemoryOperation = 'get' | 'list' | 'create' | 'update' | 'updateStatus' | 'patch' | 'delete' | 'watch';

/** What a memoryClient needs of the world. */
export interface MemoryOptions {
  /** For creation times; without it they are all 1970. */
  readonly clock?: Pick<Clock, 'wallTime'>;
  /** For uids and generated names; seeded when absent, so every run gives the same. */
  readonly random?: Random;
}

/** A failure that `failNext` puts in the way. */
export interface InjectedFailure {
  readonly code: DatastoreErrorCode;
  readonly reason?: string;
  /** True: the write is done, and only its answer lost. */
  readonly done?: boolean;
}

/** Kinds whose creator may give the status, as kubelets do for their node. */
const STATUS_AT_CREATION = new Set(['Node']);

/** A Client that keeps everything in this process, with what tests need to make trouble. */
export class MemoryClient implements Client {
  readonly #store = new MemoryStore();
  readonly #clock: Pick<Clock, 'wallTime'>;
  readonly #random: Random;
  readonly #failures: {
    readonly op: MemoryOperation;
    readonly kind: string | undefined;
    readonly failure: InjectedFailure;
  }[] = [];
  readonly #watches = new Set<EventQueue<Resource>>();

  constructor(options: MemoryOptions) {
    this.#clock = options.clock ?? { wallTime: () => 0 };
    this.#random = options.random ?? seededRandom(1);
  }

  /** Makes the next call of an operation fail, of any kind or of one. */
  failNext(op: MemoryOperation, failure: InjectedFailure, kind?: Pick<Kind, 'kind'>): void {
    this.#failures.push({ op, kind: kind?.kind, failure });
  }

  /** Forgets history: watches from before now are Gone. */
  compact(): void {
    this.#store.compact();
  }

  /** Ends all watches as a server does that restarts, or with an error. */
  endWatches(error?: DatastoreError): void {
    for (const watch of [...this.#watches]) {
      if (error === undefined) watch.end();
      else watch.fail(error);
    }
  }

  /** Sends a bookmark to every watch. */
  bookmark(): void {
    const resourceVersion = String(this.#store.revision);
    for (const watch of this.#watches) watch.push({ type: 'BOOKMARK', resourceVersion });
  }

  /** How many watches are open. */
  get watches(): number {
    return this.#watches.size;
  }

  async get<R extends Resource>(kind: Kind<R>, key: ObjectKey): Promise<R> {
    this.#fail('get', kind, key);
    return structuredClone(this.#existing('get', kind, key));
  }

  async list<R extends Resource>(kind: Kind<R>, selection: Selection = {}): Promise<ListResult<R>> {
    this.#fail('list', kind, everything(selection));
    const matches = selectionTest(kind, selection, 'list');
    const items = this.#store.all(generic(kind)).filter(matches) as R[];
    return { items: structuredClone(items), resourceVersion: String(this.#store.revision) };
  }

  async listPages<R extends Resource>(kind: Kind<R>, selection: Selection, take: TakePage<R>): Promise<string> {
    const { items, resourceVersion } = await this.list(kind, selection);
    await take(items, true);
    return resourceVersion;
  }

  async create<R extends Resource>(kind: Kind<R>, resource: R): Promise<R> {
    const op = 'create';
    const next = structuredClone(resource);
    const { metadata } = next;
    if (!metadata.name && metadata.generateName) metadata.name = metadata.generateName + this.#suffix();
    const key = keyOf(next);
    const failure = this.#fail(op, kind, key);
    if (!metadata.name) throw refuse('Invalid', op, kind, key, 'metadata.name is empty; allowed: a name');
    if (kind.namespaced && !metadata.namespace) {
      throw refuse('Invalid', op, kind, key, 'metadata.namespace is empty; allowed: a namespace');
    }
    if (metadata.resourceVersion) {
      throw refuse('Invalid', op, kind, key, 'metadata.resourceVersion is set; allowed: nothing, when creating');
    }
    if (this.#store.get(generic(kind), key) !== undefined)
      throw refuse('AlreadyExists', op, kind, key, 'it exists already');
    if (!kind.namespaced) delete metadata.namespace;
    metadata.uid = this.#uid();
    metadata.creationTimestamp = `${new Date(this.#clock.wallTime()).toISOString().slice(0, 19)}Z`;
    metadata.generation = 1;
    if (kind.statusSubresource && !STATUS_AT_CREATION.has(kind.kind)) delete next.status;
    return this.#commit(op, kind, next, undefined, failure);
  }

  async update<R extends Resource>(kind: Kind<R>, resource: R): Promise<R> {
    const failure = this.#fail('update', kind, keyOf(resource));
    const old = this.#existing('update', kind, keyOf(resource));
    return this.#replace('update', kind, structuredClone(resource), old, failure);
  }

  async updateStatus<R extends Resource>(kind: Kind<R>, resource: R): Promise<R> {
    const failure = this.#fail('updateStatus', kind, keyOf(resource));
    const old = this.#existing('updateStatus', kind, keyOf(resource));
    return this.#replaceStatus('updateStatus', kind, structuredClone(resource), old, failure);
  }

  async patch<R extends Resource>(kind: Kind<R>, key: ObjectKey, patch: unknown, options: PatchOptions): Promise<R> {
    const op = 'patch';
    const failure = this.#fail(op, kind, key);
    const old = this.#existing(op, kind, key);
    if (options.type === 'strategic' && kind.group.includes('projectcalico.org')) {
      throw refuse('Invalid', op, kind, key, 'the patch is strategic; allowed for this kind: merge, json');
    }
    let next: R;
    try {
      next = applyPatch(options.type, structuredClone(old), patch, kind.schema) as R;
    } catch (err) {
      if (err instanceof PatchError) throw refuse('Invalid', op, kind, key, err.message);
      throw err;
    }
    return options.subresource === 'status'
      ? this.#replaceStatus(op, kind, next, old, failure)
      : this.#replace(op, kind, next, old, failure);
  }

  async delete<R extends Resource>(kind: Kind<R>, key: ObjectKey, preconditions: DeleteOptions = {}): Promise<void> {
    const op = 'delete';
    const failure = this.#fail(op, kind, key);
    const { metadata } = this.#existing(op, kind, key);
    const { uid, resourceVersion } = preconditions;
    if (uid !== undefined && uid !== metadata.uid) {
      throw refuse('NotFound', op, kind, key, `precondition failed: uid is ${metadata.uid}, asked for ${uid}`);
    }
    if (resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion) {
      const reason = `precondition failed: resourceVersion is ${metadata.resourceVersion}, asked for ${resourceVersion}`;
      throw refuse('Conflict', op, kind, key, reason);
    }
    this.#store.commit(generic(kind), key, undefined);
    this.#lose(op, kind, key, failure);
  }

  watch<R extends Resource>(kind: Kind<R>, options: WatchOptions): WatchStream<R> {
    const { signal, resourceVersion } = options;
    const queue = new EventQueue<R>(() => {
      this.#watches.delete(generalQueue);
      unsubscribe();
      signal.removeEventListener('abort', end);
    });
    const generalQueue = queue as unknown as EventQueue<Resource>;
    const end = (): void => queue.end();
    let unsubscribe: () => void = () => {};
    if (signal.aborted) {
      queue.end();
      return queue;
    }
    try {
      this.#fail('watch', kind, everything(options));
      const matches = selectionTest(kind, options, 'watch');
      const collection = collectionOf(kind);
      const initial = resourceVersion === '' || resourceVersion === '0';
      const missed = this.#store.since(initial ? this.#store.revision : Number(resourceVersion));
      if (missed === undefined) {
        throw refuse('Gone', 'watch', kind, everything(options), `too old resource version: ${resourceVersion}`);
      }
      if (initial) {
        for (const resource of this.#store.all(generic(kind)).filter(matches)) {
          generalQueue.push({ type: 'ADDED', object: structuredClone(resource) });
        }
      }
      const take = (change: (typeof missed)[number]): void => {
        const event = change.collection === collection ? eventOf(change, matches) : undefined;
        if (event !== undefined) generalQueue.push(event);
      };
      if (!initial) generalQueue.push({ type: 'BOOKMARK', resourceVersion });
      missed.forEach(take);
      unsubscribe = this.#store.subscribe(take);
      this.#watches.add(generalQueue);
      signal.addEventListener('abort', end, { once: true });
    } catch (err) {
      queue.fail(err);
    }
    return queue;
  }

  #existing<R extends Resource>(op: string, kind: Kind<R>, key: ObjectKey): R {
    const found = this.#store.get(generic(kind), key);
    if (found === undefined) throw refuse('NotFound', op, kind, key, 'it does not exist');
    return found as R;
  }

  #replace<R extends Resource>(op: string, kind: Kind<R>, next: R, old: R, failure: InjectedFailure | undefined): R {
    checkVersion(op, kind, next, old);
    if (kind.statusSubresource) keep(next, old, 'status');
    return this.#commit(op, kind, next, old, failure);
  }

  #replaceStatus<R extends Resource>(
    op: string,
    kind: Kind<R>,
    next: R,
    old: R,
    failure: InjectedFailure | undefined,
  ): R {
    checkVersion(op, kind, next, old);
    const target = structuredClone(old);
    if (next.status === undefined) delete target.status;
    else target.status = next.status;
    // Of Kubernetes' own kinds the status subresource takes labels and annotations too; the CNI plugin lives on it.
    if (!kind.group.includes('projectcalico.org')) {
      const { labels, annotations } = next.metadata;
      delete target.metadata.labels;
      delete target.metadata.annotations;
      if (labels !== undefined) target.metadata.labels = labels;
      if (annotations !== undefined) target.metadata.annotations = annotations;
    }
    return this.#commit(op, kind, target, old, failure);
  }

  /** Defaults, validates and stores. An update that changes nothing keeps its version. */
  #commit<R extends Resource>(
    op: string,
    kind: Kind<R>,
    given: R,
    old: R | undefined,
    failure: InjectedFailure | undefined,
  ): R {
    const next = kind.default(given);
    const key = keyOf(next);
    if (old !== undefined) {
      const { uid, creationTimestamp, generation, resourceVersion } = old.metadata;
      Object.assign(next.metadata, { uid, creationTimestamp, generation, resourceVersion });
    }
    const errors = kind.validate(next, old);
    if (errors.length > 0) throw refuse('Invalid', op, kind, key, errors.map(printFieldError).join('; '));
    if (old === undefined || !jsonEquals(next, old)) {
      if (old !== undefined && !jsonEquals(next.spec, old.spec))
        next.metadata.generation = (old.metadata.generation ?? 0) + 1;
      next.metadata.resourceVersion = String(this.#store.nextRevision);
      this.#store.commit(generic(kind), key, structuredClone(next));
    }
    this.#lose(op, kind, key, failure);
    return next;
  }

  /** Takes the failure that is next for this call; throws it, unless the call is to be done first. */
  #fail(op: MemoryOperation, kind: Pick<Kind, 'kind'>, key: ObjectKey): InjectedFailure | undefined {
    const at = this.#failures.findIndex(next => next.op === op && (next.kind === undefined || next.kind === kind.kind));
    const [found] = at < 0 ? [] : this.#failures.splice(at, 1);
    if (found === undefined || found.failure.done === true) return found?.failure;
    throw refuse(found.failure.code, op, kind, key, found.failure.reason ?? 'made to fail');
  }

  #lose(op: string, kind: Pick<Kind, 'kind'>, key: ObjectKey, failure: InjectedFailure | undefined): void {
    if (failure === undefined) return;
    const { code, reason = 'the answer was lost' } = failure;
    throw new DatastoreError({ code, op, resource: nameOf(kind, key), reason, outcomeUnknown: true });
  }

  #uid(): string {
    const digits = Array.from({ length: 32 }, () => randomInt(this.#random, 16).toString(16)).join('');
    const variant = '89ab'[randomInt(this.#random, 4)] ?? '8';
    return [
      digits.slice(0, 8),
      digits.slice(8, 12),
      `4${digits.slice(13, 16)}`,
      variant + digits.slice(17, 20),
      digits.slice(20),
    ].join('-');
  }

  #suffix(): string {
    const letters = 'bcdfghjklmnpqrstvwxz2456789';
    return Array.from({ length: 5 }, () => letters[randomInt(this.#random, letters.length)]).join('');
  }
}

/** A kind of any resource: the store does not look into objects. */
function generic<R extends Resource>(kind: Kind<R>): Kind {
  return kind as unknown as Kind;
}

function keep<R extends Resource>(next: R, old: R, field: 'status'): void {
  if (old[field] === undefined) delete next[field];
  else next[field] = structuredClone(old[field]);
}

function checkVersion<R extends Resource>(op: string, kind: Kind<R>, next: R, old: R): void {
  const { uid, resourceVersion } = next.metadata;
  if (uid !== undefined && uid !== '' && uid !== old.metadata.uid) {
    throw refuse('NotFound', op, kind, keyOf(old), `precondition failed: uid is ${old.metadata.uid}, asked for ${uid}`);
  }
  if (resourceVersion && resourceVersion !== old.metadata.resourceVersion) {
    const reason = `it has been changed: resourceVersion is ${old.metadata.resourceVersion}, asked for ${resourceVersion}`;
    throw refuse('Conflict', op, kind, keyOf(old), reason);
  }
}

function everything(selection: Selection): ObjectKey {
  return selection.namespace === undefined ? { name: '*' } : { name: '*', namespace: selection.namespace };
}

function nameOf(kind: Pick<Kind, 'kind'>, key: ObjectKey): string {
  return printResource(kind.kind, key.namespace, key.name);
}

function refuse(
  code: DatastoreErrorCode,
  op: string,
  kind: Pick<Kind, 'kind'>,
  key: ObjectKey,
  reason: string,
): DatastoreError {
  return new DatastoreError({ code, op, resource: nameOf(kind, key), reason });
}

/** A new empty store in this process. */
export function memoryClient(options: MemoryOptions = {}): MemoryClient {
  return new MemoryClient(options);
}
