import type { Addr } from '@calico/ip';
import { hasPorts, type Packet, printProtocol } from '@calico/policy';

/** What a connection is to: a protocol (IANA's number), with the port for those that have ports. */
export interface Port {
  readonly protocol: number;
  readonly port?: number;
}

/** A source port as systems give them out (RFC 6335 §6). */
const SOURCE_PORT = 49_152;

/** `443/tcp`, or the protocol alone. */
export function printPort({ protocol, port }: Port): string {
  return port === undefined ? printProtocol(protocol) : `${port}/${printProtocol(protocol)}`;
}

/** The packet that opens a connection; of ICMP, in either family's number, an echo request. Both addresses are of one family. */
export function firstPacket(source: Addr, destination: Addr, { protocol, port }: Port): Packet {
  const { family } = source;
  const ends = { family, source, destination };
  if (protocol === 1 || protocol === 58) {
    const echo = family === 4 ? { protocol: 1, icmpType: 8 } : { protocol: 58, icmpType: 128 };
    return { ...ends, ...echo, icmpCode: 0 };
  }
  if (!hasPorts(protocol)) return { ...ends, protocol };
  return { ...ends, protocol, sourcePort: SOURCE_PORT, ...(port === undefined ? {} : { destinationPort: port }) };
}
