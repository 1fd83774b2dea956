import { type Kind, printJson, type Resource } from '@calico/api';
import { backoff, type Clock, type Random } from '@calico/reconcile';
import type {
  Client,
  DeleteOptions,
  ListResult,
  ObjectKey,
  PatchOptions,
  PatchType,
  Selection,
  TakePage,
  WatchOptions,
  WatchStream,
} from '../client.ts';
import { keyOf } from '../client.ts';
import { DatastoreError, isGone, printResource } from '../error.ts';
import type { KubernetesConfig } from './config.ts';
import { collectionPath, objectPath } from './path.ts';
import { readsProtobuf } from './protobuf.ts';
import { processClock, processRandom } from './system-time.ts';
import { type ApiRequest, Transport } from './transport.ts';
import { KubernetesWatch } from './watch-stream.ts';

/** What a kubernetesClient can be told beside the server. */
export interface KubernetesClientOptions {
  readonly clock?: Clock;
  readonly random?: Random;
  /** For one answer, in ms; 30 s. */
  readonly requestTimeoutMs?: number;
  /** Objects per page of a list; 500. */
  readonly pageSize?: number;
  /** How often a read is tried again after trouble on the way; 3. Writes never are. */
  readonly readRetries?: number;
  /** A watch on which nothing came for this long, not even a bookmark (servers send one a minute), is ended; 90 s. */
  readonly watchSilenceMs?: number;
}

const CONTENT_TYPES: Record<PatchType, string> = {
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  json: 'application/json-patch+json',
};

/** Servers end a watch after a time; asking for different ones keeps the clients from returning all at once. In s. */
const WATCH_SECONDS = { least: 300, spread: 300 };
const RETRY_DELAYS = { base: 50, max: 2000 };
/** No server's wish to come back later holds up a read for longer; ms. */
const LONGEST_WISH = 10_000;

interface Page {
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
  readonly items?: readonly unknown[] | null;
}

/** A Client of a Kubernetes API server (Kubernetes documentation, "Kubernetes API Concepts"). */
class KubernetesClient implements Client {
  readonly #transport: Transport;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #timeoutMs: number;
  readonly #pageSize: number;
  readonly #retries: number;
  readonly #silenceMs: number;

  constructor(config: KubernetesConfig, options: KubernetesClientOptions) {
    this.#clock = options.clock ?? processClock;
    this.#random = options.random ?? processRandom;
    this.#transport = new Transport(config, this.#clock);
    this.#timeoutMs = options.requestTimeoutMs ?? 30_000;
    this.#pageSize = options.pageSize ?? 500;
    this.#retries = options.readRetries ?? 3;
    this.#silenceMs = options.watchSilenceMs ?? 90_000;
  }

  async get<R extends Resource>(kind: Kind<R>, key: ObjectKey): Promise<R> {
    const op = 'get';
    return typed(kind, await this.#read(op, nameOf(kind, key), objectPath(kind, key, op)));
  }

  async list<R extends Resource>(kind: Kind<R>, selection: Selection = {}): Promise<ListResult<R>> {
    return await this.#anewWhenGone(async limit => {
      const items: R[] = [];
      const resourceVersion = await this.#pages(kind, selection, limit, page => {
        for (const item of page) items.push(item);
      });
      return { items, resourceVersion };
    });
  }

  async listPages<R extends Resource>(kind: Kind<R>, selection: Selection, take: TakePage<R>): Promise<string> {
    return await this.#anewWhenGone(limit => this.#pages(kind, selection, limit, take, readsProtobuf(kind)));
  }

  async #anewWhenGone<T>(list: (limit: number) => Promise<T>): Promise<T> {
    for (let limit = this.#pageSize; ; limit = 0) {
      try {
        return await list(limit);
      } catch (err) {
        // The state that the pages showed is no longer kept: the next try takes everything in one answer.
        if (!isGone(err) || limit === 0) throw err;
      }
    }
  }

  /** Gives the pages to `take`, which is waited for while the next is on its way; gives the version of the list. */
  async #pages<R extends Resource>(
    kind: Kind<R>,
    selection: Selection,
    limit: number,
    take: TakePage<R>,
    protobuf = false,
  ): Promise<string> {
    const { namespace, labelSelector, fieldSelector } = selection;
    const ask = (from?: string): Promise<unknown> => {
      const query = { labelSelector, fieldSelector, limit: limit === 0 ? undefined : String(limit), continue: from };
      const path = collectionPath(kind, namespace);
      const answer = this.#read('list', listOf(kind, namespace), path, query, protobuf);
      // Its failure is met when it is waited for, which may be later.
      answer.catch(() => undefined);
      return answer;
    };
    let next = ask();
    for (let first = true; ; first = false) {
      const { items, metadata } = (await next) as Page;
      const from = metadata?.continue;
      if (from) next = ask(from);
      const taken = take(
        (items ?? []).map(item => typed(kind, item)),
        first,
      );
      if (taken !== undefined) await taken;
      if (!from) return metadata?.resourceVersion ?? '';
    }
  }

  async create<R extends Resource>(kind: Kind<R>, resource: R): Promise<R> {
    const key = keyOf(resource);
    const op = 'create';
    if (kind.namespaced && !key.namespace) {
      throw invalid(kind, key, op, 'metadata.namespace is empty; allowed: a namespace');
    }
    const { resourceVersion } = resource.metadata;
    if (resourceVersion) {
      throw invalid(kind, key, op, `metadata.resourceVersion is "${resourceVersion}"; allowed: none, when creating`);
    }
    return typed(kind, await this.#write(op, nameOf(kind, key), 'POST', collectionPath(kind, key.namespace), resource));
  }

  async update<R extends Resource>(kind: Kind<R>, resource: R): Promise<R> {
    const key = keyOf(resource);
    const op = 'update';
    return typed(kind, await this.#write(op, nameOf(kind, key), 'PUT', objectPath(kind, key, op), resource));
  }

  async updateStatus<R extends Resource>(kind: Kind<R>, resource: R): Promise<R> {
    const key = keyOf(resource);
    const op = 'updateStatus';
    const path = objectPath(kind, key, op, kind.statusSubresource ? 'status' : undefined);
    return typed(kind, await this.#write(op, nameOf(kind, key), 'PUT', path, resource));
  }

  async patch<R extends Resource>(kind: Kind<R>, key: ObjectKey, patch: unknown, options: PatchOptions): Promise<R> {
    const op = 'patch';
    const path = objectPath(kind, key, op, options.subresource);
    return typed(kind, await this.#write(op, nameOf(kind, key), 'PATCH', path, patch, CONTENT_TYPES[options.type]));
  }

  async delete<R extends Resource>(kind: Kind<R>, key: ObjectKey, options?: DeleteOptions): Promise<void> {
    const op = 'delete';
    const { gracePeriodSeconds, ...preconditions } = options ?? {};
    // Always with a body: see Transport on requests that must be sent once only.
    const body = {
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      ...(Object.keys(preconditions).length === 0 ? {} : { preconditions }),
      ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
    };
    await this.#write(op, nameOf(kind, key), 'DELETE', objectPath(kind, key, op), body);
  }

  watch<R extends Resource>(kind: Kind<R>, options: WatchOptions): WatchStream<R> {
    const { namespace, labelSelector, fieldSelector, resourceVersion, signal } = options;
    const operation = { op: 'watch', resource: listOf(kind, namespace), write: false };
    const seconds = WATCH_SECONDS.least + Math.floor(this.#random.next() * WATCH_SECONDS.spread);
    return new KubernetesWatch<R>({
      kind,
      operation,
      server: this.#transport.server,
      resourceVersion,
      signal,
      clock: this.#clock,
      silenceMs: this.#silenceMs,
      open: () =>
        this.#transport.open({
          ...operation,
          method: 'GET',
          path: collectionPath(kind, namespace),
          query: {
            watch: 'true',
            allowWatchBookmarks: 'true',
            timeoutSeconds: String(seconds),
            resourceVersion,
            labelSelector,
            fieldSelector,
          },
          timeoutMs: this.#timeoutMs,
          signal,
        }),
    });
  }

  #write(
    op: string,
    resource: string,
    method: ApiRequest['method'],
    path: string,
    body: unknown,
    contentType?: string,
  ) {
    return this.#transport.ask({
      op,
      resource,
      write: true,
      method,
      path,
      timeoutMs: this.#timeoutMs,
      ...(body === undefined ? {} : { body: printJson(body) }),
      ...(contentType === undefined ? {} : { contentType }),
    });
  }

  /** A read; tried again after trouble on the way, with growing delays, or when the server asks for it. */
  async #read(
    op: string,
    resource: string,
    path: string,
    query: ApiRequest['query'] = {},
    protobuf = false,
  ): Promise<unknown> {
    const delays = backoff(RETRY_DELAYS, this.#random);
    for (;;) {
      try {
        const timeoutMs = this.#timeoutMs;
        const request = { op, resource, write: false, method: 'GET', path, query, timeoutMs, protobuf } as const;
        return await this.#transport.ask(request);
      } catch (err) {
        if (!(err instanceof DatastoreError) || err.code !== 'Unavailable' || delays.failures >= this.#retries)
          throw err;
        await this.#clock.sleep(Math.max(delays.next(), Math.min(err.retryAfterMs ?? 0, LONGEST_WISH)));
      }
    }
  }
}

/** What came as an object of the kind. Items of a list carry no apiVersion and kind; the caller counts on them. */
function typed<R extends Resource>(kind: Kind<R>, value: unknown): R {
  const resource = value as R;
  resource.apiVersion = kind.apiVersion;
  resource.kind = kind.kind;
  return resource;
}

function nameOf(kind: Pick<Kind, 'kind'>, key: ObjectKey): string {
  return printResource(kind.kind, key.namespace, key.name);
}

function listOf(kind: Pick<Kind, 'kind'>, namespace: string | undefined): string {
  return printResource(kind.kind, namespace, '*');
}

function invalid(kind: Pick<Kind, 'kind'>, key: ObjectKey, op: string, reason: string): DatastoreError {
  return new DatastoreError({ code: 'Invalid', op, resource: nameOf(kind, key), reason });
}

/**
 * A Client of the API server that `config` names (see `loadKubeconfig`). It opens no connection until used, and keeps those it
 * has open for the next request.
 */
export function kubernetesClient(config: KubernetesConfig, options: KubernetesClientOptions = {}): Client {
  return new KubernetesClient(config, options);
}
