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
 * every open request is rejected and `closed` resolves.
 */
export class LineRpc {
  readonly #pipe: LinePipe;
  readonly #handlers: Handlers;
  readonly #open = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #lastId = 0;
  readonly closed: Promise<void>;

  constructor(pipe: LinePipe, handlers: Handlers) {
    this.#pipe = pipe;
    this.#handlers = handlers;
    this.closed = this.#read();
  }

  /** Asks the other side. Rejects with its error's text, or when the pipe ends. */
  request<T>(method: string, params: unknown = {}): Promise<T> {
    const id = ++this.#lastId;
    return new Promise<T>((resolve, reject) => {
      this.#open.set(id, { resolve: value => resolve(value as T), reject });
      this.#send({ id, method, params });
    });
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    let rest = '';
    for await (const chunk of this.#pipe.input) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.#receive(JSON.parse(line) as Frame);
    }
    for (const { reject } of this.#open.values()) reject(new Error('the other half of the lab has ended'));
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
    this.#pipe.write(`${JSON.stringify(frame)}\n`);
  }
}
