import { IPAMBlock, IPAMConfiguration, IPAMHandle } from '@calico/api';
import { type Cidr, cidr } from '@calico/ip';
import { blockName } from '../block-names.ts';
import { keyCidr, parseBlockName, parseKeyCidr } from './ipam-names.ts';
import { under } from './key-range.ts';
import type { Layout } from './layout.ts';

const ROOT = '/calico/ipam/v2/';
const BLOCKS = `${ROOT}assignment/`;
const BLOCK = /^\/calico\/ipam\/v2\/assignment\/ipv[46]\/block\/([^/]+)$/;
const HANDLES = `${ROOT}handle/`;
const CONFIGURATION = `${ROOT}config`;

function blockPlace(block: Cidr): string {
  return `${BLOCKS}ipv${block.addr.family}/block/${keyCidr(block)}`;
}

/** Go writes a list without elements as null. */
type GoBlock = Partial<{ [F in keyof IPAMBlock['spec']]: IPAMBlock['spec'][F] | null }> & {
  readonly affinity_claim_time?: string | null;
};

/** Blocks at `assignment/ipv{4|6}/block/<cidr>`. The time of the claim has another name there, strictAffinity none. */
export const blockLayout: Layout<IPAMBlock> = {
  storesMetadata: false,
  range: () => under(BLOCKS),
  place: ({ spec }) => blockPlace(cidr(spec.cidr)),
  places({ name }) {
    const block = parseBlockName(name);
    return block === undefined ? [] : [blockPlace(block)];
  },
  encode({ spec }) {
    const { cidr: range, affinity = null, affinityClaimTime, strictAffinity: _, ...rest } = spec;
    return {
      cidr: range,
      affinity,
      ...(affinityClaimTime == null ? {} : { affinity_claim_time: affinityClaimTime }),
      ...rest,
      sequenceNumberForAllocation: rest.sequenceNumberForAllocation ?? {},
      deleted: rest.deleted ?? false,
    };
  },
  decode(place, value) {
    const block = parseKeyCidr(BLOCK.exec(place)?.[1] ?? '');
    if (block === undefined) return undefined;
    const stored: GoBlock = value;
    const { affinity_claim_time: claimed, allocations, unallocated, attributes, ...rest } = stored;
    const spec = {
      ...rest,
      affinity: stored.affinity ?? null,
      affinityClaimTime: claimed ?? null,
      allocations: allocations ?? [],
      unallocated: unallocated ?? [],
      attributes: attributes ?? [],
      sequenceNumber: stored.sequenceNumber ?? 0,
      sequenceNumberForAllocation: stored.sequenceNumberForAllocation ?? {},
      strictAffinity: false,
      deleted: stored.deleted ?? false,
    } as IPAMBlock['spec'];
    return { apiVersion: IPAMBlock.apiVersion, kind: IPAMBlock.kind, metadata: { name: blockName(block) }, spec };
  },
};

/** Handles at `handle/<id>`. The ID is in the key alone, in its own case; the name is its lower case. */
export const handleLayout: Layout<IPAMHandle> = {
  storesMetadata: false,
  range: () => under(HANDLES),
  place: ({ spec }) => HANDLES + spec.handleID,
  places: ({ name }) => (name === '' || name.includes('/') ? [] : [HANDLES + name]),
  search: () => under(HANDLES),
  encode({ spec }) {
    const { handleID: _, ...rest } = spec;
    return { ...rest, deleted: spec.deleted ?? false };
  },
  decode(place, value) {
    const handleID = place.slice(HANDLES.length);
    if (handleID === '' || handleID.includes('/')) return undefined;
    const stored: Partial<IPAMHandle['spec']> = value;
    return {
      apiVersion: IPAMHandle.apiVersion,
      kind: IPAMHandle.kind,
      metadata: { name: handleID.toLowerCase() },
      spec: { ...stored, handleID, block: stored.block ?? {}, deleted: stored.deleted ?? false },
    };
  },
};

/** The configuration at `config`. A switch that is not written is off. */
export const configurationLayout: Layout<IPAMConfiguration> = {
  storesMetadata: false,
  range: () => ({ key: CONFIGURATION }),
  place: () => CONFIGURATION,
  places: ({ name }) => (name === 'default' ? [CONFIGURATION] : []),
  encode({ spec }) {
    const { strictAffinity, autoAllocateBlocks, ...rest } = spec;
    return { strict_affinity: strictAffinity, auto_allocate_blocks: autoAllocateBlocks, ...rest };
  },
  decode(_place, value) {
    const stored: Partial<IPAMConfiguration['spec']> & {
      readonly strict_affinity?: boolean;
      readonly auto_allocate_blocks?: boolean;
    } = value;
    const {
      strict_affinity: strictAffinity = false,
      auto_allocate_blocks: autoAllocateBlocks = false,
      ...rest
    } = stored;
    return {
      apiVersion: IPAMConfiguration.apiVersion,
      kind: IPAMConfiguration.kind,
      metadata: { name: 'default' },
      spec: { ...rest, strictAffinity, autoAllocateBlocks },
    };
  },
};
