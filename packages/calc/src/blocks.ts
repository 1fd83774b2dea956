import type { IPAMBlock } from '@calico/api';
import { hostCidr, maskCidr, nthAddr, parseCidr } from '@calico/ip';
import type { Claim } from './routes.ts';

const HOST_AFFINITY = 'host:';

/**
 * What an IPAM block says of where addresses are: the whole block is on the node that it belongs to, and each address
 * that another node took is there. Nothing for a block whose CIDR cannot be read, or that is marked as deleted: whoever
 * marked it may have died before the delete.
 */
export function blockClaims({ spec }: IPAMBlock): Claim[] {
  const given = parseCidr(spec.cidr);
  if (given === undefined || spec.deleted === true) return [];
  const cidr = maskCidr(given);
  const affinity = spec.affinity ?? '';
  const owner = affinity.startsWith(HOST_AFFINITY) ? affinity.slice(HOST_AFFINITY.length) : undefined;
  const claims: Claim[] = owner === undefined ? [] : [{ kind: 'block', cidr, node: owner }];
  for (const [ordinal, attribute] of (spec.allocations ?? []).entries()) {
    if (attribute === null || attribute === undefined) continue;
    const node = spec.attributes?.[attribute]?.secondary?.node;
    if (node === undefined || node === '' || node === owner) continue;
    claims.push({ kind: 'borrowed', cidr: hostCidr(nthAddr(cidr, ordinal)), node });
  }
  return claims;
}
