import { type AllocationAttribute, IPAMBlock } from '@calico/api';
import {
  type Addr,
  type Cidr,
  cidr,
  cidrContains,
  cidrSize,
  cidrsOverlap,
  nthAddr,
  ordinalOf,
  printAddr,
  printCidr,
} from '@calico/ip';
import { IpamError } from './error.ts';

/** Addresses under this handle are kept back on Windows nodes; a block with nothing else in use counts as empty. */
export const WINDOWS_RESERVED_HANDLE = 'windows-reserved-ipam-handle';

/** Whose an address is to be: what its entry in the block says. */
export interface Claim {
  readonly handle: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** Whether an ordinal of the block is not to be given out. */
export type Reserved = (ordinal: number) => boolean;

/** What a block says of one address. */
export type AddressState =
  | { readonly state: 'free' }
  /** Released a short while ago. */
  | { readonly state: 'cooling'; readonly releasedAt: string }
  | {
      readonly state: 'allocated';
      readonly handle: string | undefined;
      readonly attributes: Readonly<Record<string, string>>;
      readonly alternateAttributes: Readonly<Record<string, string>> | undefined;
      /** The block's sequence number when the address was assigned. */
      readonly sequenceNumber: bigint | undefined;
    };

/** A block with all its addresses free. Time: milliseconds since 1970. */
export function newBlock(range: Cidr, name: string, affinity: string | null, wallTime: number): IPAMBlock {
  const size = Number(cidrSize(range));
  return {
    apiVersion: `${IPAMBlock.group}/${IPAMBlock.version}`,
    kind: IPAMBlock.kind,
    metadata: { name },
    spec: {
      cidr: printCidr(range),
      affinity,
      affinityClaimTime: affinity === null ? null : printTime(wallTime),
      allocations: Array.from({ length: size }, () => null),
      unallocated: Array.from({ length: size }, (_, ordinal) => ordinal),
      attributes: [],
      strictAffinity: false,
      sequenceNumber: BigInt(Math.trunc(wallTime)) * 1_000_000n,
      sequenceNumberForAllocation: {},
      deleted: false,
    },
  };
}

/** RFC 3339 in UTC, to the second, as Kubernetes writes times. */
export function printTime(wallTime: number): string {
  return `${new Date(wallTime).toISOString().slice(0, 19)}Z`;
}

const cidrs = new WeakMap<IPAMBlock['spec'], Cidr>();

/** The CIDR of a block. */
export function blockCidr({ spec }: IPAMBlock): Cidr {
  const found = cidrs.get(spec) ?? cidr(spec.cidr);
  cidrs.set(spec, found);
  return found;
}

/** The block's sequence number; one without any has 0. */
export function sequenceNumber(block: IPAMBlock): bigint {
  return BigInt(block.spec.sequenceNumber ?? 0);
}

/** The block as the next write of it: the sequence number grows by one with each. */
export function nextSequence(block: IPAMBlock): IPAMBlock {
  return withSpec(block, { sequenceNumber: sequenceNumber(block) + 1n });
}

/** The block without an owner: it can only be borrowed from, and goes away once empty. */
export function withoutAffinity(block: IPAMBlock): IPAMBlock {
  return withSpec(block, { affinity: null, affinityClaimTime: null });
}

/** Which ordinals of a block lie in reservations. */
export function reservedIn(block: Cidr, reservations: readonly Cidr[]): Reserved {
  const near = reservations.filter(reservation => cidrsOverlap(reservation, block));
  if (near.length === 0) return () => false;
  return ordinal => {
    const address = nthAddr(block, ordinal);
    return near.some(reservation => cidrContains(reservation, address));
  };
}

/** How many addresses can be given out. */
export function freeCount(block: IPAMBlock, reserved: Reserved): number {
  let count = 0;
  for (const ordinal of block.spec.unallocated) if (!reserved(ordinal)) count++;
  return count;
}

/** Gives out up to `count` addresses, those first that have been free longest. */
export function allocate(
  block: IPAMBlock,
  count: number,
  claim: Claim,
  reserved: Reserved,
): { block: IPAMBlock; ordinals: number[] } {
  const ordinals: number[] = [];
  for (const ordinal of block.spec.unallocated) {
    if (ordinals.length >= count) break;
    if (!reserved(ordinal)) ordinals.push(ordinal);
  }
  return { block: take(block, ordinals, claim), ordinals };
}

/** Gives out one particular address, reserved or not. Throws AlreadyExists when it is in use or cooling. */
export function allocateOrdinal(block: IPAMBlock, ordinal: number, claim: Claim): IPAMBlock {
  const found = addressState(block, ordinal);
  if (found.state !== 'free') {
    const address = printAddr(nthAddr(blockCidr(block), ordinal));
    const reason =
      found.state === 'cooling' ? `it was released at ${found.releasedAt}` : `its handle is "${found.handle}"`;
    throw new IpamError('AlreadyExists', `Cannot assign ${address}: ${reason}`);
  }
  return take(block, [ordinal], claim);
}

function take(block: IPAMBlock, ordinals: readonly number[], claim: Claim): IPAMBlock {
  if (ordinals.length === 0) return block;
  const attribute: AllocationAttribute = { handle_id: claim.handle, secondary: { ...claim.attributes } };
  const { attributes, index } = withAttribute(block.spec.attributes, attribute);
  const allocations = [...block.spec.allocations];
  const sequences = { ...block.spec.sequenceNumberForAllocation };
  const taken = new Set(ordinals);
  for (const ordinal of ordinals) {
    allocations[ordinal] = index;
    sequences[ordinal] = sequenceNumber(block);
  }
  const unallocated = block.spec.unallocated.filter(ordinal => !taken.has(ordinal));
  return withSpec(block, { allocations, unallocated, attributes, sequenceNumberForAllocation: sequences });
}

/** An address in use as if it were given out only now: a release that goes by the earlier assignment fails. */
export function renew(block: IPAMBlock, ordinal: number): IPAMBlock {
  const { sequenceNumberForAllocation } = block.spec;
  const renewed = { ...sequenceNumberForAllocation, [ordinal]: sequenceNumber(block) };
  return withSpec(block, { sequenceNumberForAllocation: renewed });
}

/** Notes other owners of an address in use: the active one, and the other of a live migration. */
export function withOwners(
  block: IPAMBlock,
  ordinal: number,
  owners: {
    readonly active: Readonly<Record<string, string>> | undefined;
    readonly alternate: Readonly<Record<string, string>> | undefined;
  },
): IPAMBlock {
  const index = block.spec.allocations[ordinal];
  const before = block.spec.attributes[index ?? -1];
  if (index === null || index === undefined || before === undefined) return block;
  const { secondary: _, alternateOwnerAttrs: __, ...rest } = before;
  const { attributes, index: at } = withAttribute(block.spec.attributes, {
    ...rest,
    ...(owners.active === undefined ? {} : { secondary: { ...owners.active } }),
    ...(owners.alternate === undefined ? {} : { alternateOwnerAttrs: { ...owners.alternate } }),
  });
  if (at === index) return block;
  const allocations = [...block.spec.allocations];
  allocations[ordinal] = at;
  return withSpec(block, compact(allocations, attributes));
}

/** Takes addresses back: from now on they cool, until `collectCooled` frees them. Those not in use are left alone. */
export function release(block: IPAMBlock, ordinals: readonly number[], wallTime: number): IPAMBlock {
  const mine = ordinals.filter(ordinal => addressState(block, ordinal).state === 'allocated');
  if (mine.length === 0) return block;
  const { attributes, index } = withAttribute(block.spec.attributes, { releasedAt: printTime(wallTime) });
  const allocations = [...block.spec.allocations];
  for (const ordinal of mine) allocations[ordinal] = index;
  return withSpec(block, compact(allocations, attributes));
}

/** Frees the addresses that have cooled long enough; the same block when there are none. */
export function collectCooled(block: IPAMBlock, wallTime: number, cooldownSeconds: number): IPAMBlock {
  const cooled = new Set<number>();
  for (const [index, { releasedAt }] of block.spec.attributes.entries()) {
    if (typeof releasedAt !== 'string') continue;
    const since = Date.parse(releasedAt);
    if (Number.isNaN(since) || since + cooldownSeconds * 1000 <= wallTime) cooled.add(index);
  }
  if (cooled.size === 0) return block;
  const allocations = [...block.spec.allocations];
  const unallocated = [...block.spec.unallocated];
  const sequences = { ...block.spec.sequenceNumberForAllocation };
  for (const [ordinal, index] of allocations.entries()) {
    if (index === null || !cooled.has(index)) continue;
    allocations[ordinal] = null;
    unallocated.push(ordinal);
    delete sequences[ordinal];
  }
  return withSpec(block, {
    ...compact(allocations, block.spec.attributes),
    unallocated,
    sequenceNumberForAllocation: sequences,
  });
}

/** What the block says of an ordinal. */
export function addressState(block: IPAMBlock, ordinal: number): AddressState {
  const index = block.spec.allocations[ordinal];
  if (index === null || index === undefined) return { state: 'free' };
  const attribute = block.spec.attributes[index] ?? {};
  if (typeof attribute.releasedAt === 'string') return { state: 'cooling', releasedAt: attribute.releasedAt };
  const sequence = block.spec.sequenceNumberForAllocation?.[ordinal];
  return {
    state: 'allocated',
    handle: attributeHandle(attribute),
    attributes: attribute.secondary ?? {},
    alternateAttributes: attribute.alternateOwnerAttrs ?? undefined,
    sequenceNumber: sequence === undefined ? undefined : BigInt(sequence),
  };
}

/** What the block says of an address inside it. */
export function stateOf(block: IPAMBlock, address: Addr): AddressState {
  return addressState(block, Number(ordinalOf(blockCidr(block), address)));
}

/** The ordinals that a handle has, in order. */
export function ordinalsOfHandle(block: IPAMBlock, handle: string): number[] {
  const mine = new Set<number>();
  for (const [index, attribute] of block.spec.attributes.entries()) {
    if (typeof attribute.releasedAt !== 'string' && attributeHandle(attribute) === handle) mine.add(index);
  }
  const ordinals: number[] = [];
  if (mine.size === 0) return ordinals;
  for (const [ordinal, index] of block.spec.allocations.entries()) {
    if (index !== null && mine.has(index)) ordinals.push(ordinal);
  }
  return ordinals;
}

/** How many addresses each handle has in the block. */
export function handleCounts(block: IPAMBlock): Map<string, number> {
  const counts = new Map<string, number>();
  for (const index of block.spec.allocations) {
    const attribute = index === null ? undefined : block.spec.attributes[index];
    if (attribute === undefined || typeof attribute.releasedAt === 'string') continue;
    const handle = attributeHandle(attribute);
    if (handle !== undefined) counts.set(handle, (counts.get(handle) ?? 0) + 1);
  }
  return counts;
}

/** Whether no address is in use or cooling; those kept back for Windows do not count. */
export function isEmpty(block: IPAMBlock): boolean {
  return block.spec.allocations.every(
    index => index === null || attributeHandle(block.spec.attributes[index] ?? {}) === WINDOWS_RESERVED_HANDLE,
  );
}

/** What is wrong inside a block, in words; nothing when all is well. */
export function checkBlock(block: IPAMBlock): string[] {
  const { allocations, unallocated, attributes, sequenceNumberForAllocation = {} } = block.spec;
  const faults: string[] = [];
  const size = Number(cidrSize(blockCidr(block)));
  if (allocations.length !== size) faults.push(`allocations has ${allocations.length} entries; allowed: ${size}`);
  const free = new Set(unallocated);
  if (free.size !== unallocated.length) faults.push('unallocated has an ordinal twice');
  const used = new Set<number>();
  for (const [ordinal, index] of allocations.entries()) {
    if ((index === null) !== free.has(ordinal)) {
      faults.push(`ordinal ${ordinal} is ${index === null ? 'free but not' : 'taken but also'} in unallocated`);
    }
    if (index === null) continue;
    used.add(index);
    if (attributes[index] === undefined) faults.push(`ordinal ${ordinal} has attribute ${index}, which does not exist`);
  }
  for (const ordinal of unallocated)
    if (ordinal >= size) faults.push(`unallocated has ordinal ${ordinal}; allowed: below ${size}`);
  for (const index of attributes.keys()) if (!used.has(index)) faults.push(`attribute ${index} belongs to no address`);
  if (new Set(attributes.map(attributeKey)).size !== attributes.length)
    faults.push('attributes has the same entry twice');
  for (const [ordinal, at] of Object.entries(sequenceNumberForAllocation)) {
    if (allocations[Number(ordinal)] === null) faults.push(`ordinal ${ordinal} is free but has a sequence number`);
    if (BigInt(at) > sequenceNumber(block))
      faults.push(`ordinal ${ordinal} was assigned at ${at}, which is still to come`);
  }
  return faults;
}

/** Calico wrote handles with a carriage return and more behind it once; only what comes before counts. */
function attributeHandle(attribute: AllocationAttribute): string | undefined {
  return attribute.handle_id?.split('\r', 1)[0];
}

function withSpec(block: IPAMBlock, changes: Partial<IPAMBlock['spec']>): IPAMBlock {
  return { ...block, spec: { ...block.spec, ...changes } };
}

/** The attributes with one more, or with the equal one that is there already. */
function withAttribute(
  attributes: readonly AllocationAttribute[],
  attribute: AllocationAttribute,
): { attributes: AllocationAttribute[]; index: number } {
  const key = attributeKey(attribute);
  const at = attributes.findIndex(known => attributeKey(known) === key);
  return at >= 0
    ? { attributes: [...attributes], index: at }
    : { attributes: [...attributes, attribute], index: attributes.length };
}

/** Equal for attributes that mean the same, whatever the order of their keys. */
function attributeKey({ handle_id, secondary, alternateOwnerAttrs, releasedAt }: AllocationAttribute): string {
  const sorted = (map: Record<string, string> | null | undefined) =>
    Object.entries(map ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([handle_id ?? null, sorted(secondary), sorted(alternateOwnerAttrs), releasedAt ?? null]);
}

/** Drops attributes that no address has, and renumbers the rest. */
function compact(
  allocations: readonly (number | null)[],
  attributes: readonly AllocationAttribute[],
): { allocations: (number | null)[]; attributes: AllocationAttribute[] } {
  const used = new Set(allocations);
  const renumbered = new Map<number, number>();
  const kept: AllocationAttribute[] = [];
  for (const [index, attribute] of attributes.entries()) {
    if (!used.has(index)) continue;
    renumbered.set(index, kept.length);
    kept.push(attribute);
  }
  return {
    allocations: allocations.map(index => (index === null ? null : (renumbered.get(index) ?? null))),
    attributes: kept,
  };
}
