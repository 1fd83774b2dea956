import type { CalicoctlTable, Resource } from '@calico/api';
import type { Client, ListResult, ObjectKey } from '@calico/datastore';

/** A kind of resources as calicoctl deals with it, however the datastore keeps it. */
export interface CtlKind {
  readonly kind: string;
  readonly apiVersion: string;
  readonly plural: string;
  readonly namespaced: boolean;
  /** What else users may call it, in lower case. */
  readonly aliases: readonly string[];
  readonly table: CalicoctlTable;
  /** The wide table, where it needs more than the resources themselves. */
  wideTable?(client: Client): Promise<CalicoctlTable>;
  list(client: Client, namespace?: string): Promise<ListResult<Resource>>;
  get(client: Client, key: ObjectKey): Promise<Resource>;
  create(client: Client, resource: Resource): Promise<Resource>;
  /** Stores `next`, which was made from `current`. */
  update(client: Client, next: Resource, current: Resource): Promise<Resource>;
  delete(client: Client, key: ObjectKey): Promise<void>;
  /** Paths of fields that the kind does not have. */
  unknownFields(value: unknown): string[];
  /** What is wrong with a resource that is to be written; one line each. */
  faults(resource: Resource): string[];
}

/** `IPPool(pool-1)`, `NetworkPolicy(shop/web)`. */
export function printId(kind: Pick<CtlKind, 'kind'>, key: ObjectKey): string {
  return `${kind.kind}(${key.namespace === undefined ? key.name : `${key.namespace}/${key.name}`})`;
}
