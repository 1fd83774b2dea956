import type { IPAMBlock } from '@calico/api';
import { type Cidr, cidrCovers, cidrsOverlap, type Family, hostCidr, nthAddr, printCidr } from '@calico/ip';
import { type Clock, type Random, randomInt } from '@calico/reconcile';
import type { Labels } from '@calico/selector';
import type { Affinities } from './affinities.ts';
import type { Assignment, Wanted } from './assignment.ts';
import { blockCidr, collectCooled, isEmpty, reservedIn, sequenceNumber } from './block.ts';
import type { BlockCell } from './block-cell.ts';
import type { BlockCells } from './block-cells.ts';
import { blockCount, blockIndex, blocksFrom, randomIndex, startIndex } from './block-order.ts';
import { isIpamError } from './error.ts';
import { Surplus } from './handles.ts';
import type { Logger } from './log.ts';
import { parseOwner, printOwner } from './owner.ts';
import type { OwnerBlocks } from './owner-blocks.ts';
import { type Pool, poolOfBlock, selectsNode } from './pools.ts';
import { letOthersGoFirst, MAX_RETRIES } from './retry.ts';
import type { Settings } from './settings.ts';
import type { IpamStore } from './store.ts';

/** The most blocks of a host when nothing else is configured. */
const DEFAULT_BLOCK_LIMIT = 20;
/** An empty block is taken from its owner only when it has been there for so long. */
const RECLAIM_AFTER_MS = 60_000;

/** Addresses of one family wanted by a request. */
export interface FamilyRequest {
  readonly family: Family;
  readonly count: number;
  readonly handle: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** Where from, in this order. */
  readonly pools: readonly Pool[];
  readonly settings: Settings;
  readonly nodeLabels: Labels;
  /** 0: as configured. */
  readonly maxBlocks: number;
  /** 0: any number. */
  readonly maxPerHandle: number;
  /** The handle must not have been there before the request. */
  readonly newHandle?: boolean;
}

/** What was given out, and why it is not more. */
export interface FamilyResult {
  /** /32 or /128. */
  readonly addresses: Cidr[];
  readonly notes: string[];
}

/** Gives out addresses: from the owner's blocks, from a block newly taken, or borrowed from the blocks of others. */
export class AutoAssign {
  readonly #store: IpamStore;
  readonly #cells: BlockCells;
  readonly #affinities: Affinities;
  readonly #assignment: Assignment;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Logger | undefined;

  constructor(deps: {
    readonly store: IpamStore;
    readonly cells: BlockCells;
    readonly affinities: Affinities;
    readonly assignment: Assignment;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Logger | undefined;
  }) {
    this.#store = deps.store;
    this.#cells = deps.cells;
    this.#affinities = deps.affinities;
    this.#assignment = deps.assignment;
    this.#clock = deps.clock;
    this.#random = deps.random;
    this.#log = deps.log;
  }

  /** Fewer addresses than asked for are no error: the notes say why. */
  async assign(request: FamilyRequest, own: OwnerBlocks): Promise<FamilyResult> {
    const { count, family } = request;
    const addresses: Cidr[] = [];
    const notes: string[] = [];
    const wanted = wantedOf(request);
    try {
      await own.load();
      await this.#dropUnselected(request, own);
      const shortage = await this.#fromOwn(request, own, wanted, addresses);
      if (shortage !== undefined) {
        notes.push(shortage.reason);
        const mayBorrow = shortage.reason !== BLOCK_LIMIT && !request.settings.config.strictAffinity;
        if (mayBorrow) await this.#borrow(request, own, wanted, shortage.blocks, addresses);
      }
    } finally {
      await this.#assignment.settle(wanted);
    }
    if (addresses.length >= count) return { addresses, notes: [] };
    notes.unshift(`Assigned ${addresses.length} out of ${count} requested IPv${family} addresses`);
    return { addresses, notes };
  }

  /** From the owner's blocks, which grow in number as needed and allowed. Gives why that was not enough. */
  async #fromOwn(
    request: FamilyRequest,
    own: OwnerBlocks,
    wanted: Wanted,
    addresses: Cidr[],
  ): Promise<Shortage | undefined> {
    const affine = { ...wanted, affinity: printOwner(own.owner) };
    const exhausted = new Set<BlockCell>();
    for (let i = 0; addresses.length < request.count && i < MAX_RETRIES; i++) {
      const cell = (await this.#spareCell(request, own, affine, exhausted)) ?? (await this.#grow(request, own, affine));
      if ('reason' in cell) return cell;
      const taken = await this.#take(cell, request.count - addresses.length, affine, addresses);
      if (taken > 0) continue;
      exhausted.add(cell);
      if (cell.last?.spec.affinity !== affine.affinity) own.forget(cell.cidr);
    }
    return addresses.length < request.count ? { reason: NO_BLOCKS, blocks: await this.#store.blocks() } : undefined;
  }

  /** A block of the owner with or without addresses to spare, newly taken when there is none; else why there is none. */
  async ensureBlock(request: FamilyRequest, own: OwnerBlocks): Promise<Cidr | string> {
    await own.load();
    await this.#dropUnselected(request, own);
    for (const cidr of own.cidrs()) {
      if (!request.pools.some(pool => cidrCovers(pool.cidr, cidr))) continue;
      if ((await own.settle(cidr)) !== undefined) return cidr;
    }
    const cell = await this.#grow(request, own, { ...wantedOf(request), affinity: printOwner(own.owner) });
    return 'reason' in cell ? cell.reason : cell.cidr;
  }

  /** Gives up empty blocks whose pools do not select the node (any more); tried once for each; a release tries again. Best effort. */
  async #dropUnselected({ settings, pools, nodeLabels }: FamilyRequest, own: OwnerBlocks): Promise<void> {
    const selects = (cidr: Cidr): boolean => {
      const pool = poolOfBlock(settings.pools, cidr);
      return pools.some(({ name }) => name === pool?.name) || (pool !== undefined && selectsNode(pool, nodeLabels));
    };
    const unselected = own.cidrs().filter(cidr => !selects(cidr) && !own.kept.has(printCidr(cidr)));
    for (const cidr of unselected) {
      own.kept.add(printCidr(cidr));
      try {
        const conditions = { requireEmpty: true, cooldownSeconds: settings.config.ipCooldownSeconds };
        await this.#affinities.release(own.owner, cidr, conditions);
        this.#cells.of(cidr).accept(undefined);
        own.forget(cidr);
      } catch (err) {
        this.#log?.debug({ err, block: printCidr(cidr) }, 'block that no pool selects was not given up');
      }
    }
  }

  /** One of the owner's blocks that has an address to spare. */
  async #spareCell(
    request: FamilyRequest,
    own: OwnerBlocks,
    wanted: Wanted,
    exhausted: ReadonlySet<BlockCell>,
  ): Promise<BlockCell | undefined> {
    for (const cidr of own.cidrs()) {
      if (!request.pools.some(pool => cidrCovers(pool.cidr, cidr))) continue;
      const cell = await own.settle(cidr);
      if (cell !== undefined && !exhausted.has(cell) && this.#assignment.spareIn(cell, wanted) > 0) return cell;
    }
    return undefined;
  }

  /** A block with addresses that the owner did not know of, or has just been given; else why there is none. */
  async #grow(request: FamilyRequest, own: OwnerBlocks, wanted: Wanted): Promise<BlockCell | Shortage> {
    return await own.mutex.run(async () => {
      const { config } = request.settings;
      let blocks = await this.#store.blocks();
      const shortage = (reason: string): Shortage => ({ reason, blocks });
      // Who loses a block to somebody else looks again; who may borrow does so rather than lose for ever.
      const tries = config.strictAffinity ? MAX_RETRIES : CLAIM_TRIES;
      for (let i = 0; i < tries; i++) {
        own.learn(blocks);
        const known = await this.#spareCell(request, own, wanted, new Set());
        if (known !== undefined) return known;
        if (own.countIn(request.pools) >= blockLimit(request)) return shortage(BLOCK_LIMIT);
        if (!config.autoAllocateBlocks) return shortage(NOT_AUTOMATIC);
        const free = this.#freeBlock(request, own, blocks, i > 0);
        if (free === undefined) return (await this.#reclaim(request, own, blocks)) ?? shortage(NO_BLOCKS);
        const claimed = await own.claim(free);
        if (claimed !== undefined) return claimed;
        blocks = await this.#store.blocks();
      }
      return shortage(NO_BLOCKS);
    });
  }

  /** A place in the pools where no block is: the first from where the owner begins, or any, when many look at once. */
  #freeBlock(request: FamilyRequest, own: OwnerBlocks, blocks: readonly IPAMBlock[], any: boolean): Cidr | undefined {
    for (const pool of request.pools) {
      const inPool = blocks.map(blockCidr).filter(cidr => cidrsOverlap(pool.cidr, cidr));
      const existing = new Set(inPool.map(cidr => cidr.addr.value));
      const odd = inPool.filter(cidr => cidr.length !== pool.blockSize);
      const start = any ? randomIndex(pool, this.#random) : startIndex(pool, own.owner.name, this.#random);
      for (const cidr of blocksFrom(pool, start)) {
        if (existing.has(cidr.addr.value) || odd.some(other => cidrsOverlap(other, cidr))) continue;
        if (!isReservedWhole(cidr, request.settings.reservations)) return cidr;
      }
    }
    return undefined;
  }

  /** Takes over a block that stands empty at another owner. */
  async #reclaim(
    request: FamilyRequest,
    own: OwnerBlocks,
    blocks: readonly IPAMBlock[],
  ): Promise<BlockCell | undefined> {
    const { settings, pools } = request;
    const cooldownSeconds = settings.config.ipCooldownSeconds;
    const now = this.#clock.wallTime();
    for (const block of blocks) {
      const cidr = blockCidr(block);
      const owner = parseOwner(block.spec.affinity);
      const since = Date.parse(block.spec.affinityClaimTime ?? '');
      if (owner === undefined || since > now - RECLAIM_AFTER_MS) continue;
      if (!isEmpty(collectCooled(block, now, cooldownSeconds))) continue;
      if (!pools.some(pool => cidrCovers(pool.cidr, cidr) && pool.blockSize === cidr.length)) continue;
      if (isReservedWhole(cidr, settings.reservations)) continue;
      try {
        const condition = { requireEmpty: true, sequenceNumber: sequenceNumber(block), cooldownSeconds };
        await this.#affinities.release(owner, cidr, condition);
      } catch (err) {
        if (isIpamError(err, 'NotEmpty') || isIpamError(err, 'Conflict')) continue;
        throw err;
      }
      const cell = await own.claim(cidr);
      if (cell !== undefined) return cell;
    }
    return undefined;
  }

  /**
   * Takes single addresses from blocks of others, the first where the owner would look for a block. After each race lost
   * to somebody else all blocks are looked at anew, and any that has addresses to spare is as good.
   */
  async #borrow(
    request: FamilyRequest,
    own: OwnerBlocks,
    wanted: Wanted,
    listed: readonly IPAMBlock[],
    addresses: Cidr[],
  ): Promise<void> {
    let blocks = listed;
    let before: readonly IPAMBlock[] | undefined;
    for (let i = 0; addresses.length < request.count && i < MAX_RETRIES; i++) {
      const cell = this.#lender(request, own, wanted, blocks, before);
      if (cell === undefined) return;
      const taken = await this.#take(cell, request.count - addresses.length, wanted, addresses, true);
      if (taken > 0) continue;
      await letOthersGoFirst({ clock: this.#clock, random: this.#random }, i + 1);
      before = blocks;
      blocks = await this.#store.blocks();
    }
  }

  /**
   * A block of the pools with an address to spare: the nearest to where the owner begins; when that was tried, any that
   * nobody has written since, as those in between are likely to be written again.
   */
  #lender(
    request: FamilyRequest,
    own: OwnerBlocks,
    wanted: Wanted,
    blocks: readonly IPAMBlock[],
    before: readonly IPAMBlock[] | undefined,
  ): BlockCell | undefined {
    const versions = before && new Map(before.map(({ metadata }) => [metadata.name, metadata.resourceVersion]));
    for (const pool of request.pools) {
      const spare = blocks.filter(
        block =>
          cidrCovers(pool.cidr, blockCidr(block)) &&
          this.#assignment.spare(this.#cells.latest(block), this.#cells.heldIn(block), wanted) > 0,
      );
      const chosen =
        versions === undefined
          ? nearest(pool, startIndex(pool, own.owner.name, this.#random), spare)
          : this.#quiet(spare, versions);
      if (chosen !== undefined) return this.#cells.with(chosen);
    }
    return undefined;
  }

  #quiet(blocks: readonly IPAMBlock[], versions: ReadonlyMap<string, string | undefined>): IPAMBlock | undefined {
    const quiet = blocks.filter(({ metadata }) => versions.get(metadata.name) === metadata.resourceVersion);
    const candidates = quiet.length > 0 ? quiet : blocks;
    return candidates[randomInt(this.#random, candidates.length)];
  }

  async #take(cell: BlockCell, count: number, wanted: Wanted, addresses: Cidr[], once = false): Promise<number> {
    const ordinals = await this.#assignment.take(cell, count, wanted, once);
    for (const ordinal of ordinals) addresses.push(hostCidr(nthAddr(cell.cidr, ordinal)));
    return ordinals.length;
  }
}

/** The first of some blocks of a pool, counted from a number upwards and then from the beginning. */
function nearest(pool: Pool, start: bigint, blocks: readonly IPAMBlock[]): IPAMBlock | undefined {
  const count = blockCount(pool);
  const distance = (block: IPAMBlock): bigint => (blockIndex(pool, blockCidr(block)) - start + count) % count;
  return blocks.reduce<IPAMBlock | undefined>(
    (best, block) => (best === undefined || distance(block) < distance(best) ? block : best),
    undefined,
  );
}

const BLOCK_LIMIT = 'the node has as many blocks as it may have';
const NO_BLOCKS = 'no block is free';
const NOT_AUTOMATIC = 'blocks are not allocated automatically, and those of the node are full';
/** How often an owner tries to get a block that others want too, before it borrows. */
const CLAIM_TRIES = 2;

/** Why an owner's blocks are not enough, and all blocks as they were then. */
interface Shortage {
  readonly reason: string;
  readonly blocks: readonly IPAMBlock[];
}

function wantedOf({ handle, attributes, settings, maxPerHandle, newHandle }: FamilyRequest): Wanted {
  const { reservations, config } = settings;
  return {
    handle,
    attributes,
    reservations,
    cooldownSeconds: config.ipCooldownSeconds,
    maxPerHandle,
    newHandle,
    surplus: new Surplus(),
  };
}

/** The smaller of the limits that are set. */
function blockLimit({ maxBlocks, settings }: FamilyRequest): number {
  const set = [maxBlocks, settings.config.maxBlocksPerHost].filter(limit => limit > 0);
  return set.length === 0 ? DEFAULT_BLOCK_LIMIT : Math.min(...set);
}

/** Whether reservations leave nothing of a block. */
function isReservedWhole(block: Cidr, reservations: readonly Cidr[]): boolean {
  if (reservations.some(reservation => cidrCovers(reservation, block))) return true;
  const near = reservations.filter(reservation => cidrCovers(block, reservation));
  if (near.length === 0) return false;
  const reserved = reservedIn(block, near);
  const size = 1 << ((block.addr.family === 4 ? 32 : 128) - block.length);
  for (let ordinal = 0; ordinal < size; ordinal++) if (!reserved(ordinal)) return false;
  return true;
}
