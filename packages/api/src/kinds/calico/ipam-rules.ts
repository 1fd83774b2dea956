import { cidrSize, parseCidr } from '@calico/ip';
import type { FieldErrors } from '../../field-error.ts';
import type { IPAMBlock } from './ipam-block.ts';
import type { IPAMConfiguration } from './ipam-configuration.ts';
import type { IPAMHandle } from './ipam-handle.ts';

/** A block has one entry per address, and what points into a list points at something. */
export function blockRules(block: IPAMBlock, errors: FieldErrors): void {
  const { cidr, allocations, attributes, unallocated } = block.spec;
  const parsed = parseCidr(cidr);
  if (parsed === undefined) return;
  const size = cidrSize(parsed);
  if (BigInt(allocations.length) !== size) {
    errors.invalid(
      'spec.allocations',
      allocations.length,
      `must have one entry for each of the ${size} addresses of ${cidr}`,
    );
    return;
  }
  for (const [ordinal, index] of allocations.entries()) {
    if (index !== null && index >= attributes.length) {
      errors.invalid(
        `spec.allocations[${ordinal}]`,
        index,
        `must be null or an index into the ${attributes.length} attributes`,
      );
    }
  }
  for (const [i, ordinal] of unallocated.entries()) {
    const path = `spec.unallocated[${i}]`;
    if (BigInt(ordinal) >= size) errors.invalid(path, ordinal, `must be less than ${size}, the size of ${cidr}`);
    else if (allocations[ordinal] !== null)
      errors.invalid(path, ordinal, 'must be an ordinal that is free in allocations');
  }
}

/** A handle counts addresses by block. */
export function handleRules(handle: IPAMHandle, errors: FieldErrors): void {
  for (const cidr of Object.keys(handle.spec.block)) {
    if (!cidr.includes('/') || parseCidr(cidr) === undefined) {
      errors.invalid('spec.block', cidr, 'every key must be the CIDR of a block, such as "10.0.0.0/26"');
    }
  }
}

/** There is one configuration, and its switches must leave a way to get addresses. */
export function ipamConfigurationRules(config: IPAMConfiguration, errors: FieldErrors): void {
  if (config.metadata.name !== 'default') {
    errors.invalid('metadata.name', config.metadata.name, 'must be "default", the only configuration of IPAM');
  }
  const { strictAffinity, autoAllocateBlocks } = config.spec;
  if (!strictAffinity && !autoAllocateBlocks) {
    errors.invalid('spec.autoAllocateBlocks', autoAllocateBlocks, 'must be true unless strictAffinity is true');
  }
}
