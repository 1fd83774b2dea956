import { BlockAffinity, IPAMBlock, IPAMHandle, type Kind, type Resource } from '@calico/api';
import {
  affinityName,
  blockName,
  type Client,
  DatastoreError,
  isConflict,
  isNotFound,
  isOutcomeUnknown,
} from '@calico/datastore';
import type { Cidr, Family } from '@calico/ip';
import { affinityLabels, handleName } from './names.ts';
import type { Owner } from './owner.ts';

/** A kind whose objects are marked before they are deleted. */
type Stored = IPAMBlock | BlockAffinity | IPAMHandle;

/**
 * IPAM's objects in the datastore. Reads finish deletions that stopped half-way, and give undefined for what is absent.
 * Writes are compare-and-swap: they reject with Conflict or NotFound when the object has changed since it was read, and
 * with an error that `isOutcomeUnknown` when the answer was lost.
 */
export class IpamStore {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  /** The block of a CIDR. */
  block(cidr: Cidr): Promise<IPAMBlock | undefined> {
    return this.#read(IPAMBlock, blockName(cidr));
  }

  /** All blocks. */
  blocks(): Promise<IPAMBlock[]> {
    return this.#list(IPAMBlock);
  }

  /** The affinity of an owner to a CIDR. */
  affinity(owner: Owner, cidr: Cidr): Promise<BlockAffinity | undefined> {
    return this.#read(BlockAffinity, affinityName(owner.name, cidr));
  }

  /** The affinities of an owner, of one family or both. */
  async affinities(owner: Owner, family?: Family): Promise<BlockAffinity[]> {
    const labels = Object.entries(affinityLabels(owner, family)).map(([key, value]) => `${key}=${value}`);
    const items = await this.#list(BlockAffinity, labels.join(','));
    return items.filter(({ spec }) => spec.node === owner.name && (spec.type ?? 'host') === owner.type);
  }

  /** All affinities. */
  allAffinities(): Promise<BlockAffinity[]> {
    return this.#list(BlockAffinity);
  }

  /** The handle of an ID. */
  handle(id: string): Promise<IPAMHandle | undefined> {
    return this.#read(IPAMHandle, handleName(id));
  }

  /** All handles. */
  handles(): Promise<IPAMHandle[]> {
    return this.#list(IPAMHandle);
  }

  /** Stores a new object. */
  create<R extends Stored>(object: R): Promise<R> {
    return this.#client.create(kindOf(object), object);
  }

  /** Replaces an object that has not changed since. */
  update<R extends Stored>(object: R): Promise<R> {
    return this.#client.update(kindOf(object), object);
  }

  /**
   * Deletes an object that has not changed since it was read. Calico marks it as deleted first, from when Kubernetes could
   * not compare on deletion; the version as precondition does the same in one write.
   */
  async remove(object: Stored): Promise<void> {
    await this.#client.delete(kindOf(object), { name: object.metadata.name }, preconditions(object));
  }

  async #read<R extends Stored>(kind: Kind<R>, name: string): Promise<R | undefined> {
    try {
      const found = await this.#client.get(kind, { name });
      if (!isMarked(found)) return found;
      await this.#finish(kind, found);
      return undefined;
    } catch (err) {
      if (isNotFound(err)) return undefined;
      throw err;
    }
  }

  async #list<R extends Stored>(kind: Kind<R>, labelSelector?: string): Promise<R[]> {
    const { items } = await this.#client.list(kind, labelSelector === undefined ? {} : { labelSelector });
    const marked = items.filter(isMarked);
    if (marked.length === 0) return items;
    await Promise.all(marked.map(item => this.#finish(kind, item)));
    return items.filter(item => !isMarked(item));
  }

  /** Deletes what is marked. A failure here is nobody's: the mark stays, and the next reader ends it. */
  async #finish<R extends Resource>(kind: Kind<R>, object: R): Promise<void> {
    try {
      await this.#client.delete(kind, { name: object.metadata.name }, preconditions(object));
    } catch (err) {
      if (!(err instanceof DatastoreError)) throw err;
    }
  }
}

/** That it is this very object, as it was read. */
function preconditions({ metadata: { uid, resourceVersion } }: Resource): { uid?: string; resourceVersion?: string } {
  return {
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
}

function isMarked({ spec }: Stored): boolean {
  return spec.deleted === true;
}

/** Whether a write was refused because the object changed, appeared or vanished since it was read. */
export function lostRace(err: unknown): boolean {
  return !isOutcomeUnknown(err) && (isConflict(err) || isNotFound(err));
}

const KINDS = new Map<string, unknown>([BlockAffinity, IPAMBlock, IPAMHandle].map(kind => [kind.kind, kind]));

function kindOf<R extends Stored>(object: R): Kind<R> {
  return KINDS.get(object.kind) as Kind<R>;
}
