import { type Cidr, cidr, cidrEquals, cidrsOverlap, maskCidr, parseCidr, printCidr } from '@calico/ip';
import type { FieldErrors } from '../../field-error.ts';
import type { IPPool, IPPoolSpec } from './ip-pool.ts';

const BLOCK_SIZES = {
  4: { default: 26, minimum: 20, maximum: 32 },
  6: { default: 122, minimum: 116, maximum: 128 },
};
const LINK_LOCAL = { 4: '169.254.0.0/16', 6: 'fe80::/10' };

/** Fills in what depends on the family, and writes the CIDR in its canonical form. */
export function defaultPool(pool: IPPool): IPPool {
  const { spec } = pool;
  if (typeof spec !== 'object' || spec === null) return pool;
  const parsed = typeof spec.cidr === 'string' && spec.cidr.includes('/') ? parseCidr(spec.cidr) : undefined;
  spec.vxlanMode ??= 'Never';
  spec.ipipMode ??= 'Never';
  const { allowedUses } = spec;
  if (allowedUses === undefined || (Array.isArray(allowedUses) && allowedUses.length === 0))
    spec.allowedUses = ['Workload', 'Tunnel'];
  if (parsed !== undefined) {
    spec.cidr = printCidr(parsed);
    if (spec.blockSize === undefined || spec.blockSize === 0) spec.blockSize = BLOCK_SIZES[parsed.addr.family].default;
  }
  return pool;
}

/** The cross-field rules of a pool. Overlap with other pools and with blocks is the datastore's to check. */
export function poolRules(pool: IPPool, errors: FieldErrors, old: IPPool | undefined): void {
  const { spec } = pool;
  const parsed = parseCidr(spec.cidr);
  if (parsed === undefined) return;
  cidrRules(spec, parsed, errors);
  encapsulationRules(spec, parsed, errors);
  useRules(spec, errors);
  if (old !== undefined) updateRules(spec, parsed, old.spec, errors);
}

function cidrRules(spec: IPPoolSpec, parsed: Cidr, errors: FieldErrors): void {
  const { family } = parsed.addr;
  if (cidrsOverlap(parsed, cidr(LINK_LOCAL[family]))) {
    errors.invalid('spec.cidr', spec.cidr, `must not overlap the link-local range ${LINK_LOCAL[family]}`);
  }
  const sizes = BLOCK_SIZES[family];
  const { blockSize } = spec;
  if (blockSize !== undefined && blockSize !== 0 && (blockSize < sizes.minimum || blockSize > sizes.maximum)) {
    errors.invalid('spec.blockSize', blockSize, `must be from ${sizes.minimum} to ${sizes.maximum} for IPv${family}`);
    return;
  }
  const length = blockSize === undefined || blockSize === 0 ? sizes.default : blockSize;
  if (spec.disabled !== true && parsed.length > length) {
    errors.invalid(
      'spec.cidr',
      spec.cidr,
      `must hold at least one block: a prefix length of at most ${length}, or disabled`,
    );
  }
}

function encapsulationRules(spec: IPPoolSpec, parsed: Cidr, errors: FieldErrors): void {
  const ipip = spec.ipipMode !== undefined && spec.ipipMode !== 'Never';
  const vxlan = spec.vxlanMode !== undefined && spec.vxlanMode !== 'Never';
  if (ipip && parsed.addr.family === 6) {
    errors.invalid('spec.ipipMode', spec.ipipMode, 'must be "Never" for an IPv6 pool');
  } else if (ipip && vxlan) {
    errors.invalid('spec.ipipMode', spec.ipipMode, `must be "Never" when vxlanMode is "${spec.vxlanMode}"`);
  }
}

function useRules(spec: IPPoolSpec, errors: FieldErrors): void {
  const uses = spec.allowedUses ?? [];
  if (uses.includes('Tunnel') && (spec.namespaceSelector ?? '') !== '') {
    errors.invalid(
      'spec.namespaceSelector',
      spec.namespaceSelector,
      'must be empty unless allowedUses is given without "Tunnel"',
    );
  }
  if (!uses.includes('LoadBalancer')) return;
  if (uses.length > 1) errors.invalid('spec.allowedUses', uses, '"LoadBalancer" cannot be combined with other uses');
  for (const field of ['ipipMode', 'vxlanMode'] as const) {
    const mode = spec[field];
    if (mode !== undefined && mode !== 'Never') {
      errors.invalid(`spec.${field}`, mode, 'must be "Never" for a pool of load balancer addresses');
    }
  }
  if (spec.nodeSelector !== undefined && spec.nodeSelector !== 'all()') {
    errors.invalid('spec.nodeSelector', spec.nodeSelector, 'must be "all()" for a pool of load balancer addresses');
  }
  if (spec.disableBGPExport === true) {
    errors.invalid('spec.disableBGPExport', true, 'must be false for a pool of load balancer addresses');
  }
}

function updateRules(spec: IPPoolSpec, parsed: Cidr, old: IPPoolSpec, errors: FieldErrors): void {
  const before = parseCidr(old.cidr);
  if (before !== undefined && !cidrEquals(maskCidr(before), parsed)) {
    errors.invalid('spec.cidr', spec.cidr, `cannot be changed; it is "${old.cidr}"`);
  }
  const sizes = BLOCK_SIZES[parsed.addr.family];
  const sizeBefore = old.blockSize || sizes.default;
  if ((spec.blockSize || sizes.default) !== sizeBefore) {
    errors.invalid('spec.blockSize', spec.blockSize, `cannot be changed; it is ${sizeBefore}`);
  }
  const wasLoadBalancer = old.allowedUses?.includes('LoadBalancer') === true;
  if (wasLoadBalancer && spec.allowedUses?.includes('LoadBalancer') !== true) {
    errors.invalid('spec.allowedUses', spec.allowedUses, 'cannot be changed; it is ["LoadBalancer"]');
  }
}
