import type { Address } from './address.ts';

/** Where a packet starts or ends: a pod as `namespace/name`, or any address. */
export type Place = { readonly pod: string } | { readonly ip: string };

/** The first packet of a connection. Replies to an allowed connection pass without being asked about. */
export interface Packet {
  readonly source: Place;
  readonly destination: Place;
  /** The protocol's number (IANA): 6 TCP, 17 UDP, 132 SCTP, 1 ICMP, 58 ICMPv6. */
  readonly protocol: number;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly icmpType?: number;
  readonly icmpCode?: number;
  /** Which addresses of pods with two families are meant; by default the first family that both ends have. */
  readonly ipVersion?: 4 | 6;
}

/** A packet on the wire: both addresses known. */
export interface WirePacket extends Omit<Packet, 'source' | 'destination' | 'ipVersion'> {
  readonly source: Address;
  readonly destination: Address;
}

export type Side = 'source' | 'destination';
export type Direction = 'Ingress' | 'Egress';

const numbers: Readonly<Record<string, number>> = { TCP: 6, UDP: 17, ICMP: 1, ICMPv6: 58, SCTP: 132, UDPLite: 136 };

/** The number of a protocol given by name (`TCP`) or by number (6 or "6"). */
export function protocolNumber(protocol: string | number): number {
  const number = numbers[protocol] ?? Number(protocol);
  if (Number.isNaN(number))
    throw new Error(`Cannot read protocol: name is "${protocol}"; allowed: ${Object.keys(numbers)}`);
  return number;
}

/** The port at one side of the packet, when its protocol has ports. */
export function portAt(side: Side, packet: WirePacket): number | undefined {
  if (![6, 17, 132].includes(packet.protocol)) return undefined;
  return side === 'source' ? packet.sourcePort : packet.destinationPort;
}
