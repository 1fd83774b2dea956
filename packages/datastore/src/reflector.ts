import type { Kind, Resource } from '@calico/api';
import { type Backoff, backoff, type Clock, type Random, Turn } from '@calico/reconcile';
import { type Client, keyOf, type ObjectKey, parseKey, printKey, type Selection, type WatchEvent } from './client.ts';
import { DatastoreError, isGone, isNotFound } from './error.ts';

/** Where things that need no answer are told. A pino logger is one. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** What a reflector, or a syncer, needs of the world. */
export interface ReflectorDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log?: Log;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** A change of the view. State, not history: changes in between may have been passed over. */
export type ReflectorEvent<R> =
  | { readonly type: 'set'; readonly key: ObjectKey; readonly object: R }
  /** `object` is the last state, when the server told it. */
  | { readonly type: 'delete'; readonly key: ObjectKey; readonly object: R | undefined };

/** How a reflector stands. */
export interface ReflectorStatus {
  /** waiting: for the next try after a failure. */
  readonly state: 'listing' | 'watching' | 'waiting' | 'stopped';
  /** What the last try failed with, until the next success. */
  readonly error: DatastoreError | undefined;
}

/** Of what a reflector keeps a view. */
export interface ReflectorOptions {
  readonly selection?: Selection;
  /** The server may not serve the kind: then there are no objects of it, and it is asked again now and then. */
  readonly optional?: boolean;
}

/** What is kept of an object of the view. */
export interface Kept {
  /** The handler's: what it must know of the object's last state when it changes or goes. */
  note: string | undefined;
}

/** Whom a reflector tells. */
export interface ReflectorHandler<R> {
  /** The first list, once; empty when `onPage` had it. A promise is waited for before changes follow. */
  onSync(items: R[]): void | Promise<void>;
  /**
   * Parts of the first list as they arrive, each with what is kept of it, before onSync; what is gone before its end is told by
   * onEvent. A promise is waited for.
   */
  onPage?(items: R[], kept: readonly Kept[]): void | Promise<void>;
  /** Each later change. `more`: further ones have been received already and follow at once. A promise is waited for. */
  onEvent(event: ReflectorEvent<R>, more: boolean, kept: Kept): void | Promise<void>;
  onStatus?(status: ReflectorStatus): void;
}

/** A view of all objects of a kind that is kept up to date. */
export interface Reflector {
  readonly status: ReflectorStatus;
  /** The first list has been handed over. */
  readonly inSync: boolean;
  /** How old the view may be: ms since the server last confirmed it (a list, an event, a bookmark). Infinity before. */
  age(): number;
  /** Resolves when it has ended. Rejects with what a handler threw. */
  readonly done: Promise<void>;
}

/** From the first failure on; ms. */
const DELAYS = { base: 100, max: 30_000 };
/** A watch that lived for this long worked; ms. */
const SHORTEST_WATCH_MS = 1000;
/** How long a kind that the server does not serve is left alone; ms. */
const UNSERVED_PAUSE_MS = 30_000;
/** So many timeouts in a row, and the version may be one that the server never had (a restored backup). */
const TIMEOUTS_UNTIL_LIST = 3;

/** As many as there are objects in the cluster: nothing is kept that can be told from elsewhere. */
class Seen implements Kept {
  uid: string | undefined;
  version: number | string | undefined;
  /** The last list that showed it. */
  list: number;
  note: string | undefined;

  constructor(uid: string | undefined, version: Seen['version'], list: number) {
    this.uid = uid;
    this.version = version;
    this.list = list;
    this.note = undefined;
  }
}

/** A version to compare with others: servers give numbers, which as such cost no memory of their own. */
function comparable(resourceVersion: string | undefined): Seen['version'] {
  return resourceVersion !== undefined && /^[1-9]\d{0,14}$/.test(resourceVersion)
    ? Number(resourceVersion)
    : resourceVersion;
}

class KindReflector<R extends Resource> implements Reflector {
  readonly #client: Client;
  readonly #kind: Kind<R>;
  readonly #selection: Selection;
  readonly #optional: boolean;
  readonly #handler: ReflectorHandler<R>;
  readonly #deps: ReflectorDeps;
  readonly #delays: Backoff;
  /** By printed key. */
  readonly #seen = new Map<string, Seen>();
  readonly done: Promise<void>;
  #status: ReflectorStatus = { state: 'listing', error: undefined };
  #inSync = false;
  #confirmedAt = Number.NEGATIVE_INFINITY;
  /** Where the next watch starts; undefined: with a list. */
  #version: string | undefined;
  /** How many lists there have been. */
  #lists = 0;
  /** The present watch has told of objects. */
  #told = false;

  constructor(
    client: Client,
    kind: Kind<R>,
    handler: ReflectorHandler<R>,
    deps: ReflectorDeps,
    { selection = {}, optional = false }: ReflectorOptions,
  ) {
    this.#client = client;
    this.#kind = kind;
    this.#selection = selection;
    this.#optional = optional;
    this.#handler = handler;
    this.#deps = deps;
    this.#delays = backoff(DELAYS, deps.random);
    this.done = this.#run();
  }

  get status(): ReflectorStatus {
    return this.#status;
  }

  get inSync(): boolean {
    return this.#inSync;
  }

  age(): number {
    return this.#deps.clock.now() - this.#confirmedAt;
  }

  #setStatus(state: ReflectorStatus['state'], error: DatastoreError | undefined): void {
    if (state === this.#status.state && error === this.#status.error) return;
    this.#status = { state, error };
    this.#handler.onStatus?.(this.#status);
  }

  #confirm(): void {
    this.#confirmedAt = this.#deps.clock.now();
  }

  async #run(): Promise<void> {
    const { signal } = this.#deps;
    try {
      while (!signal.aborted) {
        const failure = await this.#round();
        if (failure !== undefined && !signal.aborted) await this.#pause(failure);
      }
    } finally {
      this.#setStatus('stopped', this.#status.error);
    }
  }

  /** One list, if needed, and one watch until it ends; what the datastore failed with, if it did. */
  async #round(): Promise<DatastoreError | undefined> {
    try {
      if (this.#version === undefined) await this.#list();
      if (!this.#deps.signal.aborted) await this.#watch();
      return undefined;
    } catch (err) {
      if (!(err instanceof DatastoreError)) throw err;
      // Objects that we know of are not gone because a server no longer serves their kind: it would have told.
      if (this.#optional && isNotFound(err) && this.#seen.size === 0) {
        await this.#standWithout();
        return undefined;
      }
      // History was compacted past our version: a new list shows what we missed. At once, but not twice in a row.
      if (isGone(err) && this.#version !== undefined) {
        this.#version = undefined;
        this.#deps.log?.info({ kind: this.#kind.kind }, 'watch is too old, listing anew');
        if (this.#delays.failures === 0) {
          this.#delays.next();
          return undefined;
        }
      }
      return err;
    }
  }

  async #pause(failure: DatastoreError): Promise<void> {
    const { log } = this.#deps;
    const ms = Math.max(this.#delays.next(), failure.retryAfterMs ?? 0);
    if (failure.code === 'Timeout' && this.#delays.failures >= TIMEOUTS_UNTIL_LIST) this.#version = undefined;
    this.#setStatus('waiting', failure);
    log?.warn({ kind: this.#kind.kind, err: failure, retryInMs: Math.round(ms) }, 'datastore does not answer');
    await this.#sleep(ms);
  }

  async #sleep(ms: number): Promise<void> {
    const { clock, signal } = this.#deps;
    try {
      await clock.sleep(ms, signal);
    } catch (err) {
      if (!signal.aborted) throw err;
    }
  }

  /** The server does not serve the kind, or no longer does: it has none. */
  async #standWithout(): Promise<void> {
    this.#version = undefined;
    await this.#takeList([]);
    this.#setStatus('waiting', undefined);
    await this.#sleep(UNSERVED_PAUSE_MS);
  }

  async #list(): Promise<void> {
    this.#setStatus('listing', this.#status.error);
    if (!this.#inSync && this.#handler.onPage !== undefined) {
      this.#version = await this.#listPages(this.#handler.onPage.bind(this.#handler));
      return;
    }
    const { items, resourceVersion } = await this.#client.list(this.#kind, this.#selection);
    await this.#takeList(items);
    this.#version = resourceVersion;
  }

  async #takeList(items: R[]): Promise<void> {
    this.#confirm();
    if (this.#inSync) {
      await this.#replace(items);
      return;
    }
    await this.#noteAll(items);
    await this.#handler.onSync(items);
    this.#inSync = true;
  }

  /** The first list, handed over as it arrives; gives its version. */
  async #listPages(onPage: NonNullable<ReflectorHandler<R>['onPage']>): Promise<string> {
    const version = await this.#client.listPages(this.#kind, this.#selection, async (items, first) => {
      if (first) this.#lists++;
      this.#confirm();
      await onPage(items, await this.#noteAll(items));
    });
    // A list that broke off may have shown what there no longer is.
    const gone: ReflectorEvent<R>[] = [];
    for (const [name, { list }] of this.#seen) {
      if (list !== this.#lists) gone.push({ type: 'delete', key: parseKey(name), object: undefined });
    }
    await this.#emit(gone);
    await this.#handler.onSync([]);
    this.#inSync = true;
    return version;
  }

  async #noteAll(items: readonly R[]): Promise<Seen[]> {
    const noted: Seen[] = [];
    let turn = new Turn(this.#deps.clock);
    for (const item of items) {
      noted.push(this.#note(item));
      if (turn.spent) turn = await this.#nextTurn();
    }
    return noted;
  }

  /** Long work goes on in another turn of the event loop, so that others have theirs. */
  async #nextTurn(): Promise<Turn> {
    await this.#deps.clock.sleep(0);
    return new Turn(this.#deps.clock);
  }

  #note(object: R): Seen {
    const name = printKey(keyOf(object));
    const { uid, resourceVersion } = object.metadata;
    const version = comparable(resourceVersion);
    const known = this.#seen.get(name);
    if (known !== undefined) {
      known.uid = uid;
      known.version = version;
      known.list = this.#lists;
      return known;
    }
    const seen = new Seen(uid, version, this.#lists);
    this.#seen.set(name, seen);
    return seen;
  }

  /** Forgets an object; gives what was kept of it. */
  #forget(key: ObjectKey): Kept {
    const name = printKey(key);
    const known = this.#seen.get(name);
    this.#seen.delete(name);
    return known ?? { note: undefined };
  }

  /** Tells how a new list differs from what was known. */
  async #replace(items: readonly R[]): Promise<void> {
    let turn = new Turn(this.#deps.clock);
    const present = new Set<string>();
    for (const item of items) {
      present.add(printKey(keyOf(item)));
      if (turn.spent) turn = await this.#nextTurn();
    }
    const events: ReflectorEvent<R>[] = [];
    for (const name of this.#seen.keys()) {
      if (!present.has(name)) events.push({ type: 'delete', key: parseKey(name), object: undefined });
      if (turn.spent) turn = await this.#nextTurn();
    }
    for (const object of items) {
      if (turn.spent) turn = await this.#nextTurn();
      const key = keyOf(object);
      const before = this.#seen.get(printKey(key));
      if (before !== undefined && before.uid !== object.metadata.uid) {
        events.push({ type: 'delete', key, object: undefined });
      }
      const version = comparable(object.metadata.resourceVersion);
      if (before === undefined || before.version !== version || before.uid !== object.metadata.uid) {
        events.push({ type: 'set', key, object });
      }
    }
    await this.#emit(events);
  }

  async #emit(events: readonly ReflectorEvent<R>[]): Promise<void> {
    let turn = new Turn(this.#deps.clock);
    for (const [index, event] of events.entries()) {
      const kept = event.type === 'set' ? this.#note(event.object) : this.#forget(event.key);
      const { spent } = turn;
      const handled = this.#handler.onEvent(event, !spent && index < events.length - 1, kept);
      if (handled !== undefined) await handled;
      if (spent) turn = await this.#nextTurn();
    }
  }

  async #watch(): Promise<void> {
    const { signal, clock } = this.#deps;
    const stream = this.#client.watch(this.#kind, {
      ...this.#selection,
      resourceVersion: this.#version ?? '',
      signal,
    });
    const openedAt = clock.now();
    const worked = (): boolean => this.#told || clock.now() - openedAt >= SHORTEST_WATCH_MS;
    this.#told = false;
    let confirmed = false;
    try {
      for await (const first of stream) {
        confirmed = true;
        this.#confirm();
        this.#setStatus('watching', undefined);
        await this.#take([first, ...stream.drain()]);
      }
      if (worked() || signal.aborted) return;
      // A server that ends watches as soon as they are opened is not to be asked without a pause.
      const [resource, reason] = [this.#kind.kind, 'the server ended the watch at once'];
      throw new DatastoreError({ code: 'Unavailable', op: 'watch', resource, reason });
    } catch (err) {
      // A silence alone says little: a kube-apiserver sends no bookmarks where nothing changes. The next watch shows what is up.
      if (!(err instanceof DatastoreError && err.code === 'Timeout' && confirmed && worked())) throw err;
      this.#deps.log?.debug?.({ kind: this.#kind.kind, err }, 'watch was silent, opening another');
    } finally {
      if (worked()) this.#delays.reset();
    }
  }

  async #take(batch: readonly WatchEvent<R>[]): Promise<void> {
    const events: ReflectorEvent<R>[] = [];
    for (const event of batch) {
      if (event.type === 'BOOKMARK') {
        this.#version = event.resourceVersion;
        continue;
      }
      const { object } = event;
      this.#version = object.metadata.resourceVersion ?? this.#version;
      const key = keyOf(object);
      events.push(event.type === 'DELETED' ? { type: 'delete', key, object } : { type: 'set', key, object });
    }
    if (events.length > 0) this.#told = true;
    await this.#emit(events);
  }
}

/**
 * Keeps a view of all objects of a kind: list, then watch; after a lost watch another from where it ended, and when history is
 * compacted a new list, of which the differences are told, deletions too. Retries for ever, with growing delays less a
 * random part; what it fails with is in `status`. Every object is told at least once.
 */
export function startReflector<R extends Resource>(
  client: Client,
  kind: Kind<R>,
  handler: ReflectorHandler<R>,
  deps: ReflectorDeps,
  options: ReflectorOptions = {},
): Reflector {
  return new KindReflector(client, kind, handler, deps, options);
}
