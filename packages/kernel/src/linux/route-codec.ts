import { type Addr, addrFromBytes, addrToBytes, type Family } from '@calico/ip';
import type { Nexthop, Route, RouteKey, RouteType } from '../kernel.ts';
import { Attributes } from '../netlink/attributes.ts';
import { align4, LITTLE_ENDIAN, NLM_F_CREATE, NLM_F_REPLACE, viewOf } from '../netlink/message.ts';
import { MessageWriter } from '../netlink/writer.ts';
import * as c from './constants.ts';
import { scopeName, scopeNumber } from './scope.ts';

/**
 * linux/rtnetlink.h struct rtmsg: u8 family, u8 destination length, u8 source length, u8 tos, u8 table, u8 protocol,
 * u8 scope, u8 type, u32 flags.
 */
const RTMSG_LENGTH = 12;
/** linux/rtnetlink.h struct rtnexthop: u16 length, u8 flags, u8 weight - 1, i32 index; attributes follow. */
const RTNEXTHOP_LENGTH = 8;

// linux/rtnetlink.h RTN_*, in order from 0
const routeTypes: readonly RouteType[] = [
  'unspec',
  'unicast',
  'local',
  'broadcast',
  'anycast',
  'multicast',
  'blackhole',
  'unreachable',
  'prohibit',
  'throw',
];

// IPv6 hangs these on the loopback link, which says nothing.
const rejecting: ReadonlySet<RouteType> = new Set<RouteType>(['blackhole', 'unreachable', 'prohibit', 'throw']);

/** Reads the payload of RTM_NEWROUTE or RTM_DELROUTE; undefined for other families and for cached copies. */
export function decodeRoute(payload: Uint8Array): Route | undefined {
  const [familyNumber, length = 0, , , shortTable = 0, protocol = 0, scope = 0, typeNumber = 0] = payload;
  if (familyNumber !== c.AF_INET && familyNumber !== c.AF_INET6) return undefined;
  const flags = viewOf(payload).getUint32(8, LITTLE_ENDIAN);
  if ((flags & c.RTM_F_CLONED) !== 0) return undefined;
  const family = familyNumber === c.AF_INET ? 4 : 6;
  const attributes = new Attributes(payload.subarray(RTMSG_LENGTH));
  const destination = attributes.bytes(c.RTA_DST);
  const type = routeTypes[typeNumber] ?? 'unspec';
  const metric = attributes.u32(c.RTA_PRIORITY);
  const source = attributes.bytes(c.RTA_PREFSRC);
  const mtu = attributes.nest(c.RTA_METRICS)?.u32(c.RTAX_MTU);
  const link = family === 6 && rejecting.has(type) ? undefined : attributes.u32(c.RTA_OIF);
  const gateway = decodeGateway(attributes);
  const multipath = attributes.bytes(c.RTA_MULTIPATH);
  return {
    destination: { addr: destination ? addrFromBytes(destination) : { family, value: 0n }, length },
    table: attributes.u32(c.RTA_TABLE) ?? shortTable,
    protocol,
    scope: scopeName(scope),
    type,
    ...(link !== undefined && { link }),
    ...(gateway !== undefined && { gateway }),
    ...((flags & c.RTNH_F_ONLINK) !== 0 && { onlink: true }),
    ...(metric !== undefined && { metric }),
    ...(source !== undefined && { source: addrFromBytes(source) }),
    ...(mtu !== undefined && { mtu }),
    ...(multipath !== undefined && { nexthops: decodeNexthops(multipath) }),
  };
}

/** RTA_GATEWAY, or RTA_VIA (u16 family, address) where the gateway is of the other family. */
function decodeGateway(attributes: Attributes): Addr | undefined {
  const gateway = attributes.bytes(c.RTA_GATEWAY);
  if (gateway !== undefined) return addrFromBytes(gateway);
  const via = attributes.bytes(c.RTA_VIA);
  return via === undefined ? undefined : addrFromBytes(via.subarray(2));
}

function decodeNexthops(bytes: Uint8Array): Nexthop[] {
  const nexthops: Nexthop[] = [];
  const view = viewOf(bytes);
  for (let at = 0; at + RTNEXTHOP_LENGTH <= bytes.length; ) {
    const length = view.getUint16(at, LITTLE_ENDIAN);
    if (length < RTNEXTHOP_LENGTH || at + length > bytes.length) break;
    const gateway = decodeGateway(new Attributes(bytes.subarray(at + RTNEXTHOP_LENGTH, at + length)));
    nexthops.push({
      link: view.getInt32(at + 4, LITTLE_ENDIAN),
      ...(gateway !== undefined && { gateway }),
      ...((view.getUint8(at + 2) & c.RTNH_F_ONLINK) !== 0 && { onlink: true }),
      weight: view.getUint8(at + 3) + 1,
    });
    at += align4(length);
  }
  return nexthops;
}

/** RTM_GETROUTE of a family (undefined: both) and a table (undefined: all); the kernel filters. */
export function encodeListRoutes(w: MessageWriter, family: Family | undefined, table: number | undefined): void {
  w.message(c.RTM_GETROUTE, 0, () => {
    w.u8(family === undefined ? c.AF_UNSPEC : family === 4 ? c.AF_INET : c.AF_INET6).zeros(RTMSG_LENGTH - 1);
    if (table !== undefined) w.attrU32(c.RTA_TABLE, table);
  });
}

/** RTM_NEWROUTE that adds a route or replaces the one of the same destination, table and metric. linux/rtnetlink.h struct rtmsg */
export function encodeReplaceRoute(w: MessageWriter, route: Route): void {
  w.message(c.RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, () => writeRoute(w, route, scopeNumber(route.scope)));
}

/** RTM_DELROUTE; a scope that is not given matches any (RT_SCOPE_NOWHERE). */
export function encodeDeleteRoute(w: MessageWriter, route: RouteKey): void {
  const scope = route.scope === undefined ? c.RT_SCOPE_NOWHERE : scopeNumber(route.scope);
  w.message(c.RTM_DELROUTE, 0, () => writeRoute(w, route, scope));
}

function writeRoute(w: MessageWriter, route: RouteKey, scope: number): void {
  const { destination } = route;
  const { family } = destination.addr;
  w.u8(family === 4 ? c.AF_INET : c.AF_INET6);
  w.u8(destination.length).u8(0).u8(0); // no source prefix, no tos
  w.u8(route.table < 256 ? route.table : c.RT_TABLE_UNSPEC);
  w.u8(route.protocol ?? 0).u8(scope);
  w.u8(route.type === undefined ? 0 : routeTypes.indexOf(route.type));
  w.u32(route.onlink ? c.RTNH_F_ONLINK : 0);
  if (destination.length > 0) w.attr(c.RTA_DST, addrToBytes(destination.addr));
  w.attrU32(c.RTA_TABLE, route.table);
  if (route.link !== undefined) w.attrU32(c.RTA_OIF, route.link);
  if (route.gateway !== undefined) writeGateway(w, family, route.gateway);
  if (route.metric !== undefined) w.attrU32(c.RTA_PRIORITY, route.metric);
  if (route.source !== undefined) w.attr(c.RTA_PREFSRC, addrToBytes(route.source));
  const { mtu, nexthops } = route;
  if (mtu !== undefined) w.nest(c.RTA_METRICS, () => w.attrU32(c.RTAX_MTU, mtu));
  if (nexthops !== undefined) w.attr(c.RTA_MULTIPATH, encodeNexthops(family, nexthops));
}

function writeGateway(w: MessageWriter, family: Family, gateway: Addr): void {
  const bytes = addrToBytes(gateway);
  if (gateway.family === family) {
    w.attr(c.RTA_GATEWAY, bytes);
    return;
  }
  const via = new Uint8Array(2 + bytes.length);
  viewOf(via).setUint16(0, gateway.family === 4 ? c.AF_INET : c.AF_INET6, LITTLE_ENDIAN);
  via.set(bytes, 2);
  w.attr(c.RTA_VIA, via);
}

function encodeNexthops(family: Family, nexthops: readonly Nexthop[]): Uint8Array {
  const w = new MessageWriter(256);
  for (const { link, gateway, onlink, weight } of nexthops) {
    const attributes = new MessageWriter(32);
    if (gateway !== undefined) writeGateway(attributes, family, gateway);
    w.u16(RTNEXTHOP_LENGTH + attributes.length);
    w.u8(onlink ? c.RTNH_F_ONLINK : 0).u8((weight ?? 1) - 1);
    w.u32(link).raw(attributes.bytes());
  }
  return w.bytes();
}
