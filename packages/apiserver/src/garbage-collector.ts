/**
 * Deletes what belongs to deleted owners.
 * Source: Kubernetes documentation, "Garbage Collection" (background, foreground and orphan cascading deletion).
 */
import type { AnyResource, OwnerReference } from '@calico/api';
import type { Entry } from './collection.ts';
import type { StoreEvent } from './history.ts';
import type { KindRegistry } from './kind-registry.ts';
import { resourceName } from './kind-registry.ts';
import { ApiError } from './status.ts';
import type { Store } from './store.ts';
import { INTERNAL_WRITE, type Writer } from './writer.ts';

const owners = (object: AnyResource): readonly OwnerReference[] => object.metadata.ownerReferences ?? [];

/** Follows owner references through commits. Every step can be repeated. */
export class GarbageCollector {
  readonly #store: Store;
  readonly #writer: Writer;
  readonly #registry: KindRegistry;
  /** Objects by the uid of an owner. */
  readonly #dependents = new Map<string, Map<string, Entry>>();

  constructor(store: Store, writer: Writer, registry: KindRegistry) {
    this.#store = store;
    this.#writer = writer;
    this.#registry = registry;
  }

  /** Looks at every object, as after a restart. */
  async sync(): Promise<void> {
    const all = this.#registry.kinds.flatMap(kind => [...this.#store.list(resourceName(kind))]);
    await this.react(all.map(entry => ({ type: 'ADDED', entry, previous: undefined })));
  }

  /** Follows committed changes. */
  async react(events: readonly StoreEvent[]): Promise<void> {
    for (const event of events) this.#index(event);
    for (const { type, entry } of events) {
      const uid = entry.object.metadata.uid ?? '';
      if (type === 'DELETED') await this.#ownerGone(uid);
      else {
        await this.#collectIfOrphaned(entry);
        await this.#cascade(entry, uid);
      }
      if (type === 'DELETED') for (const owner of owners(entry.object)) await this.#dependentGone(entry, owner);
    }
  }

  #index({ type, entry, previous }: StoreEvent): void {
    const id = `${entry.resource}:${entry.namespace}/${entry.name}`;
    for (const owner of previous === undefined ? [] : owners(previous.object)) {
      const group = this.#dependents.get(owner.uid);
      group?.delete(id);
      if (group?.size === 0) this.#dependents.delete(owner.uid);
    }
    if (type === 'DELETED') return;
    for (const owner of owners(entry.object)) {
      const group = this.#dependents.get(owner.uid) ?? new Map<string, Entry>();
      this.#dependents.set(owner.uid, group.set(id, entry));
    }
  }

  #dependentsOf(uid: string): Entry[] {
    return [...(this.#dependents.get(uid)?.values() ?? [])];
  }

  /** The object that a reference names, if it is still that one; undefined also for kinds that are not served here. */
  #ownerOf(dependent: Entry, owner: OwnerReference): Entry | undefined {
    const kind = this.#registry.byType(owner.apiVersion, owner.kind);
    if (kind === undefined) return undefined;
    const namespace = kind.namespaced ? dependent.namespace : '';
    const found = this.#store.get({ resource: resourceName(kind), namespace, name: owner.name });
    return found?.object.metadata.uid === owner.uid ? found : undefined;
  }

  async #ownerGone(uid: string): Promise<void> {
    await Promise.all(this.#dependentsOf(uid).map(dependent => this.#collectIfOrphaned(dependent)));
  }

  async #collectIfOrphaned(entry: Entry): Promise<void> {
    const references = owners(entry.object);
    const known = references.filter(o => this.#registry.byType(o.apiVersion, o.kind) !== undefined);
    const absent = known.filter(o => this.#ownerOf(entry, o) === undefined);
    if (absent.length === 0) return;
    if (absent.length === references.length) await this.#delete(entry, 'Background');
    else
      await this.#edit(entry, now =>
        withOwners(
          now,
          owners(now).filter(o => !absent.some(a => a.uid === o.uid)),
        ),
      );
  }

  /** An owner that waits for its dependents: they are deleted (foreground) or let go of (orphan), then it goes. */
  async #cascade(owner: Entry, uid: string): Promise<void> {
    const { deletionTimestamp, finalizers = [] } = owner.object.metadata;
    if (deletionTimestamp === undefined) return;
    if (finalizers.includes('orphan')) {
      const release = (now: AnyResource) =>
        withOwners(
          now,
          owners(now).filter(o => o.uid !== uid),
        );
      await Promise.all(this.#dependentsOf(uid).map(dependent => this.#edit(dependent, release)));
      await this.#edit(owner, now => withoutFinalizer(now, 'orphan'));
    } else if (finalizers.includes('foregroundDeletion')) {
      const dependents = this.#dependentsOf(uid);
      await Promise.all(dependents.map(dependent => this.#delete(dependent, 'Foreground')));
      if (dependents.length === 0) await this.#edit(owner, now => withoutFinalizer(now, 'foregroundDeletion'));
    }
  }

  async #dependentGone(dependent: Entry, reference: OwnerReference): Promise<void> {
    if (this.#dependentsOf(reference.uid).length > 0) return;
    const owner = this.#ownerOf(dependent, reference);
    if (owner !== undefined) await this.#cascade(owner, reference.uid);
  }

  async #delete(entry: Entry, propagationPolicy: 'Background' | 'Foreground'): Promise<void> {
    const kind = this.#registry.byResource(entry.resource);
    const { uid } = entry.object.metadata;
    if (kind === undefined || entry.object.metadata.deletionTimestamp !== undefined) return;
    await ignoreRaces(
      this.#writer.delete(kind, entry, { dryRun: false, propagationPolicy, ...(uid === undefined ? {} : { uid }) }),
    );
  }

  async #edit(entry: Entry, change: (now: AnyResource) => AnyResource): Promise<void> {
    const kind = this.#registry.byResource(entry.resource);
    if (kind !== undefined) await ignoreRaces(this.#writer.patch(kind, entry, undefined, change, INTERNAL_WRITE));
  }
}

function withOwners(object: AnyResource, ownerReferences: OwnerReference[]): AnyResource {
  const { ownerReferences: _before, ...metadata } = object.metadata;
  return { ...object, metadata: { ...metadata, ...(ownerReferences.length === 0 ? {} : { ownerReferences }) } };
}

function withoutFinalizer(object: AnyResource, finalizer: string): AnyResource {
  const { finalizers = [], ...metadata } = object.metadata;
  const left = finalizers.filter(f => f !== finalizer);
  return { ...object, metadata: { ...metadata, ...(left.length === 0 ? {} : { finalizers: left }) } };
}

/** Another writer was faster: its event brings the collector back. */
async function ignoreRaces(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (cause) {
    if (!(cause instanceof ApiError) || (cause.code !== 404 && cause.code !== 409)) throw cause;
  }
}
