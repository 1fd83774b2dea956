/**
 * The durable store: one SQLite table of object versions, the way etcd keeps them, with the live state and recent
 * history in memory. A write is one inserted row; writes that arrive together are committed together. Reads never
 * touch the disk. Superseded versions are deleted when the history is compacted.
 */
import { Database } from 'bun:sqlite';
import { closeSync, openSync } from 'node:fs';
import { type AnyResource, parseJson, printJson } from '@calico/api';
import { Collection, type Entry, type ObjectKey, sortKey } from './collection.ts';
import { History, type StoreEvent } from './history.ts';

/** How the store is opened. */
export interface StoreOptions {
  /** A file, or `:memory:`. Created with mode 0600 (it holds Secrets). */
  readonly path: string;
  /** `full` survives a power cut, `normal` only the death of the process (SQLite's synchronous under WAL). */
  readonly synchronous?: 'full' | 'normal';
  /** Changes kept for watches and continued lists before compaction; 10,000 unless told. */
  readonly historyLimit?: number;
}

/** What a write sees and does: all of it is committed, or none. */
export interface Transaction {
  /** The newest version, uncommitted writes of this turn included. */
  get(key: ObjectKey): Entry | undefined;
  list(resource: string, namespace?: string): readonly Entry[];
  /** Stores a new version; gives it with its resourceVersion set. */
  put(key: ObjectKey, object: AnyResource): Entry;
  /** Deletes; gives the last state under the revision of the deletion, undefined if there was none. */
  delete(key: ObjectKey): Entry | undefined;
}

interface Row {
  rv: number;
  type: StoreEvent['type'];
  resource: string;
  namespace: string;
  name: string;
  data: string;
}

interface Batch {
  readonly events: StoreEvent[];
  /** Newest uncommitted state by key; null is deleted. */
  readonly overlay: Map<string, Entry | null>;
  readonly done: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (cause: unknown) => void;
}

const SCHEMA = `
CREATE TABLE IF NOT EXISTS versions (
  rv INTEGER PRIMARY KEY, type TEXT NOT NULL, resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, data TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
`;

const storeKey = (key: ObjectKey): string => `${key.resource}:${sortKey(key)}`;

function openDatabase(options: StoreOptions): Database {
  if (options.path !== ':memory:') closeSync(openSync(options.path, 'a', 0o600));
  const db = new Database(options.path, { create: true, strict: true });
  try {
    // One process owns the file: a second one is refused at once instead of serving a stale view.
    db.run('PRAGMA locking_mode = EXCLUSIVE');
    db.run('PRAGMA journal_mode = WAL');
    db.run(`PRAGMA synchronous = ${options.synchronous === 'normal' ? 'NORMAL' : 'FULL'}`);
    db.run(SCHEMA);
  } catch (cause) {
    db.close();
    throw new Error(`Cannot open store ${options.path}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
  }
  return db;
}

/** The objects, their history, and the events of each commit. */
export class Store {
  readonly #db: Database;
  readonly #limit: number;
  readonly #collections = new Map<string, Collection>();
  readonly #history: History;
  readonly #listeners = new Set<(events: readonly StoreEvent[]) => void>();
  #revision: number;
  /** The newest revision given out, committed or not. */
  #head: number;
  #batch: Batch | undefined;
  #closed = false;

  constructor(options: StoreOptions) {
    this.#db = openDatabase(options);
    this.#limit = options.historyLimit ?? 10_000;
    const meta = new Map(
      this.#db
        .query<{ key: string; value: number }, []>('SELECT key, value FROM meta')
        .all()
        .map(row => [row.key, row.value]),
    );
    this.#history = new History(meta.get('compacted') ?? 0);
    this.#revision = meta.get('revision') ?? 0;
    for (const row of this.#db.query<Row, []>('SELECT * FROM versions ORDER BY rv').iterate()) this.#load(row);
    this.#head = this.#revision;
  }

  /** The newest committed revision. */
  get revision(): number {
    return this.#revision;
  }

  /** Changes up to and including this revision are forgotten. */
  get compacted(): number {
    return this.#history.compacted;
  }

  #load(row: Row): void {
    const object = parseJson(row.data) as AnyResource;
    const key = { resource: row.resource, namespace: row.namespace, name: row.name };
    const entry: Entry = { ...key, revision: row.rv, object, json: row.data };
    const previous = this.get(key);
    this.#apply({ type: row.type, entry, previous }, row.rv > this.#history.compacted);
  }

  #apply(event: StoreEvent, log: boolean): void {
    const { entry } = event;
    const collection = this.#collection(entry.resource);
    if (event.type === 'DELETED') collection.delete(entry.namespace, entry.name);
    else collection.set(entry);
    if (log) this.#history.append(event);
    this.#revision = Math.max(this.#revision, entry.revision);
  }

  #collection(resource: string): Collection {
    const known = this.#collections.get(resource);
    if (known) return known;
    const made = new Collection();
    this.#collections.set(resource, made);
    return made;
  }

  /** The committed version of an object. */
  get(key: ObjectKey): Entry | undefined {
    return this.#collections.get(key.resource)?.get(key.namespace, key.name);
  }

  /** The committed objects of a resource, or of one namespace of it, in list order. */
  list(resource: string, namespace?: string): readonly Entry[] {
    return this.#collections.get(resource)?.list(namespace) ?? [];
  }

  /** The objects as they were at a revision, in list order; undefined when that is compacted. */
  listAt(revision: number, resource: string, namespace?: string): readonly Entry[] | undefined {
    const later = this.#history.since(resource, revision);
    if (later === undefined) return undefined;
    if (later.length === 0) return this.list(resource, namespace);
    const past = new Collection();
    for (const entry of this.list(resource)) past.set(entry);
    for (const event of later.reverse()) {
      if (event.previous) past.set(event.previous);
      else past.delete(event.entry.namespace, event.entry.name);
    }
    return past.list(namespace);
  }

  /** The committed changes of a resource after a revision; undefined when some are compacted. */
  since(resource: string, revision: number): readonly StoreEvent[] | undefined {
    return this.#history.since(resource, revision);
  }

  /** Calls `listener` with the events of each commit, in order, after they are durable. Returns how to stop that. */
  onCommit(listener: (events: readonly StoreEvent[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Runs `work` now, synchronously, on the newest state, and resolves with its result once everything it wrote (and
   * everything it can have seen) is durable. If `work` throws, nothing of it is written.
   */
  transact<T>(work: (tx: Transaction) => T): Promise<T> {
    if (this.#closed) return Promise.reject(new Error('Cannot write: the store is closed'));
    const batch = this.#batch;
    const staged: StoreEvent[] = [];
    const overlay = new Map<string, Entry | null>();
    const head = this.#head;
    let result: T;
    try {
      result = work(this.#transaction(staged, overlay, batch?.overlay));
    } catch (cause) {
      this.#head = head;
      return Promise.reject(cause);
    }
    if (staged.length === 0) return batch === undefined ? Promise.resolve(result) : batch.done.then(() => result);
    const into = batch ?? this.#openBatch();
    into.events.push(...staged);
    for (const [key, entry] of overlay) into.overlay.set(key, entry);
    return into.done.then(() => result);
  }

  #transaction(
    staged: StoreEvent[],
    own: Map<string, Entry | null>,
    pending: ReadonlyMap<string, Entry | null> | undefined,
  ): Transaction {
    const get = (key: ObjectKey): Entry | undefined => {
      const id = storeKey(key);
      const change = own.get(id) ?? (own.has(id) ? null : pending?.get(id));
      return change === undefined ? this.get(key) : (change ?? undefined);
    };
    const stage = (key: ObjectKey, object: AnyResource, deletes: boolean): Entry => {
      const previous = get(key);
      const revision = ++this.#head;
      const stamped = { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
      const entry: Entry = {
        resource: key.resource,
        namespace: key.namespace,
        name: key.name,
        revision,
        object: stamped,
        json: printJson(stamped),
      };
      staged.push({ type: deletes ? 'DELETED' : previous ? 'MODIFIED' : 'ADDED', entry, previous });
      own.set(storeKey(key), deletes ? null : entry);
      return entry;
    };
    return {
      get,
      list: (resource, namespace) => {
        const merged = new Map(this.list(resource, namespace).map(e => [storeKey(e), e] as const));
        for (const overlay of [pending, own]) {
          for (const [id, entry] of overlay ?? []) {
            if (entry === null) merged.delete(id);
            else if (entry.resource === resource && (namespace === undefined || entry.namespace === namespace)) {
              merged.set(id, entry);
            }
          }
        }
        return [...merged.values()];
      },
      put: (key, object) => stage(key, object, false),
      delete: key => {
        const last = get(key);
        return last === undefined ? undefined : stage(key, last.object, true);
      },
    };
  }

  #openBatch(): Batch {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const batch: Batch = { events: [], overlay: new Map(), done: promise, resolve, reject };
    this.#batch = batch;
    // After the I/O callbacks of this turn: every request that arrived together shares one commit.
    setImmediate(() => this.#flush());
    return batch;
  }

  #flush(): void {
    const batch = this.#batch;
    if (batch === undefined) return;
    this.#batch = undefined;
    try {
      this.#commit(batch.events);
    } catch (cause) {
      this.#head = this.#revision;
      batch.reject(cause);
      return;
    }
    for (const event of batch.events) this.#apply(event, true);
    batch.resolve();
    for (const listener of this.#listeners) listener(batch.events);
    if (this.#history.length > this.#limit * 1.25) this.compact(this.#limit);
  }

  #commit(events: readonly StoreEvent[]): void {
    const insert = this.#db.query('INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?)');
    this.#db.transaction(() => {
      for (const { type, entry } of events) {
        insert.run(entry.revision, type, entry.resource, entry.namespace, entry.name, entry.json);
      }
    })();
  }

  /** Forgets history but the newest `keep` changes; watches and lists that need older ones get 410. */
  compact(keep: number): void {
    const dropped = this.#history.trim(keep);
    if (dropped.length === 0) return;
    const remove = this.#db.query('DELETE FROM versions WHERE rv = ?');
    const set = this.#db.query('INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value');
    this.#db.transaction(() => {
      for (const { type, entry, previous } of dropped) {
        if (previous) remove.run(previous.revision);
        if (type === 'DELETED') remove.run(entry.revision);
      }
      set.run('compacted', this.#history.compacted);
      set.run('revision', this.#revision);
    })();
  }

  /** Commits what is pending and closes the file. */
  close(): void {
    if (this.#closed) return;
    this.#flush();
    this.#closed = true;
    this.#db.close();
  }
}
