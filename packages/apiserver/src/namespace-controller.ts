import type { AnyResource } from '@calico/api';
import type { StoreEvent } from './history.ts';
import { isJsonObject } from './json.ts';
import { type KindRegistry, resourceName } from './kind-registry.ts';
import { ApiError } from './status.ts';
import type { Store } from './store.ts';
import { INTERNAL_WRITE, type Writer } from './writer.ts';

/** Refusals that mean another writer was faster: the event of that write brings the controller back. */
function isRace(cause: unknown): boolean {
  return cause instanceof ApiError && (cause.code === 404 || cause.code === 409);
}

/**
 * Gives every namespace its `default` ServiceAccount, and empties a namespace that is being deleted before it lets it go.
 * Reacts to commits; every step can be repeated.
 */
export class NamespaceController {
  readonly #store: Store;
  readonly #writer: Writer;
  readonly #registry: KindRegistry;

  constructor(store: Store, writer: Writer, registry: KindRegistry) {
    this.#store = store;
    this.#writer = writer;
    this.#registry = registry;
  }

  /** Looks at every namespace. */
  async sync(): Promise<void> {
    for (const entry of this.#store.list('/namespaces')) await this.#reconcile(entry.object);
  }

  /** Looks at the namespaces that committed changes concern. */
  async react(events: readonly StoreEvent[]): Promise<void> {
    const names = new Set<string>();
    for (const { entry, type } of events) {
      if (entry.resource === '/namespaces' && type !== 'DELETED') names.add(entry.name);
      if (type === 'DELETED' && entry.namespace !== '') names.add(entry.namespace);
    }
    for (const name of names) {
      const namespace = this.#store.get({ resource: '/namespaces', namespace: '', name });
      if (namespace !== undefined) await this.#reconcile(namespace.object);
    }
  }

  async #reconcile(namespace: AnyResource): Promise<void> {
    try {
      if (namespace.metadata.deletionTimestamp === undefined) await this.#ensureServiceAccount(namespace.metadata.name);
      else await this.#empty(namespace);
    } catch (cause) {
      if (!isRace(cause)) throw cause;
    }
  }

  async #ensureServiceAccount(namespace: string): Promise<void> {
    const resource = '/serviceaccounts';
    const kind = this.#registry.byResource(resource);
    if (kind === undefined) return;
    if (this.#store.get({ resource, namespace, name: 'default' }) !== undefined) return;
    await this.#writer.create(kind, namespace, { metadata: { name: 'default' } }, INTERNAL_WRITE);
  }

  async #empty(namespace: AnyResource): Promise<void> {
    const { name } = namespace.metadata;
    const pending: Promise<unknown>[] = [];
    let left = 0;
    for (const kind of this.#registry.kinds.filter(k => k.namespaced)) {
      for (const entry of this.#store.list(resourceName(kind), name)) {
        left++;
        if (entry.object.metadata.deletionTimestamp !== undefined) continue;
        pending.push(this.#writer.delete(kind, entry, { dryRun: false }));
      }
    }
    for (const outcome of await Promise.allSettled(pending)) {
      if (outcome.status === 'rejected' && !isRace(outcome.reason)) throw outcome.reason;
    }
    const kind = this.#registry.byResource('/namespaces');
    if (left > 0 || kind === undefined) return;
    const spec = isJsonObject(namespace.spec) ? namespace.spec : {};
    const finalizers = Array.isArray(spec.finalizers) ? spec.finalizers.filter(f => f !== 'kubernetes') : [];
    const key = { resource: '/namespaces', namespace: '', name };
    await this.#writer.patch(kind, key, 'finalize', now => ({ ...now, spec: { ...spec, finalizers } }), INTERNAL_WRITE);
  }
}
