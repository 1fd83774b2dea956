import type { Kind, Resource } from '@calico/api';

/** The datastores that Calico can have. */
export type DatastoreType = 'kubernetes' | 'etcdv3';

/** The name of one object of a kind. */
export interface ObjectKey {
  readonly name: string;
  /** Needed for namespaced kinds, absent for cluster-scoped ones. */
  readonly namespace?: string;
}

/** Which objects of a kind. */
export interface Selection {
  /** Absent: all namespaces. */
  readonly namespace?: string;
  /** In the Kubernetes language: `app=web,tier in (a,b),!old`. */
  readonly labelSelector?: string;
  /** Such as `metadata.name=web` or `spec.nodeName=node-1`. */
  readonly fieldSelector?: string;
}

/** All objects of a list, and the state they show. */
export interface ListResult<R> {
  readonly items: R[];
  /** Where a watch has to start so that nothing is missed. */
  readonly resourceVersion: string;
}

/** Is given a part of a list; `first`: the one that the list begins with, or begins anew. */
export type TakePage<R> = (items: R[], first: boolean) => void | Promise<void>;

/**
 * A change seen by a watch. A BOOKMARK only says how far the watch has come; the first one, of the version where it starts,
 * that the server has taken it.
 */
export type WatchEvent<R> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: R }
  | { readonly type: 'BOOKMARK'; readonly resourceVersion: string };

/** A watch under way. Leaving the loop, or the signal, ends it. */
export interface WatchStream<R> extends AsyncIterableIterator<WatchEvent<R>> {
  /** Takes the events that have been received already, without waiting; often none. */
  drain(): WatchEvent<R>[];
}

/** Options of a watch. */
export interface WatchOptions extends Selection {
  /** Changes after this version are given. */
  readonly resourceVersion: string;
  readonly signal: AbortSignal;
}

/** How a delete is done. */
export interface DeleteOptions {
  /** Only an object with this uid; another one counts as NotFound. */
  readonly uid?: string;
  /** Only this version; else Conflict. */
  readonly resourceVersion?: string;
  /** Seconds that a pod gets to end; 0 takes it out of the store at once, as a kubelet does. The server's choice unless given. */
  readonly gracePeriodSeconds?: number;
}

/** How a patch is meant: RFC 7386 merge patch, Kubernetes' strategic merge patch, RFC 6902 JSON patch. */
export type PatchType = 'merge' | 'strategic' | 'json';

/** Options of a patch. */
export interface PatchOptions {
  readonly type: PatchType;
  readonly subresource?: 'status';
}

/**
 * A store of resources, as the Kubernetes API has it. Every method rejects with a DatastoreError.
 *
 * Objects are the caller's own: changing one never changes the store. Reads are retried inside, writes never:
 * a write whose answer was lost rejects with `outcomeUnknown`.
 */
export interface Client {
  /** The object; NotFound when absent. */
  get<R extends Resource>(kind: Kind<R>, key: ObjectKey): Promise<R>;
  /** All objects of the selection, of one moment. */
  list<R extends Resource>(kind: Kind<R>, options?: Selection): Promise<ListResult<R>>;
  /**
   * The same for long lists: `take` is given the objects as they arrive and is waited for, while more are on their way. When the
   * list has to begin anew, it is given all once more, and what it had before counts no longer. Gives the version of the list.
   * The objects have what views of the cluster are made of, which may be less than what `get` gives: they are not for writing.
   */
  listPages<R extends Resource>(kind: Kind<R>, options: Selection, take: TakePage<R>): Promise<string>;
  /** Stores a new object and gives it as stored, with defaults, uid and resourceVersion. AlreadyExists, Invalid. */
  create<R extends Resource>(kind: Kind<R>, resource: R): Promise<R>;
  /** Replaces an object. With metadata.resourceVersion set: only that version, else Conflict. NotFound when absent. */
  update<R extends Resource>(kind: Kind<R>, resource: R): Promise<R>;
  /** Replaces the status alone; as update otherwise. */
  updateStatus<R extends Resource>(kind: Kind<R>, resource: R): Promise<R>;
  /** Changes parts of an object on the server. NotFound when absent; Conflict when a version in the patch is old. */
  patch<R extends Resource>(kind: Kind<R>, key: ObjectKey, patch: unknown, options: PatchOptions): Promise<R>;
  /** Deletes an object. NotFound when absent, Conflict when a precondition does not hold. */
  delete<R extends Resource>(kind: Kind<R>, key: ObjectKey, options?: DeleteOptions): Promise<void>;
  /** Changes after a version, in order. Ends when the server closes it; rejects with Gone when the version is too old. */
  watch<R extends Resource>(kind: Kind<R>, options: WatchOptions): WatchStream<R>;
}

/** The key of an object. */
export function keyOf(resource: Resource): ObjectKey {
  const { name, namespace } = resource.metadata;
  return namespace === undefined ? { name } : { name, namespace };
}

/** `default/web` or `pool-1`: a key as one string, for maps. */
export function printKey(key: ObjectKey): string {
  return key.namespace === undefined ? key.name : `${key.namespace}/${key.name}`;
}

/** The key that `printKey` has printed: neither part can have a `/`. */
export function parseKey(text: string): ObjectKey {
  const at = text.indexOf('/');
  return at < 0 ? { name: text } : { namespace: text.slice(0, at), name: text.slice(at + 1) };
}
