import type { IPAMBlock } from '@calico/api';
import { isOutcomeUnknown } from '@calico/datastore';
import { type Cidr, printCidr } from '@calico/ip';
import type { Clock, Random } from '@calico/reconcile';
import {
  addressState,
  allocate,
  allocateOrdinal,
  blockCidr,
  type Claim,
  collectCooled,
  freeCount,
  reservedIn,
  sequenceNumber,
} from './block.ts';
import type { BlockCell, Job, Outcome } from './block-cell.ts';
import { IpamError, isIpamError } from './error.ts';
import type { Handles, Surplus } from './handles.ts';
import type { Logger } from './log.ts';
import type { Releases } from './releases.ts';
import { AGAIN, letOthersGoFirst, retrying } from './retry.ts';

/** Addresses wanted from one block. */
export interface Wanted extends Claim {
  readonly reservations: readonly Cidr[];
  /** How long released addresses rest, in seconds. */
  readonly cooldownSeconds: number;
  /** Only while the block has this affinity. */
  readonly affinity?: string;
  /** The most addresses of the family that the handle may have; 0 or absent: any number. */
  readonly maxPerHandle?: number | undefined;
  /** The handle must not have been there before the request. */
  readonly newHandle?: boolean | undefined;
  /** What the request counted too many, until `settle`. */
  readonly surplus: Surplus;
}

/** Writes addresses of a block to a handle: first the handle, then the block, so that no address is without owner. */
export class Assignment {
  readonly #handles: Handles;
  readonly #releases: Pick<Releases, 'settle'>;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Logger | undefined;

  constructor(deps: {
    readonly handles: Handles;
    readonly releases: Pick<Releases, 'settle'>;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Logger | undefined;
  }) {
    this.#handles = deps.handles;
    this.#releases = deps.releases;
    this.#clock = deps.clock;
    this.#random = deps.random;
    this.#log = deps.log;
  }

  /** How many addresses of a block can be given out that are not promised yet, by what is known of it. */
  spareIn(cell: BlockCell, wanted: Wanted): number {
    return cell.last === undefined ? 0 : this.spare(cell.last, cell.held, wanted);
  }

  /** How many addresses of a block can be given out when some are held for others. */
  spare(block: IPAMBlock, held: number, wanted: Wanted): number {
    const collected = this.#collected(block, wanted);
    return freeCount(collected, reservedIn(blockCidr(block), wanted.reservations)) - held;
  }

  /**
   * Up to `count` addresses of a block, as ordinals; fewer or none when it has no more or is not to be used. `once`: none
   * too when somebody else changes the block first.
   */
  async take(cell: BlockCell, count: number, wanted: Wanted, once = false): Promise<number[]> {
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
    let lost = 0;
    return await retrying(what, async () => {
      await letOthersGoFirst({ clock: this.#clock, random: this.#random }, lost++);
      await cell.load();
      const want = Math.min(count, this.spareIn(cell, wanted));
      if (want <= 0) return [];
      try {
        const ordinals = await this.#write(cell, want, wanted, job(want));
        return ordinals === AGAIN && once ? [] : ordinals;
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

  /** Takes back what a request counted too many. A failure leaves a handle that counts too many, which does no harm. */
  async settle({ handle, surplus }: Wanted): Promise<void> {
    if (surplus.count === 0) return;
    try {
      if (!(await this.#handles.takeBack(handle, surplus))) await this.#releases.settle(handle);
    } catch (err) {
      this.#log?.warn({ err, handle, block: surplus.block }, 'handle counts addresses that were not assigned');
    }
    surplus.clear();
  }

  /** Counts in the handle, then writes the block. AGAIN when somebody else changed the block first: then it counts anew. */
  async #write(cell: BlockCell, count: number, wanted: Wanted, job: Job<number[]>): Promise<number[] | typeof AGAIN> {
    const { handle, maxPerHandle: most, newHandle: fresh, surplus } = wanted;
    const cidr = printCidr(cell.cidr);
    const done = cell.hold(count);
    const { epoch } = cell;
    try {
      await this.#handles.increment(handle, cidr, count, surplus, { most, fresh });
      const ordinals = await this.#submit(cell, count, surplus, { ...job, epoch });
      surplus.add(cidr, ordinals === 'lost' ? count : count - ordinals.length);
      return ordinals === 'lost' ? AGAIN : ordinals;
    } finally {
      done();
    }
  }

  async #submit(cell: BlockCell, count: number, surplus: Surplus, job: Job<number[]>): Promise<number[] | 'lost'> {
    try {
      return await cell.submit(job);
    } catch (err) {
      if (!isOutcomeUnknown(err)) surplus.add(printCidr(cell.cidr), count);
      throw err;
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
