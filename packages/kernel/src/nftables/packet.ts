import { type Addr, addrToBytes, type Mac, macToBytes } from '@calico/ip';
import { viewOf } from '../netlink/index.ts';

/** A packet in words, for {@link FakeNftables.classify}. */
export interface IpPacket {
  readonly source: Addr;
  readonly destination: Addr;
  /** 6 TCP, 17 UDP, 132 SCTP, 1 ICMP, 58 ICMPv6. */
  readonly protocol: number;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly icmpType?: number;
  readonly icmpCode?: number;
  readonly tcpFlags?: number;
  /** Default 64. */
  readonly ttl?: number;
  readonly dscp?: number;
  readonly sourceMac?: Mac;
  readonly destinationMac?: Mac;
  /** Bytes behind the transport header, counted by counters. */
  readonly payloadLength?: number;
}

/** A packet in bytes, for what {@link IpPacket} cannot say: ARP, broken headers, fragments. */
export interface RawPacket {
  /** 0x0800 IPv4, 0x86dd IPv6, 0x0806 ARP. */
  readonly etherType: number;
  readonly link: Uint8Array;
  readonly network: Uint8Array;
  /** Empty where there is none, as in all but the first fragment. */
  readonly transport: Uint8Array;
  readonly l4proto?: number;
  /** Bytes from the network header on. */
  readonly length: number;
}

export type FakePacket = IpPacket | RawPacket;

const ETHER_IPV4 = 0x0800;
const ETHER_IPV6 = 0x86dd;
const NO_MAC: Mac = '00:00:00:00:00:00';

/** The packet's headers as they stand on the wire; checksums stay 0. */
export function packetBytes(packet: FakePacket): RawPacket {
  if ('network' in packet) return packet;
  const transport = transportHeader(packet);
  const after = transport.length + (packet.payloadLength ?? 0);
  const etherType = packet.source.family === 4 ? ETHER_IPV4 : ETHER_IPV6;
  const network = packet.source.family === 4 ? ipv4Header(packet, after) : ipv6Header(packet, after);
  const link = new Uint8Array(14);
  link.set(macToBytes(packet.destinationMac ?? NO_MAC), 0);
  link.set(macToBytes(packet.sourceMac ?? NO_MAC), 6);
  viewOf(link).setUint16(12, etherType);
  return { etherType, link, network, transport, l4proto: packet.protocol, length: network.length + after };
}

/** RFC 791 §3.1 */
function ipv4Header(packet: IpPacket, after: number): Uint8Array {
  const header = new Uint8Array(20);
  const view = viewOf(header);
  view.setUint8(0, 0x45);
  view.setUint8(1, (packet.dscp ?? 0) << 2);
  view.setUint16(2, header.length + after);
  view.setUint8(8, packet.ttl ?? 64);
  view.setUint8(9, packet.protocol);
  header.set(addrToBytes(packet.source), 12);
  header.set(addrToBytes(packet.destination), 16);
  return header;
}

/** RFC 8200 §3 */
function ipv6Header(packet: IpPacket, after: number): Uint8Array {
  const header = new Uint8Array(40);
  const view = viewOf(header);
  view.setUint16(0, 0x6000 | ((packet.dscp ?? 0) << 6));
  view.setUint16(4, after);
  view.setUint8(6, packet.protocol);
  view.setUint8(7, packet.ttl ?? 64);
  header.set(addrToBytes(packet.source), 8);
  header.set(addrToBytes(packet.destination), 24);
  return header;
}

/** Ports, or ICMP type and code, in a header of the protocol's length; 4 bytes for a protocol without one here. */
function transportHeader(packet: IpPacket): Uint8Array {
  const isIcmp = packet.protocol === 1 || packet.protocol === 58;
  const lengths: Readonly<Record<number, number>> = { 1: 8, 6: 20, 17: 8, 58: 8, 132: 12 };
  const header = new Uint8Array(lengths[packet.protocol] ?? 4);
  const view = viewOf(header);
  if (isIcmp) {
    view.setUint8(0, packet.icmpType ?? 0);
    view.setUint8(1, packet.icmpCode ?? 0);
    return header;
  }
  view.setUint16(0, packet.sourcePort ?? 0);
  view.setUint16(2, packet.destinationPort ?? 0);
  if (packet.protocol === 6) {
    view.setUint8(12, 0x50); // five words of header
    view.setUint8(13, packet.tcpFlags ?? 0x02); // SYN
  }
  return header;
}
