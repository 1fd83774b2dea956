import type { WatchEvent, WatchStream } from '../client.ts';

/** A watch stream fed from within the process: what is pushed comes out in order, also after `end` or `fail`. */
export class EventQueue<R> implements WatchStream<R> {
  #events: WatchEvent<R>[] = [];
  #waiting: { resolve(result: IteratorResult<WatchEvent<R>>): void; reject(err: unknown): void } | undefined;
  #closed: { readonly error: unknown } | undefined;
  readonly #onClose: () => void;

  /** `onClose` is called once, when the reader leaves or the queue is ended. */
  constructor(onClose: () => void) {
    this.#onClose = onClose;
  }

  /** Adds an event; ignored when closed. */
  push(event: WatchEvent<R>): void {
    if (this.#closed !== undefined) return;
    const waiting = this.#waiting;
    if (waiting === undefined) {
      this.#events.push(event);
      return;
    }
    this.#waiting = undefined;
    waiting.resolve({ done: false, value: event });
  }

  /** No more events: the reader's loop ends after those already pushed. */
  end(): void {
    this.#close(undefined);
  }

  /** As end, but the reader's loop throws `error`. */
  fail(error: unknown): void {
    this.#close(error);
  }

  #close(error: unknown): void {
    if (this.#closed !== undefined) return;
    this.#closed = { error };
    this.#onClose();
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) return;
    if (error === undefined) waiting.resolve({ done: true, value: undefined });
    else waiting.reject(error);
  }

  drain(): WatchEvent<R>[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  next(): Promise<IteratorResult<WatchEvent<R>>> {
    const event = this.#events.shift();
    if (event !== undefined) return Promise.resolve({ done: false, value: event });
    const closed = this.#closed;
    if (closed !== undefined) {
      if (closed.error === undefined) return Promise.resolve({ done: true, value: undefined });
      this.#closed = { error: undefined };
      return Promise.reject(closed.error);
    }
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  return(): Promise<IteratorResult<WatchEvent<R>>> {
    this.#events = [];
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
