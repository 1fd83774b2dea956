/** A server for tests: plain HTTP on a free port, one token, a clock that stands still. */
import { ClockFake } from '@calico/reconcile';
import type { ServerLog } from './handler.ts';
import { type ApiServer, type ApiServerOptions, startApiServer } from './server.ts';

/** A log that keeps errors, for tests to find that there were none. */
export class LogFake implements ServerLog {
  readonly errors: string[] = [];
  info(): void {}
  warn(): void {}
  error(fields: object, message: string): void {
    this.errors.push(`${message}: ${'err' in fields ? String(fields.err) : ''}`);
  }
}

/** A running server with ways to ask it. */
export interface TestServer {
  readonly server: ApiServer;
  readonly clock: ClockFake;
  readonly log: LogFake;
  /** One request with the good token; the body is sent as JSON. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** Opens a watch. */
  watch(path: string, headers?: Record<string, string>): Promise<WatchReader>;
}

/** What a request was answered. */
export interface Answer {
  readonly code: number;
  readonly body: JsonBody;
  readonly text: string;
  readonly headers: Headers;
}

/** A JSON body as tests read it. */
export interface JsonBody {
  readonly [field: string]: JsonBody;
}

/** The events of a watch, one by one. */
export class WatchReader {
  readonly #reader: { read(): Promise<{ done: boolean; value?: Uint8Array | undefined }>; cancel(): Promise<void> };
  #rest = '';

  constructor(body: ReadableStream<Uint8Array>) {
    this.#reader = body.getReader();
  }

  /** The next event, or undefined when the server ended the watch. */
  async next(): Promise<{ readonly type: string; readonly object: JsonBody } | undefined> {
    for (;;) {
      const end = this.#rest.indexOf('\n');
      if (end >= 0) {
        const line = this.#rest.slice(0, end);
        this.#rest = this.#rest.slice(end + 1);
        return JSON.parse(line);
      }
      const { done, value } = await this.#reader.read();
      if (done) return undefined;
      this.#rest += new TextDecoder().decode(value);
    }
  }

  /** The next `count` events as `TYPE name`. */
  async names(count: number): Promise<string[]> {
    const names: string[] = [];
    while (names.length < count) {
      const event = await this.next();
      if (event === undefined) break;
      names.push(`${event.type} ${event.object.metadata?.name}`);
    }
    return names;
  }

  async close(): Promise<void> {
    await this.#reader.cancel();
  }
}

/** The token that test servers take. */
export const TEST_TOKEN = 'correct-horse';

/** Starts a server on a free port; stop it with `server.stop()`. */
export async function startTestServer(options: Partial<ApiServerOptions> = {}): Promise<TestServer> {
  const clock = new ClockFake();
  const log = new LogFake();
  const server = await startApiServer({
    storePath: ':memory:',
    listen: [{ host: '127.0.0.1', port: 0 }],
    tokens: [{ token: TEST_TOKEN, user: 'admin' }],
    clock,
    log,
    ...options,
  });
  const base = server.urls[0] ?? '';
  const authorization = `Bearer ${TEST_TOKEN}`;
  return {
    server,
    clock,
    log,
    call: async (method, path, body, headers = {}) => {
      const type = { 'content-type': 'application/json' };
      const response = await fetch(base + path, {
        method,
        headers: { authorization, ...(body === undefined ? {} : type), ...headers },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
      const text = await response.text();
      const json = response.headers.get('content-type')?.startsWith('application/json');
      return { code: response.status, body: json ? JSON.parse(text) : {}, text, headers: response.headers };
    },
    watch: async (path, headers = {}) => {
      const response = await fetch(base + path, { headers: { authorization, ...headers } });
      if (response.body === null) throw new Error('the watch has no body');
      return new WatchReader(response.body);
    },
  };
}
