/**
 * Watches: each committed change goes to every watcher it concerns, its JSON encoded once for all of them, and what one commit
 * changed in one write.
 * Source: Kubernetes API concepts, "Efficient detection of changes", "Watch bookmarks", "Streaming lists".
 */
import { type AnyResource, printJson } from '@calico/api';
import type { Clock } from '@calico/reconcile';
import type { Entry } from './collection.ts';
import type { Filter } from './filter.ts';
import type { StoreEvent } from './history.ts';
import { resourceName } from './kind-registry.ts';
import { printBookmark, printEntry, type View } from './representation.ts';
import { type ApiError, gone } from './status.ts';
import type { Store } from './store.ts';

/** The time that a server needs. */
export type ServerClock = Pick<Clock, 'wallTime' | 'sleep'>;

/** What a watch request asks for. */
export interface WatchOptions {
  /** Undefined: the present objects first, as ADDED events. */
  readonly after: number | undefined;
  readonly bookmarks: boolean;
  /** Ends the initial ADDED events with a marked bookmark, whatever `after` is. */
  readonly sendInitialEvents: boolean;
  readonly timeoutMs: number;
}

/** Where a watch's lines go. */
export interface WatchSink {
  write(bytes: Uint8Array): void;
  /** Bytes not yet taken by the network. */
  readonly backlog: number;
  end(): void;
}

type EventType = 'ADDED' | 'MODIFIED' | 'DELETED';

/**
 * After a flush to so many watchers the changes of the next moments go out together: writing to a socket costs more than its bytes.
 * 100 watches and a write each ms took 9 µs of processor per event and watch without, 7 with it (two busy cores).
 */
const MANY_WATCHERS = 32;
const GATHER_MS = 5;
/** Often, so that a client soon notices a connection that was cut without a word. */
const BOOKMARK_INTERVAL_MS = 5_000;
/** A client that is this far behind is cut off; it resumes from its last revision, or lists again. */
const MAX_BACKLOG = 64 * 1024 * 1024;

const encoder = new TextEncoder();

function line(type: string, object: string): string {
  return `{"type":"${type}","object":${object}}\n`;
}

/** What a change is to a watcher that sees only what its filter matches. */
function eventTypeFor(event: StoreEvent, matches: (object: AnyResource) => boolean): EventType | undefined {
  const before = event.previous !== undefined && matches(event.previous.object);
  const after = event.type !== 'DELETED' && matches(event.entry.object);
  if (after) return before ? 'MODIFIED' : 'ADDED';
  return before ? 'DELETED' : undefined;
}

/** The object that left a watcher's view: its last matching state, under the revision of the change. */
function departed(event: StoreEvent): Entry {
  if (event.type === 'DELETED' || event.previous === undefined) return event.entry;
  const { object } = event.previous;
  const { revision } = event.entry;
  const stamped = { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
  return { ...event.previous, revision, object: stamped, json: printJson(stamped) };
}

interface Watcher {
  readonly view: View;
  /** Watchers with the same text here see objects in the same form. */
  readonly form: string;
  readonly matches: (object: AnyResource) => boolean;
  readonly sink: WatchSink;
  readonly close: () => void;
}

const formOf = ({ form, includeObject, kind }: View): string => `${form} ${includeObject} ${kind.version}`;

/** What some events are to watchers, encoded once for all that see the same. */
class Encoding {
  readonly #events: readonly StoreEvent[];
  readonly #now: number;
  readonly #lines = new Map<string, string>();
  readonly #joined = new Map<string, Uint8Array>();

  /** `now` is the wall time in ms, for ages. */
  constructor(events: readonly StoreEvent[], now: number) {
    this.#events = events;
    this.#now = now;
  }

  /** The lines for a watcher, in order; undefined when nothing of it concerns it. */
  for({ view, form, matches }: Watcher): Uint8Array | undefined {
    const types = this.#events.map(event => eventTypeFor(event, matches));
    if (types.every(type => type === undefined)) return undefined;
    const seen = `${form} ${types.join()}`;
    const known = this.#joined.get(seen);
    if (known !== undefined) return known;
    const lines = this.#events.map((event, at) => {
      const type = types[at];
      return type === undefined ? '' : this.#line(view, form, type, event, at);
    });
    const bytes = encoder.encode(lines.join(''));
    this.#joined.set(seen, bytes);
    return bytes;
  }

  #line(view: View, form: string, type: EventType, event: StoreEvent, at: number): string {
    const key = `${at} ${type} ${form}`;
    const known = this.#lines.get(key);
    if (known !== undefined) return known;
    const entry = type === 'DELETED' ? departed(event) : event.entry;
    const text = line(type, printEntry(view, entry, this.#now));
    this.#lines.set(key, text);
    return text;
  }
}

/** All open watches of a server. */
export class WatchHub {
  readonly #store: Store;
  readonly #clock: ServerClock;
  readonly #watchers = new Map<string, Set<Watcher>>();
  readonly #stopListening: () => void;
  /** Committed, and not yet sent. */
  #pending: StoreEvent[] = [];
  #gathering = false;

  constructor(store: Store, clock: ServerClock) {
    this.#store = store;
    this.#clock = clock;
    this.#stopListening = store.onCommit(events => {
      this.#pending.push(...events);
      if (!this.#gathering) void this.#send();
    });
  }

  /** Sends what is pending at once; after a costly flush what comes in the next moments waits for the next. */
  async #send(): Promise<void> {
    while (this.#flush() >= MANY_WATCHERS) {
      this.#gathering = true;
      await this.#clock.sleep(GATHER_MS);
      this.#gathering = false;
    }
  }

  /** Gives how many watchers had something to be sent. */
  #flush(): number {
    const pending = this.#pending;
    this.#pending = [];
    let reached = 0;
    for (const [resource, events] of Map.groupBy(pending, event => event.entry.resource)) {
      const watchers = this.#watchers.get(resource);
      if (watchers === undefined) continue;
      const encoding = new Encoding(events, this.#clock.wallTime());
      for (const watcher of watchers) this.#offer(watcher, encoding);
      reached += watchers.size;
    }
    return reached;
  }

  /** How many watches are open. */
  get size(): number {
    let size = 0;
    for (const watchers of this.#watchers.values()) size += watchers.size;
    return size;
  }

  #offer(watcher: Watcher, encoding: Encoding): void {
    const bytes = encoding.for(watcher);
    if (bytes === undefined) return;
    watcher.sink.write(bytes);
    if (watcher.sink.backlog > MAX_BACKLOG) watcher.close();
  }

  /**
   * Opens a watch and writes what is due at once. Ends the sink when the time is over, `signal` aborts, the client falls
   * too far behind, or after an ERROR event (410) when the wanted history is gone.
   */
  open(view: View, filter: Filter, options: WatchOptions, sink: WatchSink, signal: AbortSignal): void {
    const resource = resourceName(view.kind);
    const initial = options.sendInitialEvents || options.after === undefined;
    const missed = initial ? [] : this.#missed(resource, options.after ?? 0);
    if (missed === undefined) {
      const error = gone(`too old resource version: ${options.after} (${this.#store.compacted})`);
      sink.write(errorLine(error));
      sink.end();
      return;
    }
    // What is pending is part of what it missed.
    this.#flush();
    const ended = new AbortController();
    const watchers = this.#watchers.get(resource) ?? new Set();
    this.#watchers.set(resource, watchers);
    const watcher: Watcher = {
      view,
      form: formOf(view),
      sink,
      matches: filter.matches,
      close: () => {
        if (!watchers.delete(watcher)) return;
        ended.abort();
        sink.end();
      },
    };
    watchers.add(watcher);
    signal.addEventListener('abort', watcher.close, { once: true });
    if (initial) this.#sendInitial(watcher, resource, filter, options);
    if (missed.length > 0) this.#offer(watcher, new Encoding(missed, this.#clock.wallTime()));
    this.#clock.sleep(options.timeoutMs, ended.signal).then(watcher.close, () => undefined);
    if (options.bookmarks) void this.#sendBookmarks(watcher, ended.signal);
  }

  #missed(resource: string, after: number): readonly StoreEvent[] | undefined {
    // A revision from the future is one of another store's past: the client must list again.
    return after > this.#store.revision ? undefined : this.#store.since(resource, after);
  }

  #sendInitial(watcher: Watcher, resource: string, filter: Filter, options: WatchOptions): void {
    const now = this.#clock.wallTime();
    for (const entry of this.#store.list(resource, filter.namespace)) {
      if (filter.matches(entry.object))
        watcher.sink.write(encoder.encode(line('ADDED', printEntry(watcher.view, entry, now))));
    }
    if (options.sendInitialEvents && options.bookmarks) {
      this.#bookmark(watcher, true);
    }
  }

  #bookmark(watcher: Watcher, endOfInitial: boolean): void {
    // A bookmark never overtakes an event.
    this.#flush();
    const text = line('BOOKMARK', printBookmark(watcher.view, this.#store.revision, endOfInitial));
    watcher.sink.write(encoder.encode(text));
  }

  async #sendBookmarks(watcher: Watcher, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#clock.sleep(BOOKMARK_INTERVAL_MS, signal);
      } catch {
        return; // The watch ended.
      }
      if (!signal.aborted) this.#bookmark(watcher, false);
    }
  }

  /** Ends the watches of a resource that is served no longer. */
  end(resource: string): void {
    this.#flush();
    for (const watcher of [...(this.#watchers.get(resource) ?? [])]) watcher.close();
  }

  /** Ends every watch. */
  close(): void {
    this.#stopListening();
    for (const watchers of this.#watchers.values()) {
      for (const watcher of [...watchers]) watcher.close();
    }
  }
}

/** The ERROR event that tells a watcher why its watch ends. */
export function errorLine(error: ApiError): Uint8Array {
  return encoder.encode(line('ERROR', JSON.stringify(error.toStatus())));
}
