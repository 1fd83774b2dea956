import { type Addr, addrFromBytes, addrToBytes, type Family, type Mac, macFromBytes, macToBytes } from '@calico/ip';
import type { FdbEntry, Neighbour } from '../kernel.ts';
import { Attributes } from '../netlink/attributes.ts';
import { LITTLE_ENDIAN, NLM_F_CREATE, NLM_F_REPLACE, viewOf } from '../netlink/message.ts';
import type { MessageWriter } from '../netlink/writer.ts';
import * as c from './constants.ts';

/** linux/neighbour.h struct ndmsg: u8 family, 3 bytes padding, i32 index, u16 state, u8 flags, u8 type. */
const NDMSG_LENGTH = 12;

function ndmsg(w: MessageWriter, family: number, link: number, state: number, flags: number): void {
  w.u8(family).zeros(3).u32(link).u16(state).u8(flags).u8(0);
}

/**
 * Reads the payload of RTM_NEWNEIGH or RTM_DELNEIGH; undefined for other families, for proxy entries, and for the
 * NUD_NOARP entries of multicast and loopback, which the kernel makes for itself.
 */
export function decodeNeighbour(payload: Uint8Array): Neighbour | undefined {
  const view = viewOf(payload);
  const family = payload[0];
  if (family !== c.AF_INET && family !== c.AF_INET6) return undefined;
  const state = view.getUint16(8, LITTLE_ENDIAN);
  if ((view.getUint8(10) & c.NTF_PROXY) !== 0 || (state & c.NUD_NOARP) !== 0) return undefined;
  const attributes = new Attributes(payload.subarray(NDMSG_LENGTH));
  const address = attributes.bytes(c.NDA_DST);
  if (address === undefined) return undefined;
  const mac = attributes.bytes(c.NDA_LLADDR);
  return {
    link: view.getInt32(4, LITTLE_ENDIAN),
    address: addrFromBytes(address),
    ...(mac?.length === 6 && { mac: macFromBytes(mac) }),
    permanent: (state & c.NUD_PERMANENT) !== 0,
  };
}

/** Reads one entry of a bridge-family dump; undefined where it has no remote tunnel endpoint. */
export function decodeFdbEntry(payload: Uint8Array): FdbEntry | undefined {
  if (payload[0] !== c.AF_BRIDGE) return undefined;
  const attributes = new Attributes(payload.subarray(NDMSG_LENGTH));
  const mac = attributes.bytes(c.NDA_LLADDR);
  const remote = attributes.bytes(c.NDA_DST);
  if (mac?.length !== 6 || remote === undefined) return undefined;
  return { link: viewOf(payload).getInt32(4, LITTLE_ENDIAN), mac: macFromBytes(mac), remote: addrFromBytes(remote) };
}

/** RTM_GETNEIGH of a family and a link (undefined: all); the kernel filters (NETLINK_GET_STRICT_CHK). */
export function encodeListNeighbours(w: MessageWriter, family: Family | undefined, link: number | undefined): void {
  const number = family === undefined ? c.AF_UNSPEC : family === 4 ? c.AF_INET : c.AF_INET6;
  w.message(c.RTM_GETNEIGH, 0, () => {
    ndmsg(w, number, 0, 0, 0);
    if (link !== undefined) w.attrU32(c.NDA_IFINDEX, link);
  });
}

/** RTM_NEWNEIGH that adds or replaces an ARP or NDP entry. linux/neighbour.h struct ndmsg */
export function encodeReplaceNeighbour(w: MessageWriter, n: Neighbour & { readonly mac: Mac }): void {
  w.message(c.RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, () => {
    ndmsg(w, familyOf(n.address), n.link, n.permanent ? c.NUD_PERMANENT : c.NUD_REACHABLE, 0);
    w.attr(c.NDA_DST, addrToBytes(n.address));
    w.attr(c.NDA_LLADDR, macToBytes(n.mac));
  });
}

/** RTM_DELNEIGH of an ARP or NDP entry. */
export function encodeDeleteNeighbour(w: MessageWriter, n: Pick<Neighbour, 'link' | 'address'>): void {
  w.message(c.RTM_DELNEIGH, 0, () => {
    ndmsg(w, familyOf(n.address), n.link, 0, 0);
    w.attr(c.NDA_DST, addrToBytes(n.address));
  });
}

/** RTM_GETNEIGH of the bridge family: the forwarding table of one link. */
export function encodeListFdb(w: MessageWriter, link: number): void {
  w.message(c.RTM_GETNEIGH, 0, () => ndmsg(w, c.AF_BRIDGE, link, 0, 0));
}

/** RTM_NEWNEIGH with NTF_SELF: into the VXLAN link's own table, not that of a bridge above it. */
export function encodeReplaceFdb(w: MessageWriter, entry: FdbEntry): void {
  w.message(c.RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, () => writeFdb(w, entry));
}

/** RTM_DELNEIGH of a forwarding entry of a VXLAN link (AF_BRIDGE, NTF_SELF). */
export function encodeDeleteFdb(w: MessageWriter, entry: FdbEntry): void {
  w.message(c.RTM_DELNEIGH, 0, () => writeFdb(w, entry));
}

function writeFdb(w: MessageWriter, { link, mac, remote }: FdbEntry): void {
  ndmsg(w, c.AF_BRIDGE, link, c.NUD_PERMANENT, c.NTF_SELF);
  w.attr(c.NDA_LLADDR, macToBytes(mac));
  w.attr(c.NDA_DST, addrToBytes(remote));
}

function familyOf(address: Addr): number {
  return address.family === 4 ? c.AF_INET : c.AF_INET6;
}
