import { BlockAffinity, type IPAMBlock } from '@calico/api';
import { affinityName, blockName, isAlreadyExists, isOutcomeUnknown } from '@calico/datastore';
import { type Cidr, printCidr } from '@calico/ip';
import type { Clock } from '@calico/reconcile';
import { collectCooled, isEmpty, newBlock, nextSequence, sequenceNumber, withoutAffinity } from './block.ts';
import { IpamError } from './error.ts';
import { affinityLabels } from './names.ts';
import { type Owner, printOwner } from './owner.ts';
import { AGAIN, retrying } from './retry.ts';
import { type IpamStore, lostRace } from './store.ts';

/** Under which conditions an affinity is given up. */
export interface ReleaseConditions {
  /** Only when no address is in use or cooling. */
  readonly requireEmpty: boolean;
  /** Only when the block was not written since it had this sequence number. */
  readonly sequenceNumber?: bigint;
  /** How long released addresses rest, in seconds. */
  readonly cooldownSeconds: number;
}

/**
 * How owners get and give up blocks. An affinity is pending until the block says the same, and pendingDeletion before
 * the block stops saying it; so whatever step was the last before a crash, the next call continues from there.
 */
export class Affinities {
  readonly #store: IpamStore;
  readonly #clock: Pick<Clock, 'wallTime'>;

  constructor(store: IpamStore, clock: Pick<Clock, 'wallTime'>) {
    this.#store = store;
    this.#clock = clock;
  }

  /**
   * Makes sure that an owner has a block, with its affinity confirmed; creates both as needed. Gives undefined, and
   * leaves no affinity behind, when somebody else has the block. `known`: the affinity, when it was read just now.
   */
  async claim(owner: Owner, cidr: Cidr, known?: BlockAffinity): Promise<IPAMBlock | undefined> {
    let affinity = known;
    return await retrying(`claim block ${printCidr(cidr)} for ${printOwner(owner)}`, async () => {
      try {
        return await this.#advance(owner, cidr, affinity);
      } catch (err) {
        if (!moved(err)) throw err;
        affinity = await this.#store.affinity(owner, cidr);
        return AGAIN;
      }
    });
  }

  async #advance(owner: Owner, cidr: Cidr, known: BlockAffinity | undefined): Promise<IPAMBlock | undefined> {
    let affinity = known ?? (await this.#store.create(newAffinity(owner, cidr)));
    let block = known === undefined ? undefined : await this.#store.block(cidr);
    if (block === undefined) {
      affinity = await this.#setState(affinity, 'pending');
      const wallTime = this.#clock.wallTime();
      try {
        block = await this.#store.create(newBlock(cidr, blockName(cidr), printOwner(owner), wallTime));
      } catch (err) {
        if (!isAlreadyExists(err)) throw err;
        // With an affinity from before, the block may be the owner's own; a new one came too late.
        if (known !== undefined) return await this.#advance(owner, cidr, affinity);
        await this.#store.remove(affinity);
        return undefined;
      }
    } else if (block.spec.affinity !== printOwner(owner)) {
      await this.#store.remove(affinity);
      return undefined;
    } else if (isConfirmed(affinity)) {
      return block;
    } else {
      affinity = await this.#setState(affinity, 'pending');
      // Whoever is giving up or taking over the block at this moment loses by this write.
      block = await this.#store.update(nextSequence(block));
    }
    await this.#setState(affinity, 'confirmed');
    return block;
  }

  /**
   * Gives up a block: deletes it when empty, else leaves it without owner. Throws NotEmpty or Conflict when a condition
   * does not hold, Conflict when somebody else has the block; an affinity that contradicts the block is deleted.
   */
  async release(owner: Owner, cidr: Cidr, conditions: ReleaseConditions): Promise<void> {
    await retrying(`release block ${printCidr(cidr)} of ${printOwner(owner)}`, async () => {
      try {
        await this.#retreat(owner, cidr, conditions);
        return undefined;
      } catch (err) {
        if (!moved(err)) throw err;
        return AGAIN;
      }
    });
  }

  async #retreat(owner: Owner, cidr: Cidr, conditions: ReleaseConditions): Promise<void> {
    const [affinity, stored] = await Promise.all([this.#store.affinity(owner, cidr), this.#store.block(cidr)]);
    if (stored === undefined) {
      if (affinity !== undefined) await this.#store.remove(affinity);
      return;
    }
    const block = collectCooled(stored, this.#clock.wallTime(), conditions.cooldownSeconds);
    const what = `Cannot release block ${printCidr(cidr)} of ${printOwner(owner)}`;
    if (block.spec.affinity !== printOwner(owner)) {
      if (affinity !== undefined) await this.#store.remove(affinity);
      throw new IpamError('Conflict', `${what}: its affinity is "${block.spec.affinity ?? ''}"`);
    }
    if (conditions.sequenceNumber !== undefined && conditions.sequenceNumber !== sequenceNumber(block)) {
      throw new IpamError('Conflict', `${what}: its sequence number is ${sequenceNumber(block)}`);
    }
    const empty = isEmpty(block);
    if (conditions.requireEmpty && !empty) throw new IpamError('NotEmpty', `${what}: addresses of it are in use`);
    const leaving = affinity && (await this.#setState(affinity, 'pendingDeletion'));
    if (empty) await this.#store.remove(stored);
    else await this.#store.update(nextSequence(withoutAffinity(block)));
    if (leaving !== undefined) await this.#store.remove(leaving);
  }

  async #setState(affinity: BlockAffinity, state: BlockAffinity['spec']['state']): Promise<BlockAffinity> {
    if (affinity.spec.state === state) return affinity;
    return await this.#store.update({ ...affinity, spec: { ...affinity.spec, state } });
  }
}

/** Whether an affinity is settled; the empty state is how it was once written. */
export function isConfirmed(affinity: BlockAffinity): boolean {
  return affinity.spec.state === 'confirmed' || affinity.spec.state === '';
}

/** Whether a step failed because the state is, or may be, another than it was thought to be: read and continue from there. */
function moved(err: unknown): boolean {
  return lostRace(err) || isAlreadyExists(err) || isOutcomeUnknown(err);
}

function newAffinity(owner: Owner, cidr: Cidr): BlockAffinity {
  return {
    apiVersion: `${BlockAffinity.group}/${BlockAffinity.version}`,
    kind: BlockAffinity.kind,
    metadata: { name: affinityName(owner.name, cidr), labels: affinityLabels(owner, cidr.addr.family) },
    spec: { state: 'pending', node: owner.name, type: owner.type, cidr: printCidr(cidr), deleted: false },
  };
}
