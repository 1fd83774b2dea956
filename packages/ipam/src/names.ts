import { createHash } from 'node:crypto';
import { type Cidr, type Family, printCidr } from '@calico/ip';
import type { Owner } from './owner.ts';

const NAME_LIMIT = 253;
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** Labels of a BlockAffinity, by which it is listed. */
export const HOSTNAME_HASH_LABEL = 'projectcalico.org/hostname-hash';
export const AFFINITY_TYPE_LABEL = 'projectcalico.org/affinity-type';
export const IP_VERSION_LABEL = 'projectcalico.org/ip-version';

/** The name of the IPAMBlock of a CIDR: `10-0-0-0-26`, `fd00---122`. */
export function blockName(cidr: Cidr): string {
  return printCidr(cidr).replace(/[.:/]/g, '-');
}

/** The name of a BlockAffinity: `<host>-<block name>`, cut and hashed where that is too long for a name. */
export function affinityName(owner: Owner, cidr: Cidr): string {
  const block = blockName(cidr);
  const name = `${owner.name}-${block}`;
  if (name.length < NAME_LIMIT) return name;
  const hash = createHash('sha256').update(`${owner.name}+${block}`).digest('hex').slice(0, 11);
  return `${owner.name.slice(0, NAME_LIMIT - 1 - block.length - 13)}-${block}-${hash}`;
}

/** The name of the IPAMHandle of a handle ID. */
export function handleName(handle: string): string {
  return handle.toLowerCase();
}

/** A label value for names of any length: the SHA3-256 of the name in base32 without padding. */
export function hostnameHash(name: string): string {
  let text = '';
  let bits = 0;
  let value = 0;
  for (const byte of createHash('sha3-256').update(name).digest()) {
    value = (value << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += BASE32[(value >> bits) & 31];
    }
    value &= (1 << bits) - 1;
  }
  return bits === 0 ? text : text + BASE32[(value << (5 - bits)) & 31];
}

/** The labels that the affinities of an owner have, of one family or (as a selector for both) of any. */
export function affinityLabels(owner: Owner, family?: Family): Record<string, string> {
  const labels: Record<string, string> = {
    [HOSTNAME_HASH_LABEL]: hostnameHash(owner.name),
    [AFFINITY_TYPE_LABEL]: owner.type,
  };
  if (family !== undefined) labels[IP_VERSION_LABEL] = String(family);
  return labels;
}
