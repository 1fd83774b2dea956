import type { IPAMBlock } from '@calico/api';
import { type Addr, type Cidr, nthAddr } from '@calico/ip';
import { type AddressState, addressState, blockCidr } from './block.ts';
import { type Owner, parseOwner } from './owner.ts';

/** One address that a block does not have free, and what it says of it. */
export interface Allocation {
  readonly address: Addr;
  readonly ordinal: number;
  readonly block: Cidr;
  /** Whose the block is; undefined when nobody's. */
  readonly affinity: Owner | undefined;
  readonly state: Exclude<AddressState, { readonly state: 'free' }>;
}

/** The addresses of a block that are in use or cool, in their order. */
export function allocationsOf(block: IPAMBlock): Allocation[] {
  const range = blockCidr(block);
  const affinity = parseOwner(block.spec.affinity);
  return block.spec.allocations.flatMap((_, ordinal) => {
    const state = addressState(block, ordinal);
    if (state.state === 'free') return [];
    return [{ address: nthAddr(range, ordinal), ordinal, block: range, affinity, state }];
  });
}
