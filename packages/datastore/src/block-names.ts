// Bun.CryptoHasher rather than node:crypto: loading the latter costs a program 2 ms.
import { type Cidr, printCidr } from '@calico/ip';

const NAME_LIMIT = 253;
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** The name of the IPAMBlock of a CIDR: `10-0-0-0-26`, `fd00---122`. */
export function blockName(cidr: Cidr): string {
  return printCidr(cidr).replace(/[.:/]/g, '-');
}

/** The name of a BlockAffinity: `<host>-<block name>`, cut and hashed where that is too long for a name. */
export function affinityName(host: string, cidr: Cidr): string {
  const block = blockName(cidr);
  const name = `${host}-${block}`;
  if (name.length < NAME_LIMIT) return name;
  const hash = new Bun.CryptoHasher('sha256').update(`${host}+${block}`).digest('hex').slice(0, 11);
  return `${host.slice(0, NAME_LIMIT - 1 - block.length - 13)}-${block}-${hash}`;
}

/** Whether a BlockAffinity's name may be one that was cut: its host is not in it then. */
export function mayBeCut(name: string): boolean {
  return /-[0-9a-f]{11}$/.test(name) && name.length >= NAME_LIMIT - 2;
}

/** A label value for names of any length: the SHA3-256 of the name in base32 without padding. */
export function hostnameHash(name: string): string {
  let text = '';
  let bits = 0;
  let value = 0;
  for (const byte of new Bun.CryptoHasher('sha3-256').update(name).digest()) {
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
