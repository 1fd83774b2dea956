import type { IPAMBlock } from '@calico/api';
import { type Cidr, cidrCovers, cidrsOverlap, type Family, hostCidr, nthAddr, printCidr } from '@calico/ip';
import type { Clock, Random } from '@calico/reconcile';
import type { Labels } from '@calico/selector';
import type { Affinities } from './affinities.ts';
import type { Assignment, Wanted } from './assignment.ts';
import { blockCidr, collectCooled, isEmpty, reservedIn, sequenceNumber } from './block.ts';
import type { BlockCell } from './block-cell.ts';
import type { BlockCells } from './block-cells.ts';
import { blockCount, blockIndex, blocksFrom, startIndex } from './block-order.ts';
import { isIpamError } from './error.ts';
import type { Logger } from './log.ts';
import { parseOwner, printOwner } from './owner.ts';
import type { OwnerBlocks } from './owner-blocks.ts';
import { type Pool, poolOfBlock, selectsNode } from './pools.ts';
import { MAX_RETRIES } from './retry.ts';
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
    await own.load();
    await this.#dropUnselected(request, own);
    const affine = { ...wantedOf(request), affinity: printOwner(own.owner) };
    const exhausted = new Set<BlockCell>();
    for (let i = 0; addresses.length < count && i < MAX_RETRIES; i++) {
      const cell = (await this.#spareCell(request, own, affine, exhausted)) ?? (await this.#grow(request, own, affine));
      if (typeof cell === 'string') {
        notes.push(cell);
        break;
      }
      const taken = await this.#take(cell, count - addresses.length, affine, addresses);
      if (taken > 0) continue;
      exhausted.add(cell);
      if (cell.last?.spec.affinity !== affine.affinity) own.forget(cell.cidr);
    }
    const limited = notes.includes(BLOCK_LIMIT);
    if (addresses.length < count && !limited && !request.settings.config.strictAffinity) {
      await this.#borrow(request, own, addresses);
    }
    if (addresses.length < count) {
      notes.unshift(`Assigned ${addresses.length} out of ${count} requested IPv${family} addresses`);
      return { addresses, notes };
    }
    return { addresses, notes: [] };
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
    return typeof cell === 'string' ? cell : cell.cidr;
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
      if (cell !== undefined && !exhausted.has(cell) && this.#assignment.spare(cell, wanted) > 0) return cell;
    }
    return undefined;
  }

  /** A block with addresses that the owner did not know of, or has just been given; else why there is none. */
  async #grow(request: FamilyRequest, own: OwnerBlocks, wanted: Wanted): Promise<BlockCell | string> {
    return await own.mutex.run(async () => {
      const { config } = request.settings;
      const blocks = await this.#store.blocks();
      own.learn(blocks);
      const known = await this.#spareCell(request, own, wanted, new Set());
      if (known !== undefined) return known;
      if (own.countIn(request.pools) >= blockLimit(request)) return BLOCK_LIMIT;
      if (!config.autoAllocateBlocks) return 'blocks are not allocated automatically, and those of the node are full';
      return (await this.#claimFree(request, own, blocks)) ?? (await this.#reclaim(request, own, blocks)) ?? NO_BLOCKS;
    });
  }

  async #claimFree(
    request: FamilyRequest,
    own: OwnerBlocks,
    blocks: readonly IPAMBlock[],
  ): Promise<BlockCell | undefined> {
    for (const pool of request.pools) {
      const inPool = blocks.map(blockCidr).filter(cidr => cidrsOverlap(pool.cidr, cidr));
      const existing = new Set(inPool.map(cidr => cidr.addr.value));
      const odd = inPool.filter(cidr => cidr.length !== pool.blockSize);
      for (const cidr of blocksFrom(pool, startIndex(pool, own.owner.name, this.#random))) {
        if (existing.has(cidr.addr.value) || odd.some(other => cidrsOverlap(other, cidr))) continue;
        if (isReservedWhole(cidr, request.settings.reservations)) continue;
        const cell = await own.claim(cidr);
        if (cell !== undefined) return cell;
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
      if (owner === undefined || since > now - RECLAIM_AFTER_MS || !isEmpty(collectCooled(block, now, cooldownSeconds)))
        continue;
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

  /** Takes single addresses from blocks of others, in the order in which the owner would look for blocks. */
  async #borrow(request: FamilyRequest, own: OwnerBlocks, addresses: Cidr[]): Promise<void> {
    const blocks = await this.#store.blocks();
    for (const pool of request.pools) {
      const start = startIndex(pool, own.owner.name, this.#random);
      const count = blockCount(pool);
      const distance = (block: IPAMBlock): bigint => (blockIndex(pool, blockCidr(block)) - start + count) % count;
      const inPool = blocks.filter(block => cidrCovers(pool.cidr, blockCidr(block)));
      for (const block of inPool.sort((a, b) => (distance(a) < distance(b) ? -1 : 1))) {
        if (addresses.length >= request.count) return;
        await this.#take(this.#cells.with(block), request.count - addresses.length, wantedOf(request), addresses);
      }
    }
  }

  async #take(cell: BlockCell, count: number, wanted: Wanted, addresses: Cidr[]): Promise<number> {
    const ordinals = await this.#assignment.take(cell, count, wanted);
    for (const ordinal of ordinals) addresses.push(hostCidr(nthAddr(cell.cidr, ordinal)));
    return ordinals.length;
  }
}

const BLOCK_LIMIT = 'the node has as many blocks as it may have';
const NO_BLOCKS = 'no block is free';

function wantedOf({ handle, attributes, settings, maxPerHandle }: FamilyRequest): Wanted {
  const { reservations, config } = settings;
  return { handle, attributes, reservations, cooldownSeconds: config.ipCooldownSeconds, maxPerHandle };
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
