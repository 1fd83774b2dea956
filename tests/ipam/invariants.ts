import type { IPAMBlock, IPAMHandle } from '@calico/api';
import { rangeOf, toAddress } from './ipv4.ts';
import type { Ledger } from './ledger.ts';

/** Judges one write of a block, in the moment in which it is done. Throws what must never happen. */
export function checkWrite(
  before: IPAMBlock | undefined,
  after: IPAMBlock | undefined,
  ledger: Ledger,
  blocks: readonly IPAMBlock[],
): void {
  const cidr = (after ?? before)?.spec.cidr ?? '';
  const { first, size } = rangeOf(cidr);
  if (after !== undefined) {
    checkShape(after, size);
    if (before !== undefined && BigInt(after.spec.sequenceNumber ?? 0) <= BigInt(before.spec.sequenceNumber ?? 0)) {
      if (after.spec.deleted !== true) throw new Error(`block ${cidr}: its sequence number does not grow`);
    }
    if (before === undefined) {
      for (const { spec } of blocks) {
        const other = rangeOf(spec.cidr);
        if (spec.cidr !== cidr && other.first < first + size && first < other.first + other.size) {
          throw new Error(`block ${cidr} overlaps ${spec.cidr}`);
        }
      }
    }
  }
  for (let ordinal = 0; ordinal < size; ordinal++) {
    const address = toAddress(first + ordinal);
    const holder = ledger.holderOf(address);
    if (holder === undefined) continue;
    const handle = after?.spec.deleted === true ? undefined : ownerOf(after, ordinal);
    if (handle !== holder.handle) {
      throw new Error(`${address} is taken from ${holder.who}, which lives: it has handle "${handle ?? ''}" now`);
    }
  }
}

/**
 * Judges one write of a block or handle by the rule that releasing a handle must find all it has: the handle counts at
 * least the addresses that its blocks name, from before the block is written until after.
 */
export function checkCounts(
  blocks: readonly IPAMBlock[],
  handles: ReadonlyMap<string, IPAMHandle>,
  excused: ReadonlySet<string>,
): void {
  for (const block of blocks) {
    if (block.spec.deleted === true) continue;
    const counts = new Map<string, number>();
    for (const ordinal of block.spec.allocations.keys()) {
      const handle = ownerOf(block, ordinal);
      if (handle !== undefined) counts.set(handle, (counts.get(handle) ?? 0) + 1);
    }
    for (const [handle, count] of counts) {
      const stored = handles.get(handle);
      const known = stored?.spec.deleted === true ? 0 : (stored?.spec.block[block.spec.cidr] ?? 0);
      if (known >= count || excused.has(handle)) continue;
      throw new Error(`block ${block.spec.cidr} has ${count} addresses of ${handle}, which counts ${known}`);
    }
  }
}

/** The handle that has an ordinal; undefined when it is free, cooling, or there is no block. */
export function ownerOf(block: IPAMBlock | undefined, ordinal: number): string | undefined {
  const index = block?.spec.allocations[ordinal];
  const attribute = index === null || index === undefined ? undefined : block?.spec.attributes[index];
  return attribute === undefined || typeof attribute.releasedAt === 'string' ? undefined : (attribute.handle_id ?? '');
}

function checkShape({ spec }: IPAMBlock, size: number): void {
  const fault = (text: string): never => {
    throw new Error(`block ${spec.cidr}: ${text}`);
  };
  if (spec.allocations.length !== size) fault(`${spec.allocations.length} allocations`);
  for (let ordinal = 0; ordinal < size; ordinal++) {
    const index = spec.allocations[ordinal] ?? null;
    const free = spec.unallocated.filter(each => each === ordinal).length;
    if (free !== (index === null ? 1 : 0))
      fault(`ordinal ${ordinal} has allocation ${index} and is free ${free} times`);
    if (index !== null && spec.attributes[index] === undefined) fault(`ordinal ${ordinal} has no attribute ${index}`);
  }
}
