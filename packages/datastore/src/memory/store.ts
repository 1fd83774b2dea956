import type { Kind, Resource } from '@calico/api';
import type { ObjectKey, WatchEvent } from '../client.ts';
import { printKey } from '../client.ts';

/** One change, kept for watches that start later. */
export interface Change {
  readonly revision: number;
  /** `group/plural`. */
  readonly collection: string;
  readonly before: Resource | undefined;
  readonly after: Resource | undefined;
}

/** `group/plural` of a kind. */
export function collectionOf(kind: Pick<Kind, 'group' | 'plural'>): string {
  return `${kind.group}/${kind.plural}`;
}

/** The objects of all kinds and the row of changes that led to them. Objects in it are never changed. */
export class MemoryStore {
  readonly #collections = new Map<string, Map<string, Resource>>();
  #changes: Change[] = [];
  #revision = 1;
  /** Changes up to this revision are no longer kept. */
  #compacted = 1;
  readonly #watchers = new Set<(change: Change) => void>();

  /** The number of the newest change. */
  get revision(): number {
    return this.#revision;
  }

  /** The number that the next change will have. */
  get nextRevision(): number {
    return this.#revision + 1;
  }

  get(kind: Kind, key: ObjectKey): Resource | undefined {
    return this.#collections.get(collectionOf(kind))?.get(printKey(key));
  }

  /** All objects of a kind, sorted by namespace and name as API servers do. */
  all(kind: Kind): Resource[] {
    const found = [...(this.#collections.get(collectionOf(kind)) ?? [])];
    return found.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, resource]) => resource);
  }

  /** Puts an object in its place, or removes it, as one change; tells the watchers before it returns. */
  commit(kind: Kind, key: ObjectKey, after: Resource | undefined): void {
    const name = collectionOf(kind);
    const collection = this.#collections.get(name) ?? new Map<string, Resource>();
    this.#collections.set(name, collection);
    const before = collection.get(printKey(key));
    if (after === undefined) collection.delete(printKey(key));
    else collection.set(printKey(key), after);
    this.#revision++;
    const change: Change = { revision: this.#revision, collection: name, before, after };
    this.#changes.push(change);
    for (const watcher of [...this.#watchers]) watcher(change);
  }

  /** The changes after a revision; undefined when some are no longer kept. */
  since(revision: number): readonly Change[] | undefined {
    if (revision < this.#compacted) return undefined;
    return this.#changes.filter(change => change.revision > revision);
  }

  /** Forgets all changes so far. */
  compact(): void {
    this.#changes = [];
    this.#compacted = this.#revision;
  }

  /** Calls on every change from now on; gives what ends it. */
  subscribe(watcher: (change: Change) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }
}

/** What a watch of a selection sees of a change; undefined when nothing. */
export function eventOf(change: Change, matches: (resource: Resource) => boolean): WatchEvent<Resource> | undefined {
  const { before, after, revision } = change;
  const was = before !== undefined && matches(before);
  const is = after !== undefined && matches(after);
  if (is) return { type: was ? 'MODIFIED' : 'ADDED', object: structuredClone(after) };
  if (!was) return undefined;
  const last = structuredClone(before);
  last.metadata.resourceVersion = String(revision);
  return { type: 'DELETED', object: last };
}
