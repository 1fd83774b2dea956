/**
 * Watches: each committed change goes to every watcher it concerns, its JSON encoded once for all of them.
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

/** Often, so that a client soon notices a connection that was cut without a word. */
const BOOKMARK_INTERVAL_MS = 5_000;
/** A client that is this far behind is cut off; it resumes from its last revision, or lists again. */
const MAX_BACKLOG = 64 * 1024 * 1024;

const encoder = new TextEncoder();

function line(type: string, object: string): Uint8Array {
  return encoder.encode(`{"type":"${type}","object":${object}}\n`);
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
  readonly matches: (object: AnyResource) => boolean;
  readonly sink: WatchSink;
  readonly close: () => void;
}

/** All open watches of a server. */
export class WatchHub {
  readonly #store: Store;
  readonly #clock: ServerClock;
  readonly #watchers = new Map<string, Set<Watcher>>();
  readonly #encoded = new WeakMap<StoreEvent, Map<string, Uint8Array>>();
  readonly #stopListening: () => void;

  constructor(store: Store, clock: ServerClock) {
    this.#store = store;
    this.#clock = clock;
    this.#stopListening = store.onCommit(events => {
      for (const event of events) {
        for (const watcher of this.#watchers.get(event.entry.resource) ?? []) this.#offer(watcher, event);
      }
    });
  }

  /** How many watches are open. */
  get size(): number {
    let size = 0;
    for (const watchers of this.#watchers.values()) size += watchers.size;
    return size;
  }

  #offer(watcher: Watcher, event: StoreEvent): void {
    const type = eventTypeFor(event, watcher.matches);
    if (type === undefined) return;
    watcher.sink.write(this.#encode(watcher.view, type, event));
    if (watcher.sink.backlog > MAX_BACKLOG) watcher.close();
  }

  #encode(view: View, type: EventType, event: StoreEvent): Uint8Array {
    const forms = this.#encoded.get(event) ?? new Map<string, Uint8Array>();
    this.#encoded.set(event, forms);
    const key = `${type} ${view.form} ${view.includeObject} ${view.kind.version}`;
    const known = forms.get(key);
    if (known !== undefined) return known;
    const entry = type === 'DELETED' ? departed(event) : event.entry;
    const bytes = line(type, printEntry(view, entry, this.#clock.wallTime()));
    forms.set(key, bytes);
    return bytes;
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
    const ended = new AbortController();
    const watchers = this.#watchers.get(resource) ?? new Set();
    this.#watchers.set(resource, watchers);
    const watcher: Watcher = {
      view,
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
    for (const event of missed) this.#offer(watcher, event);
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
      if (filter.matches(entry.object)) watcher.sink.write(line('ADDED', printEntry(watcher.view, entry, now)));
    }
    if (options.sendInitialEvents && options.bookmarks) {
      watcher.sink.write(line('BOOKMARK', printBookmark(watcher.view, this.#store.revision, true)));
    }
  }

  async #sendBookmarks(watcher: Watcher, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#clock.sleep(BOOKMARK_INTERVAL_MS, signal);
      } catch {
        return; // The watch ended.
      }
      if (!signal.aborted) {
        watcher.sink.write(line('BOOKMARK', printBookmark(watcher.view, this.#store.revision, false)));
      }
    }
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
  return line('ERROR', JSON.stringify(error.toStatus()));
}
