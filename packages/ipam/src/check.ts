import type { BlockAffinity, IPAMBlock, IPAMHandle } from '@calico/api';
import { type Cidr, cidrsOverlap, compareCidr, parseCidr, printCidr } from '@calico/ip';
import { isConfirmed } from './affinities.ts';
import { blockCidr, checkBlock, handleCounts } from './block.ts';
import { handleName } from './names.ts';
import { parseOwner, printOwner } from './owner.ts';
import type { Pool } from './pools.ts';
import { poolOfBlock } from './pools.ts';

/** Something that does not fit together. */
export interface Finding {
  readonly kind: /** A block contradicts itself, or overlaps another. */
    | 'block'
    /** An address is in use under a handle that does not count it: releasing the handle would not release it. */
    | 'uncounted'
    /** A handle counts more than there is, as after a crash before the block was written. */
    | 'overcounted'
    /** Block and affinity do not agree, as after a crash while a block was claimed or released. */
    | 'affinity'
    /** A block lies in no pool. */
    | 'outOfPool';
  /** `IPAMBlock(10-0-0-0-26)` */
  readonly object: string;
  readonly text: string;
  /** Nothing is wrong with any address, and the next call about the object settles it. */
  readonly harmless: boolean;
}

/** All there is of IPAM in a datastore. */
export interface IpamState {
  readonly pools: readonly Pool[];
  readonly blocks: readonly IPAMBlock[];
  readonly affinities: readonly BlockAffinity[];
  readonly handles: readonly IPAMHandle[];
}

/** What does not fit together; nothing when all is well. Pure. */
export function checkIpam(state: IpamState): Finding[] {
  return [...checkBlocks(state), ...checkHandles(state), ...checkAffinities(state)];
}

function checkBlocks({ blocks, pools }: IpamState): Finding[] {
  const findings: Finding[] = [];
  let previous: Cidr | undefined;
  for (const block of [...blocks].sort((a, b) => compareCidr(blockCidr(a), blockCidr(b)))) {
    const object = nameOf(block);
    const cidr = blockCidr(block);
    for (const text of checkBlock(block)) findings.push({ kind: 'block', object, text, harmless: false });
    if (previous !== undefined && cidrsOverlap(previous, cidr)) {
      findings.push({ kind: 'block', object, text: `it overlaps ${printCidr(previous)}`, harmless: false });
    }
    if (poolOfBlock(pools, cidr) === undefined) {
      findings.push({ kind: 'outOfPool', object, text: 'no pool covers it', harmless: true });
    }
    previous = cidr;
  }
  return findings;
}

function checkHandles({ blocks, handles }: IpamState): Finding[] {
  const findings: Finding[] = [];
  const counted = new Map(handles.map(handle => [handle.metadata.name, handle]));
  const used = new Map<string, number>();
  for (const block of blocks) {
    for (const [id, count] of handleCounts(block)) {
      used.set(`${handleName(id)} ${block.spec.cidr}`, count);
      const known = counted.get(handleName(id))?.spec.block[block.spec.cidr] ?? 0;
      if (known >= count) continue;
      const text = `handle "${id}" has ${count} addresses here but counts ${known}`;
      findings.push({ kind: 'uncounted', object: nameOf(block), text, harmless: false });
    }
  }
  for (const handle of handles) {
    for (const [cidr, count] of Object.entries(handle.spec.block)) {
      const there = used.get(`${handle.metadata.name} ${cidr}`) ?? 0;
      if (count <= there) continue;
      const text = `it counts ${count} addresses in ${cidr} but has ${there}`;
      findings.push({ kind: 'overcounted', object: nameOf(handle), text, harmless: true });
    }
  }
  return findings;
}

function checkAffinities({ blocks, affinities }: IpamState): Finding[] {
  const findings: Finding[] = [];
  const owners = new Map(blocks.map(block => [block.spec.cidr, block.spec.affinity ?? null]));
  const claims = new Set<string>();
  for (const affinity of affinities) {
    const { node, type = 'host', state } = affinity.spec;
    const owner = printOwner({ type, name: node });
    const cidr = parseCidr(affinity.spec.cidr);
    const text = cidr === undefined ? affinity.spec.cidr : printCidr(cidr);
    claims.add(`${owner} ${text}`);
    const actual = owners.get(text);
    const trouble =
      actual === undefined
        ? `block ${text} does not exist`
        : actual !== owner
          ? `block ${text} is affine to "${actual ?? ''}"`
          : isConfirmed(affinity)
            ? undefined
            : `its state is "${state}"`;
    if (trouble !== undefined) {
      findings.push({ kind: 'affinity', object: nameOf(affinity), text: trouble, harmless: true });
    }
  }
  for (const block of blocks) {
    const owner = parseOwner(block.spec.affinity);
    if (owner === undefined || claims.has(`${printOwner(owner)} ${block.spec.cidr}`)) continue;
    const text = `it is affine to "${printOwner(owner)}", which has no affinity to it`;
    findings.push({ kind: 'affinity', object: nameOf(block), text, harmless: true });
  }
  return findings;
}

function nameOf({ kind, metadata }: IPAMBlock | IPAMHandle | BlockAffinity): string {
  return `${kind}(${metadata.name})`;
}
