import type { IPAMBlock } from '@calico/api';
import { isOutcomeUnknown } from '@calico/datastore';
import { type Cidr, printCidr } from '@calico/ip';
import type { Clock } from '@calico/reconcile';
import {
  addressState,
  allocate,
  allocateOrdinal,
  type Claim,
  collectCooled,
  freeCount,
  reservedIn,
  sequenceNumber,
} from './block.ts';
import type { BlockCell, Job, Outcome } from './block-cell.ts';
import { IpamError, isIpamError } from './error.ts';
import type { Handles } from './handles.ts';
import type { Logger } from './log.ts';
import { AGAIN, retrying } from './retry.ts';

/** Addresses wanted from one block. */
export interface Wanted extends Claim {
  readonly reservations: readonly Cidr[];
  /** How long released addresses rest, in seconds. */
  readonly cooldownSeconds: number;
  /** Only while the block has this affinity. */
  readonly affinity?: string;
  /** The most addresses of the family that the handle may have; 0 or absent: any number. */
  readonly maxPerHandle?: number | undefined;
}

/** Writes addresses of a block to a handle: first the handle, then the block, so that no address is without owner. */
export class Assignment {
  readonly #handles: Handles;
  readonly #clock: Pick<Clock, 'wallTime'>;
  readonly #log: Logger | undefined;

  constructor(handles: Handles, clock: Pick<Clock, 'wallTime'>, log: Logger | undefined) {
    this.#handles = handles;
    this.#clock = clock;
    this.#log = log;
  }

  /** How many addresses of a block can be given out that are not promised yet, by what is known of it. */
  spare(cell: BlockCell, wanted: Wanted): number {
    if (cell.last === undefined) return 0;
    const block = collectCooled(cell.last, this.#clock.wallTime(), wanted.cooldownSeconds);
    return freeCount(block, reservedIn(cell.cidr, wanted.reservations)) - cell.held;
  }

  /** Up to `count` addresses of a block, as ordinals; fewer or none when it has no more or is not to be used. */
  async take(cell: BlockCell, count: number, wanted: Wanted): Promise<number[]> {
    const reserved = reservedIn(cell.cidr, wanted.reservations);
    const job = (want: number): Job<number[]> => ({
      apply: block => {
        const nothing: Outcome<number[]> = { block, result: [], landed: () => undefined };
        if (wanted.affinity !== undefined && block.spec.affinity !== wanted.affinity) return nothing;
        const { block: next, ordinals } = allocate(this.#collected(block, wanted), want, wanted, reserved);
        return ordinals.length === 0 ? nothing : outcome(block, next, ordinals, wanted.handle);
      },
    });
    const what = `assign from block ${printCidr(cell.cidr)}`;
    return await retrying(what, async () => {
      await cell.load();
      const want = Math.min(count, this.spare(cell, wanted));
      if (want <= 0) return [];
      try {
        return await this.#write(cell, want, wanted, job(want));
      } catch (err) {
        if (isIpamError(err, 'NotFound')) return [];
        throw err;
      }
    });
  }

  /** One particular address. Throws AlreadyExists when it is in use or cooling, Conflict and NotFound as the block is. */
  async takeOrdinal(cell: BlockCell, ordinal: number, wanted: Wanted): Promise<void> {
    const job: Job<number[]> = {
      apply: block => {
        if (wanted.affinity !== undefined && block.spec.affinity !== wanted.affinity) {
          const owner = block.spec.affinity ?? '';
          throw new IpamError(
            'Conflict',
            `Cannot assign from block ${printCidr(cell.cidr)}: its affinity is "${owner}"`,
          );
        }
        return outcome(
          block,
          allocateOrdinal(this.#collected(block, wanted), ordinal, wanted),
          [ordinal],
          wanted.handle,
        );
      },
    };
    await retrying(`assign from block ${printCidr(cell.cidr)}`, () => this.#write(cell, 1, wanted, job));
  }

  #collected(block: IPAMBlock, { cooldownSeconds }: Wanted): IPAMBlock {
    return collectCooled(block, this.#clock.wallTime(), cooldownSeconds);
  }

  /** Counts in the handle, writes the block, and takes back what was counted too much. */
  async #write(cell: BlockCell, count: number, wanted: Wanted, job: Job<number[]>): Promise<number[] | typeof AGAIN> {
    const { handle, maxPerHandle } = wanted;
    const cidr = printCidr(cell.cidr);
    const done = cell.hold(count);
    const { epoch } = cell;
    try {
      await this.#handles.increment(handle, cidr, count, maxPerHandle);
      const ordinals = await this.#submit(cell, count, handle, { ...job, epoch });
      // Counted anew on the next try: whoever releases this handle meanwhile must see it change.
      const over = ordinals === 'lost' ? count : count - ordinals.length;
      if (over > 0) await this.#handles.decrement(handle, cidr, over);
      return ordinals === 'lost' ? AGAIN : ordinals;
    } finally {
      done();
    }
  }

  async #submit(cell: BlockCell, count: number, handle: string, job: Job<number[]>): Promise<number[] | 'lost'> {
    try {
      return await cell.submit(job);
    } catch (err) {
      if (!isOutcomeUnknown(err)) await this.#takeBack(handle, printCidr(cell.cidr), count, err);
      throw err;
    }
  }

  async #takeBack(handle: string, cidr: string, count: number, cause: unknown): Promise<void> {
    try {
      await this.#handles.decrement(handle, cidr, count);
    } catch (err) {
      this.#log?.warn({ err, cause, handle, block: cidr, count }, 'handle counts addresses that were not assigned');
    }
  }
}

function outcome(before: IPAMBlock, block: IPAMBlock, ordinals: number[], handle: string): Outcome<number[]> {
  const at = sequenceNumber(before);
  return {
    block,
    result: ordinals,
    landed: later => {
      const found = ordinals.map(ordinal => later && addressState(later, ordinal));
      const mine = found.every(
        state => state?.state === 'allocated' && state.handle === handle && state.sequenceNumber === at,
      );
      return mine ? ordinals : undefined;
    },
  };
}
