import type { Resource } from '@calico/api';
import type { Clock, Timer } from '@calico/reconcile';
import type { ListResult, WatchEvent, WatchStream } from '../client.ts';
import { DatastoreError, type DatastoreErrorCode } from '../error.ts';
import type { Connection, OpenStream } from './connection.ts';
import type { KeyRange } from './key-range.ts';
import { DELETE_EVENT, type WatchEvent as EtcdEvent, type KeyValue, keyValue, type WatchResponse } from './messages.ts';
import { cancelError, type Operation, statusError } from './status-error.ts';

/** How a watch is opened and guarded. */
export interface WatchSettings<R extends Resource> {
  readonly operation: Operation;
  readonly range: KeyRange;
  /** '' or '0': what is there now comes first. */
  readonly resourceVersion: string;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly progressMs: number;
  readonly silenceMs: number;
  readonly connection: Connection;
  /** Absent: every object of the range is of the selection. */
  readonly matches: ((resource: R) => boolean) | undefined;
  /** The object of a key; undefined when there is none that can be read. */
  decode(record: KeyValue): R | undefined;
  list(): Promise<ListResult<R>>;
}

/** So many events may wait for the reader before the server has to. */
const WAITING_LIMIT = 1000;

/**
 * One watch over gRPC. Every so often it asks the server for a sign of life. The answer's revision may be ahead of
 * events still under way (etcd issue 15220), so a bookmark never says more than the last event or the server's own notification.
 */
export class EtcdWatch<R extends Resource> implements WatchStream<R> {
  readonly #settings: WatchSettings<R>;
  #events: WatchEvent<R>[] = [];
  #waiting: { resolve(result: IteratorResult<WatchEvent<R>>): void; reject(err: unknown): void } | undefined;
  #started = false;
  #ended: { error: unknown } | undefined;
  #open: OpenStream | undefined;
  #timer: Timer | undefined;
  /** When anything came last, by the clock. */
  #heard = 0;
  /** All changes up to here have been told. */
  #revision = 0;

  constructor(settings: WatchSettings<R>) {
    this.#settings = settings;
    settings.signal.addEventListener('abort', this.#close, { once: true });
    if (settings.signal.aborted) this.#close();
  }

  drain(): WatchEvent<R>[] {
    const events = this.#events;
    this.#events = [];
    this.#open?.stream.resume();
    return events;
  }

  next(): Promise<IteratorResult<WatchEvent<R>>> {
    const event = this.#events.shift();
    if (event !== undefined) return Promise.resolve({ done: false, value: event });
    if (this.#ended !== undefined) {
      const { error } = this.#ended;
      this.#ended = { error: undefined };
      return error === undefined ? Promise.resolve({ done: true, value: undefined }) : Promise.reject(error);
    }
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      if (this.#started) this.#open?.stream.resume();
      else void this.#start();
    });
  }

  return(): Promise<IteratorResult<WatchEvent<R>>> {
    this.#events = [];
    this.#close();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  readonly #close = (): void => this.#end(undefined);

  /** Ends the watch; an error is told after the events before it. */
  #end(error: unknown): void {
    if (this.#ended !== undefined) return;
    this.#ended = { error };
    this.#settings.signal.removeEventListener('abort', this.#close);
    this.#timer?.cancel();
    this.#open?.stream.cancel();
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) return;
    this.#ended = { error: undefined };
    if (error === undefined) waiting.resolve({ done: true, value: undefined });
    else waiting.reject(error);
  }

  #push(event: WatchEvent<R>): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) {
      waiting.resolve({ done: false, value: event });
      return;
    }
    this.#events.push(event);
    if (this.#events.length >= WAITING_LIMIT) this.#open?.stream.pause();
  }

  async #start(): Promise<void> {
    this.#started = true;
    const { operation, range, resourceVersion, clock, connection, progressMs } = this.#settings;
    try {
      this.#revision = Number(resourceVersion);
      if (this.#revision === 0) await this.#begin();
      if (this.#ended !== undefined) return;
      const open = await connection.watch(operation, range);
      // What ended the watch meanwhile did not see the stream.
      if (this.#isEnded()) {
        open.stream.on('error', () => {});
        open.stream.cancel();
        return;
      }
      this.#open = open;
      this.#heard = clock.now();
      this.#timer = clock.setInterval(this.#askProgress, progressMs);
      open.stream.on('data', this.#take);
      // Told by 'status' too, there also when the server ends the stream without an error.
      open.stream.on('error', () => {});
      open.stream.on('status', ({ code, details }) => this.#stopped(open, code, details));
      const startRevision = this.#revision + 1;
      open.stream.write({ create: { ...range, startRevision, progressNotify: true, prevKv: true } });
    } catch (err) {
      this.#end(err);
    }
  }

  #isEnded(): boolean {
    return this.#ended !== undefined;
  }

  /** What there is, as added. */
  async #begin(): Promise<void> {
    const { items, resourceVersion } = await this.#settings.list();
    this.#revision = Number(resourceVersion);
    for (const object of items) this.#push({ type: 'ADDED', object });
  }

  #stopped(open: OpenStream, code: number, details: string): void {
    if (this.#ended !== undefined) return;
    if (code === 0) {
      this.#end(undefined);
      return;
    }
    const error = statusError(this.#settings.operation, open.endpoint.url, code, details);
    if (error.code === 'Unavailable') this.#settings.connection.leave(open);
    this.#end(error);
  }

  /** Asks for a sign of life, and ends the watch when there was none for too long. */
  readonly #askProgress = (): void => {
    const open = this.#open;
    if (open === undefined || open.stream.isPaused()) {
      // Our own reader is slow: the server can say nothing.
      this.#heard = this.#settings.clock.now();
      return;
    }
    const { clock, silenceMs, connection } = this.#settings;
    if (clock.now() - this.#heard < silenceMs) {
      open.stream.write({ progress: {} });
      return;
    }
    connection.leave(open);
    this.#end(this.#error('Timeout', `${open.endpoint.url} sent nothing for ${silenceMs / 1000} s`));
  };

  readonly #take = (response: WatchResponse): void => {
    const { operation, clock, resourceVersion } = this.#settings;
    const open = this.#open;
    if (this.#ended !== undefined || open === undefined) return;
    this.#heard = clock.now();
    const revision = response.header?.revision ?? 0;
    if (response.compactRevision > 0) {
      const reason = `too old resource version: ${this.#revision}; history begins at ${response.compactRevision}`;
      this.#end(this.#error('Gone', reason));
    } else if (response.canceled) {
      this.#end(cancelError(operation, open.endpoint.url, response.cancelReason));
    } else if (response.created) {
      if (revision < this.#revision) {
        // Restored from a backup: it would keep silent until it came to the version that we have.
        const reason = `${open.endpoint.url} is at resource version ${revision}, before ${this.#revision}`;
        this.#end(this.#error('Gone', reason));
      } else if (Number(resourceVersion) !== 0) {
        this.#push({ type: 'BOOKMARK', resourceVersion });
      }
    } else if (response.events.length > 0) {
      for (const event of response.events) this.#takeEvent(event);
    } else {
      // Of our watch: the server's own notification. Else: the answer to our question.
      if (response.watchId >= 0) this.#revision = Math.max(this.#revision, revision);
      this.#push({ type: 'BOOKMARK', resourceVersion: String(this.#revision) });
    }
  };

  #takeEvent({ type, kv, prevKv }: EtcdEvent): void {
    if (this.#ended !== undefined) return;
    const { decode, matches } = this.#settings;
    const now = keyValue(kv ?? {});
    const deleted = type === DELETE_EVENT;
    if (prevKv === undefined && (deleted || now.version > 1)) {
      this.#end(this.#error('Gone', `what ${now.key} was before version ${now.modRevision} is no longer kept`));
      return;
    }
    this.#revision = now.modRevision;
    const after = deleted ? undefined : decode(now);
    const is = after !== undefined && (matches === undefined || matches(after));
    if (is && matches === undefined) {
      this.#push({ type: prevKv === undefined ? 'ADDED' : 'MODIFIED', object: after });
      return;
    }
    const before = prevKv === undefined ? undefined : decode(keyValue(prevKv));
    const was = before !== undefined && (matches === undefined || matches(before));
    if (is) {
      this.#push({ type: was ? 'MODIFIED' : 'ADDED', object: after });
    } else if (was) {
      before.metadata.resourceVersion = String(now.modRevision);
      this.#push({ type: 'DELETED', object: before });
    }
  }

  #error(code: DatastoreErrorCode, reason: string): DatastoreError {
    const { op, resource } = this.#settings.operation;
    return new DatastoreError({ code, op, resource, reason });
  }
}

/** A watch that could not even be asked for. */
export function failedWatch<R>(error: unknown): WatchStream<R> {
  let told = false;
  return {
    drain: () => [],
    next() {
      if (told) return Promise.resolve({ done: true, value: undefined });
      told = true;
      return Promise.reject(error);
    },
    return: () => Promise.resolve({ done: true, value: undefined }),
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
