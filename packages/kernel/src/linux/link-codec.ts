import { type Addr, addrFromBytes, addrToBytes, macFromBytes, macToBytes } from '@calico/ip';
import type { Link, LinkChange, LinkSpec, VethPeerSpec, VxlanInfo } from '../kernel.ts';
import { Attributes } from '../netlink/attributes.ts';
import { LITTLE_ENDIAN, NLM_F_CREATE, NLM_F_EXCL, viewOf } from '../netlink/message.ts';
import type { MessageWriter } from '../netlink/writer.ts';
import * as c from './constants.ts';

/** linux/rtnetlink.h struct ifinfomsg: u8 family, u8 padding, u16 type, i32 index, u32 flags, u32 change mask. */
const IFINFOMSG_LENGTH = 16;

function ifinfomsg(w: MessageWriter, index: number, flags: number, change: number): void {
  w.u8(c.AF_UNSPEC).zeros(3).u32(index).u32(flags).u32(change);
}

/** Reads the payload of RTM_NEWLINK or RTM_DELLINK. */
export function decodeLink(payload: Uint8Array): Link {
  const view = viewOf(payload);
  const flags = view.getUint32(8, LITTLE_ENDIAN);
  const attributes = new Attributes(payload.subarray(IFINFOMSG_LENGTH));
  const info = attributes.nest(c.IFLA_LINKINFO);
  const kind = info?.string(c.IFLA_INFO_KIND);
  const address = attributes.bytes(c.IFLA_ADDRESS);
  const master = attributes.u32(c.IFLA_MASTER);
  const peerNamespaceId = attributes.i32(c.IFLA_LINK_NETNSID);
  const alias = attributes.string(c.IFLA_IFALIAS);
  const data = kind === 'vxlan' ? info?.nest(c.IFLA_INFO_DATA) : undefined;
  const parent = attributes.u32(c.IFLA_LINK) ?? data?.u32(c.IFLA_VXLAN_LINK);
  return {
    index: view.getInt32(4, LITTLE_ENDIAN),
    name: attributes.string(c.IFLA_IFNAME) ?? '',
    ...(kind !== undefined && { kind }),
    mtu: attributes.u32(c.IFLA_MTU) ?? 0,
    up: (flags & c.IFF_UP) !== 0,
    running: (flags & c.IFF_RUNNING) !== 0,
    ...(address?.length === 6 && { mac: macFromBytes(address) }),
    ...(master !== undefined && { master }),
    ...(parent !== undefined && parent !== 0 && { parent }),
    ...(peerNamespaceId !== undefined && peerNamespaceId >= 0 && { peerNamespaceId }),
    ...(alias !== undefined && alias !== '' && { alias }),
    ...(data !== undefined && { vxlan: decodeVxlan(data) }),
  };
}

function decodeVxlan(data: Attributes): VxlanInfo {
  const local = data.bytes(c.IFLA_VXLAN_LOCAL) ?? data.bytes(c.IFLA_VXLAN_LOCAL6);
  return {
    vni: data.u32(c.IFLA_VXLAN_ID) ?? 0,
    port: data.u16be(c.IFLA_VXLAN_PORT) ?? 0, // network order, unlike its neighbours
    ...(local !== undefined && { local: addrFromBytes(local) }),
    learning: data.u8(c.IFLA_VXLAN_LEARNING) === 1,
  };
}

/** RTM_GETLINK of all links; the statistics, two thirds of each answer, are left out. */
export function encodeListLinks(w: MessageWriter): void {
  w.message(c.RTM_GETLINK, 0, () => {
    ifinfomsg(w, 0, 0, 0);
    w.attrU32(c.IFLA_EXT_MASK, c.RTEXT_FILTER_SKIP_STATS);
  });
}

/** RTM_GETLINK of one link by its name or index. */
export function encodeGetLink(w: MessageWriter, nameOrIndex: string | number): void {
  w.message(c.RTM_GETLINK, 0, () => {
    ifinfomsg(w, typeof nameOrIndex === 'number' ? nameOrIndex : 0, 0, 0);
    if (typeof nameOrIndex === 'string') w.attrString(c.IFLA_IFNAME, nameOrIndex);
    w.attrU32(c.IFLA_EXT_MASK, c.RTEXT_FILTER_SKIP_STATS);
  });
}

/** RTM_NEWLINK that fails with EEXIST if the name is taken. */
export function encodeCreateLink(w: MessageWriter, spec: LinkSpec): void {
  w.message(c.RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, () => {
    newLinkHead(w, spec, spec.up ? c.IFF_UP : 0);
    w.nest(c.IFLA_LINKINFO, () => {
      w.attrString(c.IFLA_INFO_KIND, spec.kind);
      if (spec.kind === 'veth') {
        const { peer } = spec;
        w.nest(c.IFLA_INFO_DATA, () => w.nest(c.VETH_INFO_PEER, () => newLinkHead(w, peer, 0)));
      }
      if (spec.kind === 'vxlan') {
        const { vni, port, local, parent } = spec;
        w.nest(c.IFLA_INFO_DATA, () => {
          w.attrU32(c.IFLA_VXLAN_ID, vni);
          w.attrU16be(c.IFLA_VXLAN_PORT, port); // network order
          w.attrU8(c.IFLA_VXLAN_LEARNING, 0);
          if (parent !== undefined) w.attrU32(c.IFLA_VXLAN_LINK, parent);
          if (local !== undefined) vxlanLocal(w, local);
        });
      }
    });
  });
}

function newLinkHead(w: MessageWriter, spec: VethPeerSpec, flags: number): void {
  ifinfomsg(w, 0, flags, flags);
  w.attrString(c.IFLA_IFNAME, spec.name);
  if (spec.mtu !== undefined) w.attrU32(c.IFLA_MTU, spec.mtu);
  if (spec.mac !== undefined) w.attr(c.IFLA_ADDRESS, macToBytes(spec.mac));
  if (spec.queues !== undefined)
    w.attrU32(c.IFLA_NUM_TX_QUEUES, spec.queues).attrU32(c.IFLA_NUM_RX_QUEUES, spec.queues);
  if (spec.namespace !== undefined) w.attrU32(c.IFLA_NET_NS_FD, spec.namespace.fd);
}

function vxlanLocal(w: MessageWriter, local: Addr): void {
  w.attr(local.family === 4 ? c.IFLA_VXLAN_LOCAL : c.IFLA_VXLAN_LOCAL6, addrToBytes(local));
}

/** RTM_SETLINK with the fields given only. */
export function encodeSetLink(w: MessageWriter, index: number, change: LinkChange): void {
  w.message(c.RTM_SETLINK, 0, () => {
    ifinfomsg(w, index, change.up ? c.IFF_UP : 0, change.up === undefined ? 0 : c.IFF_UP);
    if (change.mtu !== undefined) w.attrU32(c.IFLA_MTU, change.mtu);
    if (change.mac !== undefined) w.attr(c.IFLA_ADDRESS, macToBytes(change.mac));
    if (change.name !== undefined) w.attrString(c.IFLA_IFNAME, change.name);
    if (change.master !== undefined) w.attrU32(c.IFLA_MASTER, change.master ?? 0);
    if (change.namespace !== undefined) w.attrU32(c.IFLA_NET_NS_FD, change.namespace.fd);
    if (change.alias !== undefined) w.attr(c.IFLA_IFALIAS, new TextEncoder().encode(change.alias));
  });
}

/** RTM_SETLINK into a group: a number that RTM_DELLINK can name instead of an index. */
export function encodeGroupLink(w: MessageWriter, index: number, group: number): void {
  w.message(c.RTM_SETLINK, 0, () => {
    ifinfomsg(w, index, 0, 0);
    w.attrU32(c.IFLA_GROUP, group);
  });
}

/** RTM_DELLINK of all links of a group. */
export function encodeDeleteGroup(w: MessageWriter, group: number): void {
  w.message(c.RTM_DELLINK, 0, () => {
    ifinfomsg(w, 0, 0, 0);
    w.attrU32(c.IFLA_GROUP, group);
  });
}

/** RTM_DELLINK by index. linux/rtnetlink.h struct ifinfomsg */
export function encodeDeleteLink(w: MessageWriter, index: number): void {
  w.message(c.RTM_DELLINK, 0, () => ifinfomsg(w, index, 0, 0));
}
