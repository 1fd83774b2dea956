import { type Clock, type Random, randomInt } from '@calico/reconcile';
import { type ClientDuplexStream, type ClientUnaryCall, type Client as GrpcClient, Metadata } from '@grpc/grpc-js';
import { DatastoreError } from '../error.ts';
import type { EtcdConfig } from './config.ts';
import { Endpoint } from './endpoint.ts';
import type { KeyRange } from './key-range.ts';
import { calls, type WatchRequest, type WatchResponse } from './messages.ts';
import { isTokenRefused, type Operation, statusError } from './status-error.ts';
import type { Message } from './wire.ts';

/** One of etcd's calls with one answer. */
export interface Call<Q, A> {
  readonly path: string;
  readonly request: Message<Q>;
  readonly response: Message<A>;
}

/** An endpoint and a connection to it. */
interface Path {
  readonly endpoint: Endpoint;
  readonly client: GrpcClient;
}

/** A watch stream under way, and what it is on. */
export interface OpenStream extends Path {
  readonly stream: ClientDuplexStream<Partial<WatchRequest>, WatchResponse>;
}

/** How a call ended that was not answered. */
interface Failure {
  readonly code: number;
  readonly details: string;
  readonly timedOut: boolean;
}

/**
 * The way to an etcd of one or several endpoints. One endpoint is used until it fails; the next one that connects is used from
 * then on. A request goes out on a connection that stands, so what fails before was certainly not done.
 */
export class Connection {
  readonly #endpoints: readonly Endpoint[];
  readonly #auth: EtcdConfig['auth'];
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  /** The endpoint in use, as an index. */
  #current: number;
  #connecting: Promise<Endpoint> | undefined;
  #token: Promise<string> | undefined;

  constructor(config: EtcdConfig, clock: Clock, random: Random, timeoutMs: number) {
    if (config.endpoints.length === 0) {
      throw new TypeError('Cannot use etcd: endpoints is empty; allowed: at least one URL');
    }
    this.#endpoints = config.endpoints.map(url => new Endpoint(url, config.tls, clock));
    // Many clients of one configuration spread over the members.
    this.#current = randomInt(random, config.endpoints.length);
    this.#auth = config.auth;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** Asks and gives the answer. Rejects with a DatastoreError. A token that is no longer taken is renewed once. */
  async call<Q, A>(operation: Operation, call: Call<Q, A>, request: Partial<Q>): Promise<A> {
    for (let renewed = false; ; renewed = true) {
      const metadata = await this.#metadata(operation);
      const path = await this.#connected(operation);
      const answer = await this.#ask(path.client, call, request, metadata);
      if ('value' in answer) return answer.value;
      const { failure } = answer;
      if (!renewed && this.#auth !== undefined && isTokenRefused(failure.code, failure.details)) {
        this.#token = undefined;
        continue;
      }
      throw this.#error(operation, path, failure);
    }
  }

  /** Opens a stream for a watch of a range. */
  async watch(operation: Operation, range: KeyRange): Promise<OpenStream> {
    // A watch does not say that its token is too old, a read does.
    if (this.#auth !== undefined) await this.call(operation, calls.range, { ...range, limit: 1, keysOnly: true });
    const metadata = await this.#metadata(operation);
    const { endpoint, client } = await this.#connected(operation);
    // A member that lost its leader ends the watch then, instead of keeping silent.
    metadata.set('hasleader', 'true');
    const { path, request, response } = calls.watch;
    const stream = client.makeBidiStreamRequest<Partial<WatchRequest>, WatchResponse>(
      path,
      request.encode,
      response.decode,
      metadata,
    );
    return { stream, endpoint, client };
  }

  /** A connection is in trouble: the next endpoint is used from now on. */
  leave({ endpoint, client }: Path): void {
    endpoint.drop(client);
    if (this.#endpoints[this.#current] === endpoint) this.#current = (this.#current + 1) % this.#endpoints.length;
  }

  close(): void {
    for (const endpoint of this.#endpoints) endpoint.drop();
  }

  async #connected(operation: Operation): Promise<Path> {
    const current = this.#endpoints[this.#current];
    if (current?.ready) return { endpoint: current, client: current.client };
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    });
    try {
      const endpoint = await this.#connecting;
      return { endpoint, client: endpoint.client };
    } catch (err) {
      const { op, resource } = operation;
      const reason = err instanceof Error ? err.message : String(err);
      throw new DatastoreError({ code: 'Unavailable', op, resource, reason, cause: err });
    }
  }

  /** Tries each endpoint once, the one in use first. */
  async #connect(): Promise<Endpoint> {
    const troubles: string[] = [];
    for (let i = 0; i < this.#endpoints.length; i++) {
      const at = (this.#current + i) % this.#endpoints.length;
      const endpoint = this.#endpoints[at];
      if (endpoint === undefined) continue;
      const trouble = await endpoint.connect(this.#timeoutMs);
      if (trouble === undefined) {
        this.#current = at;
        return endpoint;
      }
      troubles.push(`${endpoint.url}: ${trouble}`);
    }
    throw new Error(troubles.join('; '));
  }

  async #metadata(operation: Operation): Promise<Metadata> {
    const metadata = new Metadata();
    if (this.#auth === undefined) return metadata;
    this.#token ??= this.#authenticate(operation);
    try {
      metadata.set('token', await this.#token);
    } catch (err) {
      this.#token = undefined;
      throw err;
    }
    return metadata;
  }

  async #authenticate({ op, resource }: Operation): Promise<string> {
    const { username = '', password = '' } = this.#auth ?? {};
    const operation = { op, resource, write: false };
    const path = await this.#connected(operation);
    const request = { name: username, password };
    const answer = await this.#ask(path.client, calls.authenticate, request, new Metadata());
    if ('value' in answer) return answer.value.token;
    throw this.#error(operation, path, answer.failure);
  }

  #ask<Q, A>(
    client: GrpcClient,
    { path, request: { encode }, response: { decode } }: Call<Q, A>,
    request: Partial<Q>,
    metadata: Metadata,
  ): Promise<{ readonly value: A } | { readonly failure: Failure }> {
    return new Promise(resolve => {
      let timedOut = false;
      let call: ClientUnaryCall | undefined;
      const timer = this.#clock.setTimeout(() => {
        timedOut = true;
        call?.cancel();
      }, this.#timeoutMs);
      call = client.makeUnaryRequest<Partial<Q>, A>(path, encode, decode, request, metadata, (err, value) => {
        timer.cancel();
        if (err !== null) resolve({ failure: { code: err.code, details: err.details, timedOut } });
        else if (value === undefined) resolve({ failure: { code: 13, details: 'an empty answer', timedOut } });
        else resolve({ value });
      });
    });
  }

  /** What a failed call is to be told as. Trouble on the way makes the next call take another one. */
  #error({ op, resource, write }: Operation, path: Path, { code, details, timedOut }: Failure): DatastoreError {
    const { url } = path.endpoint;
    const reason = `${url} did not answer within ${this.#timeoutMs / 1000} s`;
    const error = timedOut
      ? new DatastoreError({ code: 'Timeout', op, resource, reason, outcomeUnknown: write })
      : statusError({ op, resource, write }, url, code, details);
    if (error.code === 'Unavailable' || error.code === 'Timeout') this.leave(path);
    return error;
  }
}
