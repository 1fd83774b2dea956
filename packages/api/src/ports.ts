/** A range of port numbers, both ends included. */
export interface PortNumbers {
  readonly first: number;
  readonly last: number;
}

const NAMED: { readonly [name: string]: number } = { TCP: 6, UDP: 17, ICMP: 1, ICMPv6: 58, SCTP: 132, UDPLite: 136 };

/** The number of a protocol given by exact name or number 1 to 255, or undefined. */
export function protocolNumber(protocol: number | string): number | undefined {
  if (typeof protocol === 'string') {
    if (/^\d+$/.test(protocol)) return protocolNumber(Number(protocol));
    return Object.hasOwn(NAMED, protocol) ? NAMED[protocol] : undefined;
  }
  return Number.isInteger(protocol) && protocol >= 1 && protocol <= 255 ? protocol : undefined;
}

/** Whether ports mean something for this protocol number: TCP, UDP, SCTP. */
export function hasPorts(protocol: number | undefined): boolean {
  return protocol === 6 || protocol === 17 || protocol === 132;
}

/**
 * The numbers that a port of a rule stands for: a number, or text `80` or `8000:8010`, each from 1 to 65535.
 * Undefined if it is a name, or no port at all.
 */
export function portRange(port: unknown): PortNumbers | undefined {
  if (typeof port === 'number') return isPort(port) ? { first: port, last: port } : undefined;
  if (typeof port !== 'string') return undefined;
  const parts = /^(\d{1,5})(?::(\d{1,5}))?$/.exec(port);
  if (parts === null) return undefined;
  const first = Number(parts[1]);
  const last = parts[2] === undefined ? first : Number(parts[2]);
  return isPort(first) && isPort(last) && first <= last ? { first, last } : undefined;
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65535;
}
