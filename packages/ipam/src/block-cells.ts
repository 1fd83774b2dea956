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

  /** The cell of a block that was just listed; what is known of it since is kept. */
  with(block: IPAMBlock): BlockCell {
    const cell = this.of(blockCidr(block));
    const { last } = cell;
    const older = last?.metadata.uid === block.metadata.uid && last !== undefined && isBefore(block, last);
    if (!older) cell.accept(block);
    return cell;
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
