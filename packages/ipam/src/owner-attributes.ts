import type { IPAMBlock } from '@calico/api';
import { nthAddr, printAddr } from '@calico/ip';
import { addressState, blockCidr, withOwners } from './block.ts';
import { IpamError } from './error.ts';

/** What is noted of an owner: pod, namespace, node … */
export type OwnerAttributes = Readonly<Record<string, string>>;

/** Changes of the two owners that an address can have while a virtual machine moves; what is absent stays. */
export interface OwnerChange {
  /** null: none from now on. */
  readonly active?: OwnerAttributes | null;
  readonly alternate?: OwnerAttributes | null;
  /** Only while these hold: each attribute given has this value there; null: there is no owner. */
  readonly expect?: {
    readonly active?: OwnerAttributes | null;
    readonly alternate?: OwnerAttributes | null;
  };
}

/** The block with other owners noted for an ordinal. Throws NotFound when nobody has it, Conflict as it was expected. Pure. */
export function changeOwners(block: IPAMBlock, ordinal: number, handle: string, change: OwnerChange): IPAMBlock {
  const what = `Cannot change the owners of ${printAddr(nthAddr(blockCidr(block), ordinal))}`;
  const found = addressState(block, ordinal);
  if (found.state !== 'allocated') throw new IpamError('NotFound', `${what}: it is not assigned`);
  if (found.handle?.toLowerCase() !== handle.toLowerCase()) {
    throw new IpamError('Conflict', `${what}: its handle is "${found.handle ?? ''}"; asked for: "${handle}"`);
  }
  const { active, alternate, expect = {} } = change;
  expectOwner(`${what}: its active owner`, found.attributes, expect.active);
  expectOwner(`${what}: its alternate owner`, found.alternateAttributes ?? {}, expect.alternate);
  return withOwners(block, ordinal, {
    active: active === undefined ? found.attributes : (active ?? undefined),
    alternate: alternate === undefined ? found.alternateAttributes : (alternate ?? undefined),
  });
}

function expectOwner(what: string, actual: OwnerAttributes, expected: OwnerAttributes | null | undefined): void {
  if (expected === undefined) return;
  const same = Object.entries(expected ?? {}).every(([key, value]) => actual[key] === value);
  if (expected === null ? Object.keys(actual).length === 0 : same) return;
  throw new IpamError('Conflict', `${what} is ${JSON.stringify(actual)}; expected: ${JSON.stringify(expected)}`);
}
