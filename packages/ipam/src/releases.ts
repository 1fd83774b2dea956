import type { IPAMBlock, IPAMHandle } from '@calico/api';
import { type Addr, type Cidr, cidr, cidrContains, maskCidr, ordinalOf, printAddr, printCidr } from '@calico/ip';
import type { Clock } from '@calico/reconcile';
import { addressState, blockCidr, collectCooled, ordinalsOfHandle, release } from './block.ts';
import { type BlockCell, isGone } from './block-cell.ts';
import type { BlockCells } from './block-cells.ts';
import { IpamError, isIpamError } from './error.ts';
import { type Handles, withCount } from './handles.ts';
import type { Logger } from './log.ts';
import { poolOfAddress } from './pools.ts';
import { AGAIN, retrying } from './retry.ts';
import type { Settings } from './settings.ts';
import type { IpamStore } from './store.ts';

/** An address to be given back. */
export interface ReleaseRequest {
  readonly address: Addr;
  /** Only if this is its handle. */
  readonly handle?: string;
  /** Only if it was assigned when the block had this sequence number. */
  readonly sequenceNumber?: bigint;
}

/** What a release did to one block. */
interface Released {
  /** How many addresses each handle gave back. */
  readonly counts: ReadonlyMap<string, number>;
  readonly unallocated: Addr[];
  /** Whether it was this release, or another at the same time, that freed the addresses. */
  readonly doubtful: boolean;
}

/** Gives addresses back: first the block, then the handle. */
export class Releases {
  readonly #store: IpamStore;
  readonly #cells: BlockCells;
  readonly #handles: Handles;
  readonly #clock: Pick<Clock, 'wallTime'>;
  readonly #log: Logger | undefined;

  constructor(deps: {
    readonly store: IpamStore;
    readonly cells: BlockCells;
    readonly handles: Handles;
    readonly clock: Pick<Clock, 'wallTime'>;
    readonly log: Logger | undefined;
  }) {
    this.#store = deps.store;
    this.#cells = deps.cells;
    this.#handles = deps.handles;
    this.#clock = deps.clock;
    this.#log = deps.log;
  }

  /**
   * Releases all that a handle has and deletes the handle. Gives the CIDRs of its blocks. Throws NotFound when there is
   * no such handle. Counts without an address (a crash before the block was written) are settled: the block is written
   * once, so that whoever is still about to assign loses, and then the handle is deleted. `onFreed` is told before that,
   * and waited for.
   */
  async byHandle(id: string, cooldownSeconds: number, onFreed?: () => void | Promise<void>): Promise<Cidr[]> {
    const touched = new Map<string, Cidr>();
    await retrying(`release handle "${id}"`, async () => {
      const handle = touched.size === 0 ? await this.#handles.recall(id) : await this.#handles.read(id);
      if (handle === undefined) {
        if (touched.size > 0) return undefined;
        throw new IpamError('NotFound', `Cannot release handle "${id}": it does not exist`);
      }
      const blocks = Object.keys(handle.spec.block).map(text => cidr(text));
      for (const block of blocks) touched.set(printCidr(block), block);
      const freed = (block: IPAMBlock) => this.#release(block, ordinalsOfHandle(block, id), cooldownSeconds);
      await Promise.all(blocks.map(block => this.#write(block, id, freed)));
      await onFreed?.();
      return (await this.#count(handle, new Map())) ? undefined : AGAIN;
    });
    return [...touched.values()];
  }

  /** Makes a handle count what it has: after a crash, or an answer that was lost, it may count more. */
  async settle(id: string): Promise<void> {
    await retrying(`settle handle "${id}"`, async () => {
      const handle = await this.#handles.read(id);
      if (handle === undefined) return undefined;
      const counts = new Map<string, number>();
      await Promise.all(
        Object.keys(handle.spec.block).map(async text => {
          const has = await this.#write(cidr(text), id, block => block);
          counts.set(text, has);
        }),
      );
      return (await this.#count(handle, counts)) ? undefined : AGAIN;
    });
  }

  /** Writes the counts of a handle (none: 0) if it has not changed since; false when it may have. */
  async #count(handle: IPAMHandle, counts: ReadonlyMap<string, number>): Promise<boolean> {
    const blocks = Object.keys(handle.spec.block);
    const counted = blocks.reduce((left, block) => withCount(left, block, counts.get(block) ?? 0), handle);
    return (await this.#handles.replace(handle, counted)) === 'done';
  }

  /** Writes a block in any case, if there is one; gives how many addresses a handle has there then. */
  async #write(block: Cidr, id: string, change: (block: IPAMBlock) => IPAMBlock): Promise<number> {
    try {
      return await this.#cells.of(block).submit({
        apply: before => {
          const after = { ...change(before) };
          const has = ordinalsOfHandle(after, id).length;
          return {
            block: after,
            result: has,
            landed: later => (later === undefined && isGone(after) ? has : undefined),
          };
        },
      });
    } catch (err) {
      if (isIpamError(err, 'NotFound')) return 0;
      throw err;
    }
  }

  /**
   * Releases addresses, block by block. Gives those that nobody had, and the CIDRs of the blocks. One address with
   * another handle or sequence number than asked for rejects with Conflict and keeps all of its block.
   */
  async addresses(
    requests: readonly ReleaseRequest[],
    settings: Settings,
  ): Promise<{ unallocated: Addr[]; blocks: Cidr[] }> {
    const { groups, unknown } = await this.#byBlock(requests, settings);
    const results = await Promise.allSettled(
      groups.map(async group => {
        const released = await this.#fromBlock(group.cell, group.requests, settings.config.ipCooldownSeconds);
        await this.#uncount(group.cell.cidr, released);
        return released.unallocated;
      }),
    );
    const unallocated = [...unknown];
    for (const result of results) {
      if (result.status === 'rejected') throw result.reason;
      unallocated.push(...result.value);
    }
    return { unallocated, blocks: groups.map(({ cell }) => cell.cidr) };
  }

  async #fromBlock(cell: BlockCell, requests: readonly ReleaseRequest[], cooldownSeconds: number): Promise<Released> {
    const nothing: Released = {
      counts: new Map(),
      unallocated: requests.map(({ address }) => address),
      doubtful: false,
    };
    try {
      return await cell.submit<Released>({
        apply: before => {
          const { ordinals, counts, unallocated } = examine(before, requests);
          return {
            block: ordinals.length === 0 ? before : this.#release(before, ordinals, cooldownSeconds),
            result: { counts, unallocated, doubtful: false },
            // Somebody else may have released and uncounted them too: what is left is counted anew.
            landed: later =>
              ordinals.some(ordinal => later !== undefined && sameOwner(before, later, ordinal))
                ? undefined
                : { counts, unallocated, doubtful: true },
          };
        },
      });
    } catch (err) {
      if (isIpamError(err, 'NotFound')) return nothing;
      throw err;
    }
  }

  #release(block: IPAMBlock, ordinals: readonly number[], cooldownSeconds: number): IPAMBlock {
    const now = this.#clock.wallTime();
    return collectCooled(release(block, ordinals, now), now, cooldownSeconds);
  }

  /** The addresses are free already; what goes wrong from here on leaves handles that count too many. */
  async #uncount(block: Cidr, { counts, doubtful }: Released): Promise<void> {
    for (const [handle, count] of counts) {
      try {
        if (doubtful) await this.settle(handle);
        else await this.#handles.decrement(handle, printCidr(block), count);
      } catch (err) {
        this.#log?.warn({ err, handle, block: printCidr(block), count }, 'handle counts addresses that were released');
      }
    }
  }

  /** The requests by block: by the pools' block sizes, else by looking at all blocks. */
  async #byBlock(
    requests: readonly ReleaseRequest[],
    settings: Settings,
  ): Promise<{ groups: { cell: BlockCell; requests: ReleaseRequest[] }[]; unknown: Addr[] }> {
    const groups = new Map<BlockCell, ReleaseRequest[]>();
    const unknown: Addr[] = [];
    let all: Cidr[] | undefined;
    for (const request of requests) {
      const pool = poolOfAddress(settings.pools, request.address);
      let block: Cidr | undefined;
      if (pool !== undefined) block = cidr(`${printAddr(request.address)}/${pool.blockSize}`);
      else {
        all ??= (await this.#store.blocks()).map(blockCidr);
        block = all.find(known => cidrContains(known, request.address));
      }
      if (block === undefined) unknown.push(request.address);
      else {
        const cell = this.#cells.of(maskCidr(block));
        groups.set(cell, [...(groups.get(cell) ?? []), request]);
      }
    }
    return { groups: [...groups].map(([cell, grouped]) => ({ cell, requests: grouped })), unknown };
  }
}

/** What requests find in a block. Throws Conflict for the first that asks for another owner than there is. */
function examine(
  block: IPAMBlock,
  requests: readonly ReleaseRequest[],
): Omit<Released, 'doubtful'> & { ordinals: number[] } {
  const ordinals = new Set<number>();
  const counts = new Map<string, number>();
  const unallocated: Addr[] = [];
  for (const { address, handle, sequenceNumber } of requests) {
    const ordinal = Number(ordinalOf(blockCidr(block), address));
    const found = addressState(block, ordinal);
    if (found.state !== 'allocated') {
      unallocated.push(address);
      continue;
    }
    const what = `Cannot release ${printAddr(address)}`;
    if (handle !== undefined && found.handle?.toLowerCase() !== handle.toLowerCase()) {
      throw new IpamError('Conflict', `${what}: its handle is "${found.handle ?? ''}"; asked for: "${handle}"`);
    }
    if (sequenceNumber !== undefined && found.sequenceNumber !== sequenceNumber) {
      throw new IpamError(
        'Conflict',
        `${what}: its sequence number is ${found.sequenceNumber}; asked for: ${sequenceNumber}`,
      );
    }
    if (ordinals.has(ordinal)) continue;
    ordinals.add(ordinal);
    if (found.handle !== undefined) counts.set(found.handle, (counts.get(found.handle) ?? 0) + 1);
  }
  return { ordinals: [...ordinals], counts, unallocated };
}

/** Whether an address has the same owner, since the same time, in two states of a block. */
function sameOwner(before: IPAMBlock, later: IPAMBlock, ordinal: number): boolean {
  const [a, b] = [addressState(before, ordinal), addressState(later, ordinal)];
  return (
    a.state === 'allocated' && b.state === 'allocated' && a.handle === b.handle && a.sequenceNumber === b.sequenceNumber
  );
}
