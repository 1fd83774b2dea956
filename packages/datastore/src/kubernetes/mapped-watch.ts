import type { WatchEvent, WatchStream } from '../client.ts';

/** A watch whose source is opened on first use and whose events are changed, or left out, on the way. */
export class MappedWatch<R> implements WatchStream<R> {
  readonly #open: () => Promise<WatchStream<R>>;
  readonly #change: (event: WatchEvent<R>) => WatchEvent<R> | undefined;
  #source: WatchStream<R> | undefined;
  #left = false;

  /** `change` gives undefined for an event that nobody is to see. */
  constructor(open: () => Promise<WatchStream<R>>, change: (event: WatchEvent<R>) => WatchEvent<R> | undefined) {
    this.#open = open;
    this.#change = change;
  }

  drain(): WatchEvent<R>[] {
    return (this.#source?.drain() ?? []).flatMap(event => this.#change(event) ?? []);
  }

  async next(): Promise<IteratorResult<WatchEvent<R>>> {
    while (!this.#left) {
      this.#source ??= await this.#open();
      const { done, value } = await this.#source.next();
      if (done) break;
      const event = this.#change(value);
      if (event !== undefined) return { done: false, value: event };
    }
    return { done: true, value: undefined };
  }

  async return(): Promise<IteratorResult<WatchEvent<R>>> {
    this.#left = true;
    await this.#source?.return?.();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
