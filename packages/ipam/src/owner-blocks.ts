import type { BlockAffinity, IPAMBlock } from '@calico/api';
import { type Cidr, cidrCovers, type Family, parseCidr, printCidr } from '@calico/ip';
import { Mutex } from '@calico/reconcile';
import { type Affinities, isConfirmed } from './affinities.ts';
import { blockCidr } from './block.ts';
import type { BlockCell } from './block-cell.ts';
import type { BlockCells } from './block-cells.ts';
import { type Owner, printOwner } from './owner.ts';
import type { Pool } from './pools.ts';
import type { IpamStore } from './store.ts';

interface Entry {
  readonly cidr: Cidr;
  /** Block and affinity are known to agree. */
  readonly settled: boolean;
  /** The affinity as listed. */
  readonly affinity?: BlockAffinity;
}

/** The blocks of one owner and family, as this process knows them. Read once; later changes of others show as conflicts. */
export class OwnerBlocks {
  readonly owner: Owner;
  readonly family: Family;
  /** Serialises reading the list and growing it. */
  readonly mutex = new Mutex();
  /** Blocks that no pool selects but that were in use when they were to be given up. */
  readonly kept = new Set<string>();
  readonly #store: IpamStore;
  readonly #cells: BlockCells;
  readonly #affinities: Affinities;
  readonly #entries = new Map<string, Entry>();
  readonly #settling = new Map<string, Promise<BlockCell | undefined>>();
  #loaded = false;

  constructor(
    owner: Owner,
    family: Family,
    deps: { readonly store: IpamStore; readonly cells: BlockCells; readonly affinities: Affinities },
  ) {
    this.owner = owner;
    this.family = family;
    this.#store = deps.store;
    this.#cells = deps.cells;
    this.#affinities = deps.affinities;
  }

  /** Lists the owner's affinities, if that was not done. Gives true when it did. */
  async load(): Promise<boolean> {
    if (this.#loaded) return false;
    return await this.mutex.run(async () => {
      if (this.#loaded) return false;
      for (const affinity of await this.#store.affinities(this.owner, this.family)) {
        const cidr = parseCidr(affinity.spec.cidr);
        if (cidr === undefined) continue;
        this.#entries.set(printCidr(cidr), { cidr, settled: false, affinity });
      }
      this.#loaded = true;
      return true;
    });
  }

  /** The CIDRs, oldest knowledge first. */
  cidrs(): Cidr[] {
    return [...this.#entries.values()].map(({ cidr }) => cidr);
  }

  /** How many of the blocks lie in pools. */
  countIn(pools: readonly Pool[]): number {
    return this.cidrs().filter(cidr => pools.some(pool => cidrCovers(pool.cidr, cidr))).length;
  }

  /** The block's cell once block and affinity agree; undefined, and forgotten, when the block is somebody else's. */
  async settle(cidr: Cidr): Promise<BlockCell | undefined> {
    const key = printCidr(cidr);
    const entry = this.#entries.get(key);
    const cell = this.#cells.of(cidr);
    if (entry === undefined) return undefined;
    if (entry.settled && cell.last !== undefined) return cell;
    const settling = this.#settling.get(key) ?? this.#settle(entry, cell).finally(() => this.#settling.delete(key));
    this.#settling.set(key, settling);
    return await settling;
  }

  async #settle({ cidr, settled, affinity }: Entry, cell: BlockCell): Promise<BlockCell | undefined> {
    const mayRead = settled || (affinity !== undefined && isConfirmed(affinity));
    const known = mayRead ? await cell.load() : undefined;
    const block = this.#owns(known) ? known : await this.#affinities.claim(this.owner, cidr, affinity);
    return this.#keep(cidr, block) ? cell : undefined;
  }

  /** Takes a block for the owner; undefined when somebody else was first. */
  async claim(cidr: Cidr): Promise<BlockCell | undefined> {
    const block = await this.#affinities.claim(this.owner, cidr);
    return this.#keep(cidr, block) ? this.#cells.of(cidr) : undefined;
  }

  /** Notes all blocks of the owner in a list of the blocks that exist. */
  learn(blocks: readonly IPAMBlock[]): void {
    for (const block of blocks) {
      if (!this.#owns(block)) continue;
      const cidr = blockCidr(block);
      if (cidr.addr.family !== this.family) continue;
      if (!this.#entries.has(printCidr(cidr))) this.#entries.set(printCidr(cidr), { cidr, settled: false });
      this.#cells.with(block);
    }
  }

  /** Forgets a block that is no longer the owner's. */
  forget(cidr: Cidr): void {
    this.#entries.delete(printCidr(cidr));
  }

  #keep(cidr: Cidr, block: IPAMBlock | undefined): boolean {
    this.#cells.of(cidr).accept(block);
    if (block === undefined) {
      this.forget(cidr);
      return false;
    }
    this.#entries.set(printCidr(cidr), { cidr, settled: true });
    return true;
  }

  #owns(block: IPAMBlock | undefined): boolean {
    return block?.spec.affinity === printOwner(this.owner);
  }
}
