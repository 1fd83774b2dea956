import { linesOf } from './lines-of.ts';

/** What one side can be asked, by name; a handler takes and gives plain JSON. */
export type Handlers = Readonly<Record<string, (params: never) => Promise<unknown> | unknown>>;

/** The two directions of a byte pipe, as processes have them. */
export interface LinePipe {
  readonly input: AsyncIterable<Uint8Array>;
  write(text: string): void;
}

type Frame =
  | { readonly id: number; readonly method: string; readonly params: unknown }
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: string };

/**
 * Requests and answers between the two halves of the lab, a JSON object a line. Both sides may ask. When the pipe ends
 * every open request is rejected and `closed` resolves; so too when something comes that is no JSON.
 */
export class LineRpc {
  readonly #pipe: LinePipe;
  readonly #handlers: Handlers;
  readonly #open = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #lastId = 0;
  #ended: Error | undefined;
  readonly closed: Promise<void>;

  constructor(pipe: LinePipe, handlers: Handlers) {
    this.#pipe = pipe;
    this.#handlers = handlers;
    this.closed = this.#read();
  }

  /** Asks the other side. Rejects with its error's text, or when the pipe ends. */
  request<T>(method: string, params: unknown = {}): Promise<T> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const id = ++this.#lastId;
    return new Promise<T>((resolve, reject) => {
      this.#open.set(id, { resolve: value => resolve(value as T), reject });
      this.#send({ id, method, params });
    });
  }

  async #read(): Promise<void> {
    let reason = 'the other half of the lab has ended';
    try {
      for await (const line of linesOf(this.#pipe.input)) this.#receive(JSON.parse(line) as Frame);
    } catch (error) {
      reason = `the other half of the lab can't be understood: ${error instanceof Error ? error.message : error}`;
    }
    this.#ended = new Error(reason);
    for (const { reject } of this.#open.values()) reject(this.#ended);
    this.#open.clear();
  }

  #receive(frame: Frame): void {
    if ('method' in frame) {
      void this.#answer(frame.id, frame.method, frame.params);
      return;
    }
    const waiting = this.#open.get(frame.id);
    this.#open.delete(frame.id);
    if ('error' in frame) waiting?.reject(new Error(frame.error));
    else waiting?.resolve(frame.result);
  }

  async #answer(id: number, method: string, params: unknown): Promise<void> {
    try {
      const handler = this.#handlers[method];
      if (handler === undefined)
        throw new Error(`Cannot answer "${method}": allowed: ${Object.keys(this.#handlers).join(', ')}`);
      this.#send({ id, result: (await handler(params as never)) ?? null });
    } catch (error) {
      this.#send({ id, error: error instanceof Error ? error.message : String(error) });
    }
  }

  #send(frame: Frame): void {
    // Nobody is there to hear an answer that comes too late.
    if (this.#ended !== undefined) return;
    this.#pipe.write(`${JSON.stringify(frame)}\n`);
  }
}
