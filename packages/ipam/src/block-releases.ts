import { type Cidr, cidr, cidrCovers, type Family, printCidr } from '@calico/ip';
import type { Labels } from '@calico/selector';
import type { Affinities, ReleaseConditions } from './affinities.ts';
import { blockCidr, isEmpty } from './block.ts';
import type { BlockCells } from './block-cells.ts';
import { isIpamError } from './error.ts';
import type { Logger } from './log.ts';
import { type Owner, parseOwner, printOwner } from './owner.ts';
import type { OwnerBlocks } from './owner-blocks.ts';
import { poolOfBlock, selectsNode } from './pools.ts';
import type { Settings } from './settings.ts';
import type { IpamStore } from './store.ts';

/** An owner's claim to a block. */
export interface BlockClaim {
  readonly owner: Owner;
  readonly cidr: Cidr;
}

/** Takes blocks from their owners: of a node, of a pool, or those that no pool selects for their node any more. */
export class BlockReleases {
  readonly #store: IpamStore;
  readonly #cells: BlockCells;
  readonly #affinities: Affinities;
  readonly #blocksOf: (owner: Owner, family: Family) => OwnerBlocks;
  readonly #log: Logger | undefined;

  constructor(deps: {
    readonly store: IpamStore;
    readonly cells: BlockCells;
    readonly affinities: Affinities;
    readonly blocksOf: (owner: Owner, family: Family) => OwnerBlocks;
    readonly log: Logger | undefined;
  }) {
    this.#store = deps.store;
    this.#cells = deps.cells;
    this.#affinities = deps.affinities;
    this.#blocksOf = deps.blocksOf;
    this.#log = deps.log;
  }

  /** The blocks of which an owner has the affinity, or that say so themselves. */
  async claimsOf(owner: Owner): Promise<BlockClaim[]> {
    const [affinities, blocks] = await Promise.all([this.#store.affinities(owner), this.#store.blocks()]);
    const own = blocks.filter(({ spec }) => spec.affinity === printOwner(owner));
    const texts = new Set([...affinities, ...own].map(({ spec }) => spec.cidr));
    return [...texts].map(text => ({ owner, cidr: cidr(text) }));
  }

  /** All claims to blocks within a CIDR. */
  async claimsIn(range: Cidr): Promise<BlockClaim[]> {
    const [blocks, affinities] = await Promise.all([this.#store.blocks(), this.#store.allAffinities()]);
    const claims = new Map<string, BlockClaim>();
    const add = (owner: Owner | undefined, block: Cidr) => {
      if (owner === undefined || !cidrCovers(range, block)) return;
      claims.set(`${printOwner(owner)} ${printCidr(block)}`, { owner, cidr: block });
    };
    for (const block of blocks) add(parseOwner(block.spec.affinity), blockCidr(block));
    for (const { spec } of affinities) add({ type: spec.type ?? 'host', name: spec.node }, cidr(spec.cidr));
    return [...claims.values()];
  }

  /** Gives up all of them, whatever happens to some; rejects with the first failure. */
  async release(claims: readonly BlockClaim[], conditions: ReleaseConditions): Promise<void> {
    const failures: unknown[] = [];
    for (const { owner, cidr: block } of claims) {
      try {
        await this.#affinities.release(owner, block, conditions);
        this.#blocksOf(owner, block.addr.family).forget(block);
      } catch (err) {
        // A stale affinity beside a block that is somebody else's is gone by now, which is all there was to do.
        if (conditions.sequenceNumber !== undefined || !isIpamError(err, 'Conflict')) failures.push(err);
      }
      this.#cells.of(block).accept(undefined);
    }
    if (failures.length > 0) throw failures[0];
  }

  /** After a release of addresses: gives up blocks that stand empty and whose pool no longer selects their node. Best effort. */
  async tidy(cidrs: readonly Cidr[], settings: Settings, labelsOf: (node: string) => Promise<Labels>): Promise<void> {
    for (const block of cidrs) {
      const last = this.#cells.of(block).last;
      const owner = parseOwner(last?.spec.affinity);
      if (last === undefined || owner === undefined || !isEmpty(last)) continue;
      try {
        const pool = poolOfBlock(settings.pools, block);
        const nodeLabels = owner.type === 'virtual' || pool === undefined ? {} : await labelsOf(owner.name);
        if (pool !== undefined && selectsNode(pool, nodeLabels)) continue;
        const conditions = { requireEmpty: true, cooldownSeconds: settings.config.ipCooldownSeconds };
        await this.release([{ owner, cidr: block }], conditions);
      } catch (err) {
        this.#log?.warn({ err, block: printCidr(block) }, 'block that no pool selects was not given up');
      }
    }
  }
}
