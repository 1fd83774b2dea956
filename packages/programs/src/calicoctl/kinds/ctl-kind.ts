import type { CalicoctlTable, Resource } from '@calico/api';
import type { ListResult, ObjectKey } from '@calico/datastore';
import type { CtlStore } from '../store.ts';

/** How the objects of a kind are read and written. */
export interface CtlMethods {
  list(store: CtlStore, namespace?: string): Promise<ListResult<Resource>>;
  get(store: CtlStore, key: ObjectKey): Promise<Resource>;
  create(store: CtlStore, resource: Resource): Promise<Resource>;
  /** Stores `next`, which was made from `current`. */
  update(store: CtlStore, next: Resource, current: Resource): Promise<Resource>;
  delete(store: CtlStore, key: ObjectKey): Promise<void>;
}

/** A kind of resources as calicoctl deals with it, however the datastore keeps it. */
export interface CtlKind extends CtlMethods {
  readonly kind: string;
  readonly apiVersion: string;
  readonly plural: string;
  readonly namespaced: boolean;
  /** What else users may call it, in lower case. */
  readonly aliases: readonly string[];
  readonly table: CalicoctlTable;
  /** The wide table, where it needs more than the resources themselves. */
  wideTable?(store: CtlStore): Promise<CalicoctlTable>;
  /** Paths of fields that the kind does not have. */
  unknownFields(value: unknown): string[];
  /** What is wrong with a resource that is to be written; one line each. */
  faults(resource: Resource): string[];
}

/** `IPPool(pool-1)`, `NetworkPolicy(shop/web)`. */
export function printId(kind: Pick<CtlKind, 'kind'>, key: ObjectKey): string {
  return `${kind.kind}(${key.namespace === undefined ? key.name : `${key.namespace}/${key.name}`})`;
}

/** The methods of a kind that each datastore keeps in its own way. */
export function byDatastore(of: { readonly kubernetes: CtlMethods; readonly etcdv3: CtlMethods }): CtlMethods {
  return {
    list: (store, namespace) => of[store.type].list(store, namespace),
    get: (store, key) => of[store.type].get(store, key),
    create: (store, resource) => of[store.type].create(store, resource),
    update: (store, next, current) => of[store.type].update(store, next, current),
    delete: (store, key) => of[store.type].delete(store, key),
  };
}
