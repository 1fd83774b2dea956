import type { Kind, Resource } from '@calico/api';
import { type Client, DatastoreError, type ListResult, type ObjectKey, type Selection } from '@calico/datastore';

/** Sees each write in the moment in which it is done. */
export type OnWrite = (before: Resource | undefined, after: Resource | undefined) => void;

/**
 * A store as IPAM needs it and no more, so that a run takes milliseconds: names, versions, equal labels, preconditions.
 * Nothing is validated or copied: objects are frozen, so whoever changes one it was given is found out.
 */
export class SimStore implements Pick<Client, 'get' | 'list' | 'create' | 'update' | 'delete'> {
  readonly #objects = new Map<string, Map<string, Resource>>();
  readonly #onWrite: OnWrite;
  #revision = 1;

  constructor(onWrite: OnWrite = () => {}) {
    this.#onWrite = onWrite;
  }

  /** All objects of a kind, without a request. */
  all<R extends Resource>(kind: Kind<R>): R[] {
    return [...this.#of(kind).values()] as R[];
  }

  async get<R extends Resource>(kind: Kind<R>, { name }: ObjectKey): Promise<R> {
    return this.#existing('get', kind, name);
  }

  async list<R extends Resource>(kind: Kind<R>, { labelSelector = '' }: Selection = {}): Promise<ListResult<R>> {
    const wanted = labelSelector.split(',').filter(term => term !== '');
    const items = this.all(kind).filter(({ metadata }) =>
      wanted.every(term => {
        const [key = '', value] = term.split('=');
        return metadata.labels?.[key] === value;
      }),
    );
    return { items: items.sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1)), resourceVersion: '' };
  }

  async create<R extends Resource>(kind: Kind<R>, resource: R): Promise<R> {
    const { name } = resource.metadata;
    if (this.#of(kind).has(name)) throw refusal('AlreadyExists', 'create', kind, name);
    return this.#put(kind, { ...resource, metadata: { ...resource.metadata, uid: `uid-${this.#revision}` } });
  }

  async update<R extends Resource>(kind: Kind<R>, resource: R): Promise<R> {
    const { name, uid, resourceVersion } = resource.metadata;
    const { metadata } = this.#existing('update', kind, name);
    if (uid !== undefined && uid !== metadata.uid) throw refusal('NotFound', 'update', kind, name);
    if (resourceVersion !== metadata.resourceVersion) throw refusal('Conflict', 'update', kind, name);
    return this.#put(kind, resource);
  }

  async delete<R extends Resource>(
    kind: Kind<R>,
    { name }: ObjectKey,
    { uid, resourceVersion }: Parameters<Client['delete']>[2] = {},
  ): Promise<void> {
    const before = this.#existing('delete', kind, name);
    if (uid !== undefined && uid !== before.metadata.uid) throw refusal('NotFound', 'delete', kind, name);
    if (resourceVersion !== undefined && resourceVersion !== before.metadata.resourceVersion) {
      throw refusal('Conflict', 'delete', kind, name);
    }
    this.#revision++;
    this.#of(kind).delete(name);
    this.#onWrite(before, undefined);
  }

  #put<R extends Resource>(kind: Kind<R>, resource: R): R {
    const { name } = resource.metadata;
    const before = this.#of(kind).get(name);
    const metadata = { ...resource.metadata, resourceVersion: String(++this.#revision) };
    const after = freeze({ ...resource, metadata });
    this.#of(kind).set(name, after);
    this.#onWrite(before, after);
    return after;
  }

  #of(kind: Pick<Kind, 'kind'>): Map<string, Resource> {
    const found = this.#objects.get(kind.kind) ?? new Map<string, Resource>();
    this.#objects.set(kind.kind, found);
    return found;
  }

  #existing<R extends Resource>(op: string, kind: Kind<R>, name: string): R {
    const found = this.#of(kind).get(name);
    if (found === undefined) throw refusal('NotFound', op, kind, name);
    return found as R;
  }
}

function refusal(code: DatastoreError['code'], op: string, { kind }: Pick<Kind, 'kind'>, name: string): DatastoreError {
  return new DatastoreError({ code, op, resource: `${kind}(${name})`, reason: code });
}

function freeze<T extends object>(value: T): T {
  if (Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const part of Object.values(value)) if (typeof part === 'object' && part !== null) freeze(part);
  return value;
}
