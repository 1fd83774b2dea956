import { type Kind, parseJson, type Resource } from '@calico/api';
import type { Clock } from '@calico/reconcile';
import type { WatchEvent, WatchStream } from '../client.ts';
import { DatastoreError } from '../error.ts';
import { BookmarkRhythm } from './bookmark-rhythm.ts';
import { LineDecoder } from './line-decoder.ts';
import { connectionError, type Operation, statusError } from './status-error.ts';
import type { ApiResponse } from './transport.ts';

/** How a watch is opened and guarded. */
export interface WatchSettings<R extends Resource> {
  readonly kind: Kind<R>;
  readonly operation: Operation;
  readonly server: string;
  readonly resourceVersion: string;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** A connection on which nothing came for this long, not even a bookmark, counts as lost; sooner where bookmarks come often; ms. */
  readonly silenceMs: number;
  open(): Promise<ApiResponse>;
}

/** The part of a stream's reader that is used here. */
interface ByteReader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
}

/** One watch over HTTP: a line of JSON per event. Read when asked, so a slow reader slows the server down. */
export class KubernetesWatch<R extends Resource> implements WatchStream<R> {
  readonly #settings: WatchSettings<R>;
  readonly #lines = new LineDecoder();
  readonly #rhythm: BookmarkRhythm;
  #events: WatchEvent<R>[] = [];
  /** What ended the stream, told after the events before it. */
  #failure: DatastoreError | undefined;
  #answer: ApiResponse | undefined;
  #reader: ByteReader | undefined;
  #done = false;

  constructor(settings: WatchSettings<R>) {
    this.#settings = settings;
    this.#rhythm = new BookmarkRhythm(settings.clock.now());
    settings.signal.addEventListener('abort', this.#close, { once: true });
  }

  drain(): WatchEvent<R>[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  async next(): Promise<IteratorResult<WatchEvent<R>>> {
    for (;;) {
      const event = this.#events.shift();
      if (event !== undefined) return { done: false, value: event };
      if (this.#failure !== undefined) {
        const failure = this.#failure;
        this.#failure = undefined;
        this.#close();
        throw failure;
      }
      if (this.#done || this.#settings.signal.aborted) {
        this.#close();
        return { done: true, value: undefined };
      }
      await this.#read();
    }
  }

  return(): Promise<IteratorResult<WatchEvent<R>>> {
    this.#events = [];
    this.#close();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  readonly #close = (): void => {
    this.#done = true;
    this.#settings.signal.removeEventListener('abort', this.#close);
    this.#answer?.abort();
  };

  async #read(): Promise<void> {
    const { clock, signal, operation, server } = this.#settings;
    const silenceMs = this.#rhythm.silence(this.#settings.silenceMs);
    let silent = false;
    let timer: { cancel(): void } | undefined;
    try {
      if (this.#reader === undefined) {
        this.#reader = await this.#open();
        return;
      }
      timer = clock.setTimeout(() => {
        silent = true;
        this.#answer?.abort();
      }, silenceMs);
      const { done, value } = await this.#reader.read();
      if (value !== undefined) for (const line of this.#lines.push(value)) this.#take(line);
      if (done) this.#done = true;
    } catch (err) {
      // Our own doing: the loop in next() sees the signal.
      if (signal.aborted || (this.#done && !silent)) return;
      if (silent) this.#failure = this.#error('Timeout', `${server} sent nothing for ${silenceMs / 1000} s`, err);
      else this.#failure = err instanceof DatastoreError ? err : connectionError(operation, server, err, false);
    } finally {
      timer?.cancel();
    }
  }

  /** Connects. That the server took the watch is the first thing to tell: a bookmark of where it starts. */
  async #open(): Promise<ByteReader> {
    const answer = await this.#settings.open();
    this.#answer = answer;
    const { body } = answer.response;
    if (body === null) throw this.#error('Internal', 'the answer has no body');
    const reader: ByteReader = body.getReader();
    const { resourceVersion } = this.#settings;
    if (resourceVersion !== '' && resourceVersion !== '0') this.#events.push({ type: 'BOOKMARK', resourceVersion });
    return reader;
  }

  #error(code: 'Timeout' | 'Internal', reason: string, cause?: unknown): DatastoreError {
    const { op, resource } = this.#settings.operation;
    return new DatastoreError({ code, op, resource, reason, cause });
  }

  /** Turns one line into an event, or into the failure that ends the watch. */
  #take(line: string): void {
    if (this.#failure !== undefined) return;
    const { kind, operation } = this.#settings;
    let event: { type?: unknown; object?: unknown };
    try {
      event = Object(parseJson(line));
    } catch (err) {
      this.#failure = this.#error('Internal', `an event is no JSON: "${line.slice(0, 100)}"`, err);
      return;
    }
    const { type, object } = event;
    if (type === 'ERROR') {
      const code = Number(Reflect.get(Object(object), 'code'));
      this.#failure = statusError(operation, Number.isInteger(code) ? code : 500, object);
    } else if (type === 'BOOKMARK') {
      const resource = object as R;
      this.#rhythm.bookmark(this.#settings.clock.now());
      this.#events.push({ type, resourceVersion: resource.metadata.resourceVersion ?? '' });
    } else if (type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED') {
      const resource = object as R;
      resource.apiVersion = kind.apiVersion;
      resource.kind = kind.kind;
      this.#events.push({ type, object: resource });
    } else {
      this.#failure = this.#error('Internal', `the type of an event is "${String(type)}"`);
    }
  }
}
