import type { ModelKind, Resource, ResourceUpdate } from '@calico/api';
import { Mutex, TURN_MS, Turn } from '@calico/reconcile';
import { type Client, type DatastoreType, keyOf, type ObjectKey, printKey } from './client.ts';
import type { DatastoreError } from './error.ts';
import { BGP_ETCD_SOURCES, BGP_SOURCES, FELIX_ETCD_SOURCES, FELIX_SOURCES, type ModelSource } from './model.ts';
import {
  type Kept,
  type Reflector,
  type ReflectorDeps,
  type ReflectorEvent,
  type ReflectorStatus,
  startReflector,
} from './reflector.ts';

/** How the view of one kind of the datastore stands. */
export interface KindStatus {
  /** The datastore's kind, such as `Pod`. */
  readonly kind: string;
  readonly state: ReflectorStatus['state'];
  readonly inSync: boolean;
  readonly error: DatastoreError | undefined;
  /** How old the view may be, in ms; Infinity before the first list. */
  readonly age: number;
}

/** Whom a syncer tells. */
export interface SyncerHandler {
  /**
   * Changes, in order; never empty. What was received together comes together, at most a thousand at a time. A promise is
   * waited for before more of the same kind comes.
   */
  onUpdates(updates: ResourceUpdate[]): void | Promise<void>;
  /** Every object that there was at the start has been told. Once. */
  onInSync(): void;
  /**
   * Told of each object as the datastore has it, before what the model makes of it; undefined for one that is gone. `kind` is
   * the datastore's.
   */
  onObject?(kind: string, key: ObjectKey, object: Resource | undefined): void;
  /** The view of a kind got lost or came back. */
  onStatus?(status: KindStatus): void;
}

/** A view of the datastore under way. */
export interface Syncer {
  readonly inSync: boolean;
  /** One per kind, for readiness and metrics. */
  status(): KindStatus[];
  /** The age of the oldest view, in ms; Infinity until every kind has been listed. */
  age(): number;
  /** Resolves when it has ended, after the signal. Rejects with what a handler threw: the view is lost then. */
  readonly done: Promise<void>;
}

/** So many changes are handed over together at most. */
const SLICE = 1000;
/** So many different notes are kept once at most; beyond it they begin anew. */
const NOTES = 10_000;

/** First lists of all kinds, which share the turns of the event loop. */
class FirstLists {
  /** One slice at a time. */
  readonly slices = new Mutex();
  /** What this turn's slices have taken, in ms: pages that take less than a turn each come one right after the other. */
  worked = 0;
}

/** One kind on its way into the model. */
class Feed {
  readonly #source: ModelSource;
  readonly #deps: ReflectorDeps;
  readonly #handler: SyncerHandler;
  readonly #lists: FirstLists;
  /** The notes on objects, of which many are equal, each as one text. */
  readonly #notes = new Map<string, string>();
  #pending: ResourceUpdate[] = [];

  constructor(source: ModelSource, handler: SyncerHandler, deps: ReflectorDeps, lists: FirstLists) {
    this.#source = source;
    this.#handler = handler;
    this.#lists = lists;
    this.#deps = deps;
  }

  /** A part of the first list, in slices of which there is one of any kind in a turn of the event loop. */
  async first(items: readonly Resource[], kept: readonly Kept[]): Promise<void> {
    const left = items.entries();
    let more = true;
    while (more && !this.#deps.signal.aborted) more = await this.#lists.slices.run(() => this.#slice(left, kept));
  }

  /** Converts and hands over what a turn has time for; gives whether there was more. */
  async #slice(left: Iterator<[number, Resource]>, kept: readonly Kept[]): Promise<boolean> {
    const { clock } = this.#deps;
    const lists = this.#lists;
    const begun = clock.now();
    const turn = new Turn(clock, TURN_MS - lists.worked);
    let next = left.next();
    while (!next.done) {
      const [index, object] = next.value;
      this.#set(keyOf(object), object, kept[index] ?? { note: undefined });
      if (turn.spent || this.#pending.length >= SLICE) break;
      next = left.next();
    }
    const taken = this.#flush();
    lists.worked += clock.now() - begun;
    await taken;
    if (!next.done || lists.worked >= TURN_MS) {
      lists.worked = 0;
      await clock.sleep(0);
    }
    return !next.done;
  }

  change(event: ReflectorEvent<Resource>, more: boolean, kept: Kept): void | Promise<void> {
    if (event.type === 'delete') {
      this.#handler.onObject?.(this.#source.kind.kind, event.key, undefined);
      this.#forget(event.key, kept);
    } else this.#set(event.key, event.object, kept);
    if (!more || this.#pending.length >= SLICE) return this.#flush();
  }

  #flush(): void | Promise<void> {
    if (this.#pending.length === 0) return;
    const updates = this.#pending;
    this.#pending = [];
    return this.#handler.onUpdates(updates);
  }

  #set(key: ObjectKey, object: Resource, kept: Kept): void {
    this.#handler.onObject?.(this.#source.kind.kind, key, object);
    const converted = this.#convert(key, object);
    if (converted === undefined) {
      this.#forget(key, kept);
      return;
    }
    const { name, resource } = converted;
    const note = this.#source.named?.by(resource) ?? name;
    if (kept.note !== note) {
      this.#forget(key, kept);
      kept.note = this.#kept(note);
    }
    this.#put(key, name, resource);
  }

  /** The same text, kept once for many objects. */
  #kept(note: string): string {
    const known = this.#notes.get(note);
    if (known !== undefined) return known;
    if (this.#notes.size >= NOTES) this.#notes.clear();
    this.#notes.set(note, note);
    return note;
  }

  #convert(key: ObjectKey, object: Resource): { name: string; resource: Resource } | undefined {
    const { log } = this.#deps;
    const fields = { kind: this.#source.kind.kind, object: printKey(key) };
    try {
      const converted = this.#source.convert(object, key);
      if (converted?.errors !== undefined) log?.warn({ ...fields, errors: converted.errors }, 'object is not valid');
      return converted !== undefined && 'resource' in converted ? converted : undefined;
    } catch (err) {
      // Whatever another program stored, one object never stops the view of all others.
      log?.warn({ ...fields, err }, 'object cannot be read and counts as absent');
      return undefined;
    }
  }

  #forget(key: ObjectKey, kept: Kept): void {
    const { note } = kept;
    if (note === undefined) return;
    kept.note = undefined;
    this.#put(key, this.#source.named?.name(key, note) ?? note, undefined);
  }

  #put({ namespace }: ObjectKey, name: string, resource: Resource | undefined): void {
    const kind: ModelKind = this.#source.model;
    const scoped = this.#source.namespaced && namespace !== undefined;
    this.#pending.push({ kind, name, resource, ...(scoped ? { namespace } : {}) });
  }
}

/** Watches all sources at once and hands their changes over in the model's words. */
export function startSyncer(
  client: Client,
  sources: readonly ModelSource[],
  handler: SyncerHandler,
  deps: ReflectorDeps,
): Syncer {
  let inSync = false;
  let waitingFor = sources.length;
  // A handler's fault in one reflector takes the others with it.
  const stop = new AbortController();
  const stopAll = (): void => stop.abort();
  if (deps.signal.aborted) stopAll();
  else deps.signal.addEventListener('abort', stopAll, { once: true });
  const inner: ReflectorDeps = { ...deps, signal: stop.signal };

  const lists = new FirstLists();
  const views = sources.map(source => {
    const feed = new Feed(source, handler, inner, lists);
    const reflector: Reflector = startReflector(
      client,
      source.kind,
      {
        onPage: (items, kept) => feed.first(items, kept),
        onSync: () => {
          waitingFor--;
          if (waitingFor > 0 || stop.signal.aborted) return;
          inSync = true;
          handler.onInSync();
        },
        onEvent: (event, more, kept) => feed.change(event, more, kept),
        onStatus: () => handler.onStatus?.(kindStatus(source, reflector)),
      },
      inner,
      { optional: source.optional ?? false },
    );
    return { source, reflector };
  });
  const ends = views.map(({ reflector }) =>
    reflector.done.catch(err => {
      stopAll();
      throw err;
    }),
  );
  return {
    get inSync() {
      return inSync;
    },
    status: () => views.map(({ source, reflector }) => kindStatus(source, reflector)),
    age: () => Math.max(...views.map(({ reflector }) => reflector.age())),
    done: Promise.all(ends).then(() => deps.signal.removeEventListener('abort', stopAll)),
  };
}

function kindStatus({ kind }: ModelSource, reflector: Reflector): KindStatus {
  const { state, error } = reflector.status;
  return { kind: kind.kind, state, inSync: reflector.inSync, error, age: reflector.age() };
}

/** Everything that the calculation of a node's policy and routes reads, in the model's words. */
export function startFelixSyncer(
  client: Client,
  handler: SyncerHandler,
  deps: ReflectorDeps,
  datastore: DatastoreType = 'kubernetes',
): Syncer {
  return startSyncer(client, datastore === 'etcdv3' ? FELIX_ETCD_SOURCES : FELIX_SOURCES, handler, deps);
}

/** Everything that the BGP configuration is made of, in the model's words. */
export function startBgpSyncer(
  client: Client,
  handler: SyncerHandler,
  deps: ReflectorDeps,
  datastore: DatastoreType = 'kubernetes',
): Syncer {
  return startSyncer(client, datastore === 'etcdv3' ? BGP_ETCD_SOURCES : BGP_SOURCES, handler, deps);
}
