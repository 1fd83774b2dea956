import type { IPAMBlock } from '@calico/api';
import { type Cidr, printCidr } from '@calico/ip';
import { blockCidr, sequenceNumber } from './block.ts';
import { BlockCell } from './block-cell.ts';
import type { IpamStore } from './store.ts';

/** How many blocks are remembered. */
const REMEMBERED = 2000;

/** The cells of blocks, one for each CIDR, so that all requests of this process meet in the same. */
export class BlockCells {
  readonly #store: IpamStore;
  readonly #cells = new Map<string, BlockCell>();

  constructor(store: IpamStore) {
    this.#store = store;
  }

  /** The cell of a CIDR. */
  of(cidr: Cidr): BlockCell {
    const key = printCidr(cidr);
    const found = this.#cells.get(key);
    if (found !== undefined) return found;
    this.#forget();
    const cell = new BlockCell(this.#store, cidr);
    this.#cells.set(key, cell);
    return cell;
  }

  /** How many addresses of a block are promised to requests of this process. */
  heldIn(block: IPAMBlock): number {
    return this.#cells.get(block.spec.cidr)?.held ?? 0;
  }

  /** The cell of a block that was just listed; what is known of it since is kept. */
  with(block: IPAMBlock): BlockCell {
    const cell = this.of(blockCidr(block));
    if (this.latest(block) === block) cell.accept(block);
    return cell;
  }

  /** A block that was listed, or what is known of it since. */
  latest(block: IPAMBlock): IPAMBlock {
    const last = this.#cells.get(block.spec.cidr)?.last;
    return last !== undefined && last.metadata.uid === block.metadata.uid && isBefore(block, last) ? last : block;
  }

  /** Drops the oldest cells that nothing happens in. */
  #forget(): void {
    for (const [key, cell] of this.#cells) {
      if (this.#cells.size < REMEMBERED) return;
      if (cell.idle) this.#cells.delete(key);
    }
  }
}

function isBefore(block: IPAMBlock, other: IPAMBlock): boolean {
  return sequenceNumber(block) < sequenceNumber(other);
}
