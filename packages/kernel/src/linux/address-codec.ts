import { addrFromBytes, addrToBytes } from '@calico/ip';
import type { Address } from '../kernel.ts';
import { Attributes } from '../netlink/attributes.ts';
import { LITTLE_ENDIAN, NLM_F_CREATE, NLM_F_REPLACE, viewOf } from '../netlink/message.ts';
import type { MessageWriter } from '../netlink/writer.ts';
import * as c from './constants.ts';
import { scopeName, scopeNumber } from './scope.ts';

/** linux/if_addr.h struct ifaddrmsg: u8 family, u8 prefix length, u8 flags, u8 scope, u32 index. */
const IFADDRMSG_LENGTH = 8;

/** Reads the payload of RTM_NEWADDR or RTM_DELADDR; undefined for families other than IP. */
export function decodeAddress(payload: Uint8Array): Address | undefined {
  const [family, length = 0, shortFlags = 0, scope = 0] = payload;
  if (family !== c.AF_INET && family !== c.AF_INET6) return undefined;
  const attributes = new Attributes(payload.subarray(IFADDRMSG_LENGTH));
  // On point-to-point links IFA_ADDRESS is the far end; IFA_LOCAL, where present, is always our own.
  const bytes = attributes.bytes(c.IFA_LOCAL) ?? attributes.bytes(c.IFA_ADDRESS);
  if (bytes === undefined) return undefined;
  const flags = attributes.u32(c.IFA_FLAGS) ?? shortFlags;
  return {
    link: viewOf(payload).getUint32(4, LITTLE_ENDIAN),
    address: { addr: addrFromBytes(bytes), length },
    scope: scopeName(scope),
    ...((flags & c.IFA_F_NODAD) !== 0 && { noDad: true }),
    ...((flags & c.IFA_F_TENTATIVE) !== 0 && { tentative: true }),
  };
}

/** RTM_GETADDR of all addresses, or of one link's: the kernel filters (NETLINK_GET_STRICT_CHK). */
export function encodeListAddresses(w: MessageWriter, link: number): void {
  w.message(c.RTM_GETADDR, 0, () => w.u8(c.AF_UNSPEC).zeros(3).u32(link));
}

/** RTM_NEWADDR that adds an address or replaces the same one. linux/if_addr.h struct ifaddrmsg */
export function encodeReplaceAddress(w: MessageWriter, address: Address): void {
  w.message(c.RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, () => {
    writeAddress(w, address, scopeNumber(address.scope));
    if (address.noDad) w.attrU32(c.IFA_FLAGS, c.IFA_F_NODAD);
  });
}

/** RTM_DELADDR of one address with its prefix length. */
export function encodeDeleteAddress(w: MessageWriter, address: Pick<Address, 'link' | 'address'>): void {
  w.message(c.RTM_DELADDR, 0, () => writeAddress(w, address, 0));
}

function writeAddress(w: MessageWriter, { link, address }: Pick<Address, 'link' | 'address'>, scope: number): void {
  w.u8(address.addr.family === 4 ? c.AF_INET : c.AF_INET6);
  w.u8(address.length).u8(0).u8(scope).u32(link);
  const bytes = addrToBytes(address.addr);
  w.attr(c.IFA_LOCAL, bytes);
  w.attr(c.IFA_ADDRESS, bytes);
}
