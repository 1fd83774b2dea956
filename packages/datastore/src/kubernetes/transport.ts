import { parseJson } from '@calico/api';
import type { Clock } from '@calico/reconcile';
import { DatastoreError } from '../error.ts';
import type { Credential, KubernetesConfig } from './config.ts';
import { PROTOBUF, readProtobuf } from './protobuf.ts';
import { requestTurns } from './request-limit.ts';
import { connectionError, type Operation, statusError } from './status-error.ts';

/** One request to the API server. */
export interface ApiRequest extends Operation {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: string;
  readonly contentType?: string;
  /** The answer may be in protobuf, as far as `readProtobuf` reads it. */
  readonly protobuf?: boolean;
  /** Until the headers of the answer are there, in ms. */
  readonly timeoutMs: number;
  /** Ends the wait for the headers; later it is for the caller to abort the answer. */
  readonly signal?: AbortSignal;
}

/** An answer whose body is still to be read. */
export interface ApiResponse {
  readonly response: Response;
  /** Ends the exchange, whatever is still to come. */
  abort(): void;
}

type Body = string | Uint8Array;

/** What Bun's fetch takes over and above the standard: its TLS settings, unix sockets, proxies, no idle limit of its own. */
type FetchOptions = BunFetchRequestInit & { readonly timeout?: false };

/** Speaks HTTP with one API server. Connections are kept alive by the runtime, per host and certificate. */
export class Transport {
  readonly #config: KubernetesConfig;
  readonly #base: string;
  #tls:
    | { readonly ca: string | undefined; readonly credential: Credential; readonly options: Bun.TLSOptions }
    | undefined;

  readonly #clock: Clock;
  readonly #turn: ReturnType<typeof requestTurns> | undefined;

  constructor(config: KubernetesConfig, clock: Clock) {
    this.#config = config;
    this.#turn = config.requestLimit && requestTurns(config.requestLimit, clock);
    this.#clock = clock;
    this.#base = config.server.replace(/\/+$/, '');
  }

  /** The server, for error text. */
  get server(): string {
    return this.#config.unix ?? this.#base;
  }

  /** The TLS options; the same object while nothing changed, which spares building the TLS context anew. */
  #tlsOptions(credential: Credential): Bun.TLSOptions {
    const { ca: source, serverName, insecureSkipTlsVerify } = this.#config;
    const ca = typeof source === 'function' ? source() : source;
    if (this.#tls === undefined || this.#tls.ca !== ca || this.#tls.credential.certificate !== credential.certificate) {
      const options: Bun.TLSOptions = {
        ...(ca === undefined ? {} : { ca }),
        ...(serverName === undefined ? {} : { serverName }),
        ...(insecureSkipTlsVerify ? { rejectUnauthorized: false } : {}),
        ...(credential.certificate ?? {}),
      };
      this.#tls = { ca, credential, options };
    }
    return this.#tls.options;
  }

  async #options(request: ApiRequest, signal: AbortSignal): Promise<FetchOptions> {
    const given = this.#config.credentials?.get();
    const credential: Credential = given instanceof Promise ? await given : (given ?? {});
    const { unix, proxyUrl, headers } = this.#config;
    return {
      method: request.method,
      headers: {
        accept: request.protobuf === true ? `${PROTOBUF}, application/json` : 'application/json',
        // Compressing costs more than it saves where API servers and nodes are near each other.
        'accept-encoding': 'identity',
        'user-agent': 'calico',
        ...headers,
        ...(credential.authorization === undefined ? {} : { authorization: credential.authorization }),
        ...(request.body === undefined ? {} : { 'content-type': request.contentType ?? 'application/json' }),
      },
      ...(request.body === undefined ? {} : { body: sentOnce(request) }),
      ...(this.#base.startsWith('https:') ? { tls: this.#tlsOptions(credential) } : {}),
      ...(unix === undefined ? {} : { unix }),
      ...(proxyUrl === undefined ? {} : { proxy: proxyUrl }),
      signal,
      timeout: false,
    };
  }

  /**
   * Sends a request and gives the answer once its headers are there, with a 2xx status; else throws a DatastoreError.
   * When the server refuses the credentials and newer ones can be had, it is sent once more: nothing was done then.
   */
  async open(request: ApiRequest): Promise<ApiResponse> {
    if (this.#turn !== undefined) await this.#wait(request, this.#turn);
    const first = await this.#send(request);
    if (first.response.status !== 401 || this.#config.credentials?.refused() !== true)
      return this.#checked(request, first);
    first.abort();
    return this.#checked(request, await this.#send(request));
  }

  async #wait(request: ApiRequest, turn: ReturnType<typeof requestTurns>): Promise<void> {
    try {
      await turn(request.signal);
    } catch (err) {
      throw connectionError({ ...request, write: false }, this.server, err, false);
    }
  }

  async #send(request: ApiRequest): Promise<ApiResponse> {
    const controller = new AbortController();
    const abort = (): void => controller.abort();
    let timedOut = false;
    const timer = this.#clock.setTimeout(() => {
      timedOut = true;
      abort();
    }, request.timeoutMs);
    request.signal?.addEventListener('abort', abort, { once: true });
    try {
      request.signal?.throwIfAborted();
      const options = await this.#options(request, controller.signal);
      const response = await fetch(this.#base + request.path + printQuery(request.query), options);
      return { response, abort };
    } catch (err) {
      if (err instanceof DatastoreError) throw err;
      throw connectionError(request, this.server, err, timedOut);
    } finally {
      timer.cancel();
      request.signal?.removeEventListener('abort', abort);
    }
  }

  async #checked(request: ApiRequest, answer: ApiResponse): Promise<ApiResponse> {
    const { response } = answer;
    if (response.ok) return answer;
    const body = await this.#body(request, answer);
    throw statusError(request, response.status, tryParse(body), response.headers.get('retry-after'));
  }

  /** The whole body: bytes when it is in protobuf, else text. */
  async #body(request: ApiRequest, answer: ApiResponse): Promise<Body> {
    let timedOut = false;
    const timer = this.#clock.setTimeout(() => {
      timedOut = true;
      answer.abort();
    }, request.timeoutMs);
    try {
      const { response } = answer;
      const isProtobuf = response.headers.get('content-type')?.startsWith(PROTOBUF) === true;
      return isProtobuf ? await response.bytes() : await response.text();
    } catch (err) {
      throw connectionError(request, this.server, err, timedOut);
    } finally {
      timer.cancel();
    }
  }

  /** Sends a request and gives the parsed body of a 2xx answer; throws a DatastoreError otherwise. */
  async ask(request: ApiRequest): Promise<unknown> {
    const body = await this.#body(request, await this.open(request));
    try {
      return parse(body);
    } catch (err) {
      throw new DatastoreError({
        code: 'Internal',
        op: request.op,
        resource: request.resource,
        reason:
          typeof body === 'string'
            ? `the answer of ${this.server} is no JSON: "${body.slice(0, 100)}"`
            : `the answer of ${this.server} cannot be read as protobuf: ${err instanceof Error ? err.message : err}`,
        outcomeUnknown: request.write,
        cause: err,
      });
    }
  }
}

/**
 * The body of a request so that it is sent at most once. On a kept connection that breaks before any answer, Bun sends PUT and
 * DELETE anew by itself, as RFC 9110 §9.2.2 allows; but a write that holds to a version and was done the first time would
 * then look like a lost race. A body that is a stream cannot be sent anew. Other methods are not (Bun 1.4.5).
 */
function sentOnce({ method, body = '' }: ApiRequest): string | ReadableStream<Uint8Array> {
  if (method !== 'PUT' && method !== 'DELETE') return body;
  const bytes = new TextEncoder().encode(body);
  return new ReadableStream({
    start: controller => {
      controller.enqueue(bytes);
      controller.close();
    },
  });
}

function printQuery(query: ApiRequest['query']): string {
  const parts = new URLSearchParams();
  for (const [key, value] of Object.entries(query ?? {}))
    if (value !== undefined && value !== '') parts.set(key, value);
  const text = parts.toString();
  return text === '' ? '' : `?${text}`;
}

/** The parsed body of an error; a server or proxy that speaks plain text gives the text as message. */
function tryParse(body: Body): unknown {
  try {
    return parse(body);
  } catch {
    return { message: typeof body === 'string' ? body.slice(0, 500).trim() : '' };
  }
}

function parse(body: Body): unknown {
  return typeof body === 'string' ? parseJson(body) : readProtobuf(body);
}
