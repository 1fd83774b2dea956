import { IPAMHandle } from '@calico/api';
import { isAlreadyExists, isOutcomeUnknown } from '@calico/datastore';
import { cidr } from '@calico/ip';
import { IpamError } from './error.ts';
import { handleName } from './names.ts';
import { AGAIN, retrying } from './retry.ts';
import { type IpamStore, lostRace } from './store.ts';

/** How many handles are remembered to skip reading them. */
const REMEMBERED = 1000;

/** What a request has counted in its handle for a block that did not give it the addresses. */
export class Surplus {
  /** The handle as this request wrote it last: only of exactly that may the surplus be taken back. */
  handle: IPAMHandle | undefined;
  block: string | undefined;
  count = 0;

  /** Notes more of a block. What there was of another has been taken back by then. */
  add(block: string, count: number): void {
    this.count = (this.block === block ? this.count : 0) + count;
    this.block = this.count > 0 ? block : undefined;
  }

  /** Leaves it counted: too many does no harm, and `Releases.settle` finds it. */
  clear(): void {
    this.block = undefined;
    this.count = 0;
  }
}

/** What a handle may be when it grows. */
export interface HandleLimits {
  /** The most addresses of a family; 0: any number. */
  readonly most?: number | undefined;
  /** It must not have been there before the request. */
  readonly fresh?: boolean | undefined;
}

/**
 * Handles: in which blocks an owner has how many addresses. A handle grows before the block is written and shrinks
 * after, so it may count too many (a crash between, a lost answer), never too few; `Releases` settles that.
 */
export class Handles {
  readonly #store: IpamStore;
  /** Last known, the oldest first. Only to skip reads: a write of an old one is refused. */
  readonly #known = new Map<string, IPAMHandle>();

  constructor(store: IpamStore) {
    this.#store = store;
  }

  /** The handle as stored now. */
  async read(id: string): Promise<IPAMHandle | undefined> {
    const found = await this.#store.handle(id);
    this.#remember(id, found);
    return found;
  }

  /** The handle as last seen, else as stored now. */
  async recall(id: string): Promise<IPAMHandle | undefined> {
    return this.#known.get(handleName(id)) ?? (await this.read(id));
  }

  /**
   * Counts more addresses of a block, and takes a surplus in another block back with the same write; creates the handle
   * when there is none. Throws HandleFull when it would count more than `most` of the block's family (0: any number), and
   * HandleExists when it should be `fresh` and this request did not create it.
   */
  async increment(
    id: string,
    block: string,
    count: number,
    surplus: Surplus,
    { most = 0, fresh = false }: HandleLimits = {},
  ): Promise<void> {
    let known = this.#known.get(handleName(id));
    await retrying(`add to handle "${id}"`, async () => {
      if (fresh && known !== undefined && surplus.handle === undefined) {
        throw new IpamError('HandleExists', `Cannot create handle "${id}": it exists already`);
      }
      if (surplus.handle !== known) surplus.clear();
      if (most > 0 && known !== undefined && countOf(known, block) - surplus.count + count > most) {
        throw new IpamError('HandleFull', `Cannot add to handle "${id}": it has addresses; allowed: ${most}`);
      }
      try {
        const written =
          known === undefined
            ? await this.#store.create(newHandle(id, block, count))
            : await this.#store.update(
                withCount(
                  surplus.block === block ? known : without(known, surplus),
                  block,
                  (known.spec.block[block] ?? 0) + count,
                ),
              );
        this.#remember(id, written);
        surplus.handle = written;
        if (surplus.block !== block) surplus.clear();
        return undefined;
      } catch (err) {
        if (!isAlreadyExists(err) && !lostRace(err) && !isOutcomeUnknown(err)) throw err;
        known = await this.read(id);
        return AGAIN;
      }
    });
  }

  /** Takes a surplus back, if nobody wrote the handle since; else, and in doubt, it stays counted and this gives false. */
  async takeBack(id: string, surplus: Surplus): Promise<boolean> {
    const known = this.#known.get(handleName(id));
    if (known === undefined || known !== surplus.handle) return false;
    return (await this.replace(known, without(known, surplus))) === 'done';
  }

  /** Counts fewer addresses of a block; a handle of no addresses is deleted. What is not counted is left alone. */
  async decrement(id: string, block: string, count: number): Promise<void> {
    let known = await this.recall(id);
    await retrying(`take from handle "${id}"`, async () => {
      const before = known?.spec.block[block] ?? 0;
      if (known === undefined || before === 0) return undefined;
      const outcome = await this.replace(known, withCount(known, block, before - count));
      if (outcome === 'done') return undefined;
      known = await this.read(id);
      // In doubt, it is done: counting too many does no harm.
      if (outcome === 'unknown' && known?.spec.block[block] !== before) return undefined;
      return AGAIN;
    });
  }

  /** Writes a handle that has not changed since it was read, deletes it when empty. */
  async replace(before: IPAMHandle, after: IPAMHandle): Promise<'done' | 'lost' | 'unknown'> {
    const id = before.spec.handleID;
    this.#remember(id, undefined);
    try {
      if (Object.keys(after.spec.block).length > 0) this.#remember(id, await this.#store.update(after));
      else await this.#store.remove(before);
      return 'done';
    } catch (err) {
      if (isOutcomeUnknown(err)) return 'unknown';
      if (lostRace(err)) return 'lost';
      throw err;
    }
  }

  #remember(id: string, handle: IPAMHandle | undefined): void {
    const name = handleName(id);
    this.#known.delete(name);
    if (handle === undefined) return;
    this.#known.set(name, handle);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= REMEMBERED) break;
      this.#known.delete(oldest);
    }
  }
}

function without(handle: IPAMHandle, { block, count }: Surplus): IPAMHandle {
  return block === undefined ? handle : withCount(handle, block, (handle.spec.block[block] ?? 0) - count);
}

/** How many addresses a handle counts, in all blocks of the family of one. */
function countOf(handle: IPAMHandle, block: string): number {
  const { family } = cidr(block).addr;
  return Object.entries(handle.spec.block)
    .filter(([text]) => cidr(text).addr.family === family)
    .reduce((sum, [, count]) => sum + count, 0);
}

function newHandle(id: string, block: string, count: number): IPAMHandle {
  return {
    apiVersion: `${IPAMHandle.group}/${IPAMHandle.version}`,
    kind: IPAMHandle.kind,
    metadata: { name: handleName(id) },
    spec: { handleID: id, block: { [block]: count }, deleted: false },
  };
}

/** The handle with the count of one block changed; a block of none is left out. */
export function withCount(handle: IPAMHandle, block: string, count: number): IPAMHandle {
  const blocks = { ...handle.spec.block };
  if (count > 0) blocks[block] = count;
  else delete blocks[block];
  return { ...handle, spec: { ...handle.spec, block: blocks } };
}
