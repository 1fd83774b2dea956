import { type Kind, printFieldError, type Resource } from '@calico/api';
import { backoff, type Clock, type Random } from '@calico/reconcile';
import {
  type Client,
  type DeleteOptions,
  keyOf,
  type ListResult,
  type ObjectKey,
  type PatchOptions,
  printKey,
  type Selection,
  type TakePage,
  type WatchOptions,
  type WatchStream,
} from '../client.ts';
import { DatastoreError, type DatastoreErrorCode, isGone, printResource } from '../error.ts';
import { processClock, processRandom } from '../kubernetes/system-time.ts';
import { applyPatch, PatchError } from '../memory/patch.ts';
import type { Log } from '../reflector.ts';
import { selectionTest } from '../selection-test.ts';
import { randomUid } from '../uid.ts';
import type { Write, WriteRule } from '../write-rules.ts';
import type { EtcdConfig } from './config.ts';
import { Connection } from './connection.ts';
import type { KeyRange } from './key-range.ts';
import { layoutOf } from './layouts.ts';
import { calls, type KeyValue } from './messages.ts';
import { decodeRecord, encodeRecord, type Held } from './record.ts';
import type { Operation } from './status-error.ts';
import { absent, EtcdStore, unchanged } from './store.ts';
import { EtcdValues } from './values.ts';
import { EtcdWatch, failedWatch } from './watch-stream.ts';

/** What an etcdClient can be told beside the endpoints. */
export interface EtcdClientOptions {
  readonly clock?: Clock;
  /** For uids, delays and which endpoint is used first. */
  readonly random?: Random;
  /** For one answer, and for a connection, in ms; 10 s. */
  readonly requestTimeoutMs?: number;
  /** Objects per page of a list; 500. */
  readonly pageSize?: number;
  /** How often a read is tried again after trouble on the way; 3. Writes never are. */
  readonly readRetries?: number;
  /** How often a watch asks whether the server is still there, in ms; 10 s. */
  readonly watchProgressMs?: number;
  /** A watch on which nothing came for this long, not even that answer, is ended; 30 s. */
  readonly watchSilenceMs?: number;
  /** Told of values that cannot be read; lists and watches leave them out. */
  readonly log?: Log;
  /** What has to hold for writes beside the objects themselves, such as calicoWriteRules; nothing. */
  readonly rules?: readonly WriteRule[];
}

/** How often a write that names no version is tried anew when others write at the same time, and how far apart; ms. */
const ATTEMPTS = 20;
const CONTENTION_DELAYS = { base: 2, max: 200, jitter: 1 };

interface Found<R> {
  readonly record: KeyValue;
  readonly resource: R;
}

/** What a write asks of the object as it is. */
interface Preconditions {
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
}

/**
 * A Client of etcd v3, with Calico's keys and values. There is no server that knows kinds, so defaults and validation are done
 * here, and an update of the status is an update.
 */
export class EtcdClient implements Client {
  /** Keys that are no resources. */
  readonly values: EtcdValues;
  readonly #connection: Connection;
  readonly #store: EtcdStore;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #pageSize: number;
  readonly #progressMs: number;
  readonly #silenceMs: number;
  readonly #log: Log | undefined;
  readonly #rules: ReadonlyMap<string, WriteRule>;

  constructor(config: EtcdConfig, options: EtcdClientOptions) {
    this.#clock = options.clock ?? processClock;
    this.#random = options.random ?? processRandom;
    this.#connection = new Connection(config, this.#clock, this.#random, options.requestTimeoutMs ?? 10_000);
    this.#store = new EtcdStore(this.#connection, this.#clock, this.#random, options.readRetries ?? 3);
    this.values = new EtcdValues(this.#connection, this.#store, this.#random);
    this.#pageSize = options.pageSize ?? 500;
    this.#progressMs = options.watchProgressMs ?? 10_000;
    this.#silenceMs = options.watchSilenceMs ?? 30_000;
    this.#log = options.log;
    this.#rules = new Map((options.rules ?? []).map(rule => [rule.kind.kind, rule]));
  }

  /** Ends the connections after what is under way on them. A later use connects anew. */
  close(): void {
    this.#connection.close();
  }

  /** Has etcd forget the history before a version: watches and lists of older versions are Gone. */
  async compact(resourceVersion: string): Promise<void> {
    const operation = { op: 'compact', resource: 'etcd', write: true };
    await this.#connection.call(operation, calls.compact, { revision: Number(resourceVersion) });
  }

  async get<R extends Resource>(kind: Kind<R>, key: ObjectKey): Promise<R> {
    const operation = operationOn('get', kind, key);
    return (await this.#existing(operation, this.#held(operation, kind), key)).resource;
  }

  async list<R extends Resource>(kind: Kind<R>, selection: Selection = {}): Promise<ListResult<R>> {
    const operation = operationOn('list', kind, { ...selection, name: '*' });
    const held = this.#held(operation, kind);
    const matches = selectionTest(kind, selection, 'list');
    for (let limit = this.#pageSize; ; limit = 0) {
      try {
        const items: R[] = [];
        const revision = await this.#pages(operation, held.layout.range(selection.namespace), limit, record => {
          const item = this.#readable(held, record);
          if (item !== undefined && matches(item)) items.push(item);
        });
        return { items: items.sort(byKey), resourceVersion: String(revision) };
      } catch (err) {
        // The state that the pages showed is no longer kept: the next try takes everything in one answer.
        if (!isGone(err) || limit === 0) throw err;
      }
    }
  }

  async listPages<R extends Resource>(kind: Kind<R>, selection: Selection, take: TakePage<R>): Promise<string> {
    const { items, resourceVersion } = await this.list(kind, selection);
    await take(items, true);
    return resourceVersion;
  }

  async create<R extends Resource>(kind: Kind<R>, resource: R): Promise<R> {
    const key = keyOf(resource);
    const operation = operationOn('create', kind, key, true);
    const held = this.#held(operation, kind);
    const { name, resourceVersion } = resource.metadata;
    if (!name) throw refuse(operation, 'Invalid', 'metadata.name is empty; allowed: a name');
    if (kind.namespaced && !key.namespace) {
      throw refuse(operation, 'Invalid', 'metadata.namespace is empty; allowed: a namespace');
    }
    if (resourceVersion) {
      const reason = `metadata.resourceVersion is "${resourceVersion}"; allowed: none, when creating`;
      throw refuse(operation, 'Invalid', reason);
    }
    const given = this.#prepared(kind, structuredClone(resource));
    given.metadata.uid = randomUid(this.#random);
    given.metadata.creationTimestamp = `${new Date(this.#clock.wallTime()).toISOString().slice(0, 19)}Z`;
    const next = validated(operation, kind, given, undefined);
    const place = held.layout.place(next);
    const value = encodeRecord(held, next, place);
    checkName(operation, held, place, value, key);
    await this.#check(kind, { op: 'create', object: next, old: undefined, deletes: false });
    const taken = new Set([place, ...held.layout.places(key)]);
    const { succeeded, header } = await this.#store.txn(operation, [...taken].map(absent), [
      { put: { key: place, value } },
    ]);
    if (!succeeded) throw refuse(operation, 'AlreadyExists', 'it exists already');
    const revision = header?.revision ?? 0;
    return this.#decode(operation, held, {
      key: place,
      value,
      createRevision: revision,
      modRevision: revision,
      version: 1,
    });
  }

  async update<R extends Resource>(kind: Kind<R>, resource: R): Promise<R> {
    return await this.#replace('update', kind, resource);
  }

  async updateStatus<R extends Resource>(kind: Kind<R>, resource: R): Promise<R> {
    return await this.#replace('updateStatus', kind, resource);
  }

  async patch<R extends Resource>(kind: Kind<R>, key: ObjectKey, patch: unknown, options: PatchOptions): Promise<R> {
    const operation = operationOn('patch', kind, key, true);
    const held = this.#held(operation, kind);
    if (options.type === 'strategic') {
      throw refuse(operation, 'Invalid', 'the patch is strategic; allowed for this kind: merge, json');
    }
    return await this.#change(operation, held, key, old => {
      let next: R;
      try {
        next = applyPatch(options.type, structuredClone(old), patch, {}) as R;
      } catch (err) {
        if (err instanceof PatchError) throw refuse(operation, 'Invalid', err.message);
        throw err;
      }
      checkPreconditions(operation, old, next.metadata);
      if (options.subresource !== 'status') return next;
      const { status } = next;
      next = structuredClone(old);
      if (status === undefined) delete next.status;
      else next.status = status;
      return next;
    });
  }

  async delete<R extends Resource>(kind: Kind<R>, key: ObjectKey, options: DeleteOptions = {}): Promise<void> {
    const operation = operationOn('delete', kind, key, true);
    const held = this.#held(operation, kind);
    await this.#contend(operation, async () => {
      const { record, resource } = await this.#existing(operation, held, key);
      checkPreconditions(operation, resource, options);
      await this.#check(kind, { op: 'delete', object: resource, old: resource, deletes: true });
      const { succeeded } = await this.#store.txn(
        operation,
        [unchanged(record.key, record.modRevision)],
        [{ deleteRange: { key: record.key } }],
      );
      return succeeded ? true : undefined;
    });
  }

  watch<R extends Resource>(kind: Kind<R>, options: WatchOptions): WatchStream<R> {
    const { namespace, labelSelector = '', fieldSelector = '' } = options;
    const operation = operationOn('watch', kind, { ...options, name: '*' });
    try {
      const held = this.#held(operation, kind);
      const selects = labelSelector !== '' || fieldSelector !== '';
      const test = selectionTest(kind, options, 'watch');
      return new EtcdWatch<R>({
        operation,
        range: held.layout.range(namespace),
        resourceVersion: options.resourceVersion,
        signal: options.signal,
        clock: this.#clock,
        progressMs: this.#progressMs,
        silenceMs: this.#silenceMs,
        connection: this.#connection,
        matches: selects ? test : undefined,
        decode: record => this.#readable(held, record),
        list: () => this.list(kind, options),
      });
    } catch (err) {
      return failedWatch(err);
    }
  }

  /** Takes every key of a range, in pages that are all of one revision; gives that. */
  async #pages(
    operation: Operation,
    { key, ...end }: KeyRange,
    limit: number,
    take: (record: KeyValue) => void,
  ): Promise<number> {
    let from = key;
    let revision = 0;
    for (;;) {
      const page = await this.#store.range(operation, { key: from, ...end }, { limit, revision });
      page.records.forEach(take);
      revision ||= page.revision;
      const last = page.records.at(-1);
      if (!page.more || last === undefined) return revision;
      // The next possible key.
      from = `${last.key}\0`;
    }
  }

  async #replace<R extends Resource>(op: string, kind: Kind<R>, resource: R): Promise<R> {
    const key = keyOf(resource);
    const operation = operationOn(op, kind, key, true);
    const held = this.#held(operation, kind);
    const { resourceVersion } = resource.metadata;
    if (resourceVersion && !held.layout.storesMetadata) {
      // Nothing of the stored object is needed, so it is not read: IPAM writes often.
      const next = validated(operation, kind, structuredClone(resource), undefined);
      const done = await this.#put(operation, held, key, next, held.layout.place(next), Number(resourceVersion));
      if (done !== undefined) return done;
    }
    return await this.#change(operation, held, key, old => {
      checkPreconditions(operation, old, resource.metadata);
      return structuredClone(resource);
    });
  }

  /** Reads, changes and writes an object; again when it was written in between. */
  async #change<R extends Resource>(
    operation: Operation,
    held: Held<R>,
    key: ObjectKey,
    make: (old: R) => R,
  ): Promise<R> {
    return await this.#contend(operation, async () => {
      const { record, resource: old } = await this.#existing(operation, held, key);
      const made = this.#prepared(held.kind, make(structuredClone(old)));
      const next = validated(operation, held.kind, made, old);
      if (!held.layout.storesMetadata && held.layout.place(next) !== record.key) {
        const reason = `spec leads to ${held.layout.place(next)}; allowed: ${record.key}, where it is`;
        throw refuse(operation, 'Invalid', reason);
      }
      await this.#check(held.kind, { op: operation.op, object: next, old, deletes: false });
      return await this.#put(operation, held, key, next, record.key, record.modRevision);
    });
  }

  #prepared<R extends Resource>(kind: Kind<R>, object: R): R {
    // A rule's objects are of its own kind.
    return (this.#rules.get(kind.kind)?.prepare?.(object) as R | undefined) ?? object;
  }

  async #check(kind: Pick<Kind, 'kind'>, write: Write): Promise<void> {
    const rule = this.#rules.get(kind.kind);
    if (!write.deletes || rule?.deletes === true) await rule?.check?.(write, this);
  }

  /** Tries until there is a result; nothing is one when somebody else was quicker. */
  async #contend<T>(operation: Operation, attempt: () => Promise<T | undefined>): Promise<T> {
    const delays = backoff(CONTENTION_DELAYS, this.#random);
    for (;;) {
      const result = await attempt();
      if (result !== undefined) return result;
      const delay = delays.next();
      if (delays.failures >= ATTEMPTS) {
        throw refuse(operation, 'Conflict', `it was changed ${ATTEMPTS} times meanwhile`);
      }
      await this.#clock.sleep(delay);
    }
  }

  /** Writes over a version; gives the object as stored, or undefined when that version is no longer there. */
  async #put<R extends Resource>(
    operation: Operation,
    held: Held<R>,
    key: ObjectKey,
    next: R,
    place: string,
    modRevision: number,
  ): Promise<R | undefined> {
    const value = encodeRecord(held, next, place);
    checkName(operation, held, place, value, key);
    const { succeeded, responses } = await this.#store.txn(
      operation,
      [unchanged(place, modRevision)],
      [{ put: { key: place, value } }, { range: { key: place, keysOnly: true } }],
    );
    const written = responses[1]?.range?.kvs?.[0];
    if (!succeeded || written === undefined) return undefined;
    return this.#decode(operation, held, {
      key: place,
      createRevision: 0,
      modRevision: 0,
      version: 0,
      ...written,
      value,
    });
  }

  async #existing<R extends Resource>(operation: Operation, held: Held<R>, key: ObjectKey): Promise<Found<R>> {
    if (held.kind.namespaced && !key.namespace) {
      throw refuse(operation, 'Invalid', 'metadata.namespace is empty; allowed: a namespace');
    }
    const found =
      (await this.#at(operation, held, key, held.layout.places(key))) ?? (await this.#search(operation, held, key));
    if (found === undefined) throw refuse(operation, 'NotFound', 'it does not exist');
    return found;
  }

  /** The object of a name among keys. */
  async #at<R extends Resource>(
    operation: Operation,
    held: Held<R>,
    key: ObjectKey,
    places: readonly string[],
  ): Promise<Found<R> | undefined> {
    for (const record of await this.#store.read(operation, places)) {
      const resource = this.#decode(operation, held, record);
      if (printKey(keyOf(resource)) === printKey(key)) return { record, resource };
    }
    return undefined;
  }

  /** The object of a name that does not say its key. */
  async #search<R extends Resource>(
    operation: Operation,
    held: Held<R>,
    key: ObjectKey,
  ): Promise<Found<R> | undefined> {
    const range = held.layout.search?.(key);
    if (range === undefined) return undefined;
    const { records } = await this.#store.range(operation, range, { keysOnly: true });
    const places = records
      .map(record => record.key)
      .filter(at => held.layout.decode(at, {})?.metadata.name === key.name);
    return await this.#at(operation, held, key, places);
  }

  #held<R extends Resource>(operation: Operation, kind: Kind<R>): Held<R> {
    const layout = layoutOf(kind);
    if (layout !== undefined) return { kind, layout };
    const reason = `etcd holds no objects of kind ${kind.kind} (${kind.apiVersion}); allowed: kinds of projectcalico.org/v3`;
    throw refuse(operation, 'NotFound', reason);
  }

  #decode<R extends Resource>(operation: Operation, held: Held<R>, record: KeyValue): R {
    try {
      const resource = decodeRecord(held, record);
      if (resource !== undefined) return resource;
    } catch (err) {
      throw refuse(operation, 'Internal', `the value of ${record.key} cannot be read: ${String(err)}`, err);
    }
    throw refuse(operation, 'Internal', `the key ${record.key} is none of ${held.kind.kind}`);
  }

  /** The object of a key; undefined when the key is of another kind or its value cannot be read. */
  #readable<R extends Resource>(held: Held<R>, record: KeyValue): R | undefined {
    try {
      return decodeRecord(held, record);
    } catch (err) {
      this.#log?.warn({ key: record.key, kind: held.kind.kind, err }, 'a value in etcd cannot be read and is left out');
      return undefined;
    }
  }
}

function operationOn(op: string, kind: Pick<Kind, 'kind'>, key: ObjectKey, write = false): Operation {
  return { op, resource: printResource(kind.kind, key.namespace, key.name), write };
}

function refuse(
  { op, resource }: Operation,
  code: DatastoreErrorCode,
  reason: string,
  cause?: unknown,
): DatastoreError {
  return new DatastoreError({ code, op, resource, reason, cause });
}

function checkPreconditions(
  operation: Operation,
  { metadata }: Resource,
  { uid, resourceVersion }: Preconditions,
): void {
  if (uid && uid !== metadata.uid) {
    throw refuse(operation, 'NotFound', `precondition failed: uid is ${metadata.uid}, asked for ${uid}`);
  }
  if (resourceVersion && resourceVersion !== metadata.resourceVersion) {
    const reason = `it has been changed: resourceVersion is ${metadata.resourceVersion}, asked for ${resourceVersion}`;
    throw refuse(operation, 'Conflict', reason);
  }
}

/** What is to be stored: with defaults, and with what an update cannot change. */
function validated<R extends Resource>(operation: Operation, kind: Kind<R>, given: R, old: R | undefined): R {
  const next = kind.default(given);
  if (old !== undefined) {
    const { uid, creationTimestamp } = old.metadata;
    if (uid !== undefined) next.metadata.uid = uid;
    if (creationTimestamp !== undefined) next.metadata.creationTimestamp = creationTimestamp;
  }
  const errors = kind.validate(next, old);
  if (errors.length > 0) throw refuse(operation, 'Invalid', errors.map(printFieldError).join('; '));
  return next;
}

/** Where a name follows from the spec, it has to be that name, else nobody would find the object again. */
function checkName<R extends Resource>(
  operation: Operation,
  { layout }: Held<R>,
  place: string,
  value: string,
  key: ObjectKey,
): void {
  const name = layout.decode(place, Object(JSON.parse(value)))?.metadata.name;
  if (name === key.name) return;
  throw refuse(operation, 'Invalid', `metadata.name is "${key.name}"; allowed: "${name ?? ''}", as its spec says`);
}

function byKey(a: Resource, b: Resource): number {
  return printKey(keyOf(a)) < printKey(keyOf(b)) ? -1 : 1;
}

/** A Client of the etcd that `config` names. It opens no connection until used. Throws TypeError on an endpoint that is no URL. */
export function etcdClient(config: EtcdConfig, options: EtcdClientOptions = {}): EtcdClient {
  return new EtcdClient(config, options);
}
