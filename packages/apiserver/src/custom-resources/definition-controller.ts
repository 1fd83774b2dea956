import type { Kind } from '@calico/api';
import type { StoreEvent } from '../history.ts';
import { type KindRegistry, resourceName } from '../kind-registry.ts';
import { ApiError } from '../status.ts';
import type { Store } from '../store.ts';
import { INTERNAL_WRITE, type Writer } from '../writer.ts';
import { customKinds } from './custom-kind.ts';
import { CLEANUP_FINALIZER } from './definition-admission.ts';
import { CustomResourceDefinition, DEFINITIONS, definedResource } from './definition-kind.ts';
import { hasCelRules } from './structural-schema.ts';

const isRace = (cause: unknown): boolean => cause instanceof ApiError && (cause.code === 404 || cause.code === 409);

/** Whether a stored definition has rules in CEL. */
export function hasStoredCelRules(store: Store): boolean {
  return store.list(DEFINITIONS).some(entry => hasCelRules(entry.object));
}

/** The kinds of every stored definition. */
export function storedCustomKinds(store: Store): Kind[] {
  return store.list(DEFINITIONS).flatMap(entry => customKinds(entry.object));
}

/** Deletes the objects of a definition that is being deleted, then lets it go. Every step can be repeated. */
export class DefinitionController {
  readonly #store: Store;
  readonly #writer: Writer;
  readonly #registry: KindRegistry;

  constructor(store: Store, writer: Writer, registry: KindRegistry) {
    this.#store = store;
    this.#writer = writer;
    this.#registry = registry;
  }

  /** Looks at every definition that is being deleted. */
  async sync(): Promise<void> {
    for (const { name, object } of this.#store.list(DEFINITIONS)) {
      if (object.metadata.deletionTimestamp !== undefined) await this.#empty(name);
    }
  }

  /** Looks again when a definition changed or an object went. */
  async react(events: readonly StoreEvent[]): Promise<void> {
    if (events.some(({ type, entry }) => type === 'DELETED' || entry.resource === DEFINITIONS)) await this.sync();
  }

  async #empty(name: string): Promise<void> {
    const resource = definedResource(name);
    const entries = this.#store.list(resource);
    const kind = this.#registry.kinds.find(k => resourceName(k) === resource);
    const pending = entries
      .filter(entry => entry.object.metadata.deletionTimestamp === undefined)
      .map(entry => (kind === undefined ? undefined : this.#writer.delete(kind, entry, { dryRun: false })));
    for (const outcome of await Promise.allSettled(pending)) {
      if (outcome.status === 'rejected' && !isRace(outcome.reason)) throw outcome.reason;
    }
    if (entries.length > 0 && kind !== undefined) return;
    const key = { resource: DEFINITIONS, namespace: '', name };
    try {
      await this.#writer.patch(
        CustomResourceDefinition,
        key,
        undefined,
        now => ({
          ...now,
          metadata: {
            ...now.metadata,
            finalizers: (now.metadata.finalizers ?? []).filter(f => f !== CLEANUP_FINALIZER),
          },
        }),
        INTERNAL_WRITE,
      );
    } catch (cause) {
      if (!isRace(cause)) throw cause;
    }
  }
}
