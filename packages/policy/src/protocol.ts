/**
 * IP protocol numbers by the names that Kubernetes and Calico use, in lower case.
 * https://www.iana.org/assignments/protocol-numbers
 */
export const PROTOCOLS: Readonly<Record<string, number>> = {
  icmp: 1,
  tcp: 6,
  udp: 17,
  icmpv6: 58,
  sctp: 132,
  udplite: 136,
};

const NAMES: ReadonlyMap<number, string> = new Map(Object.entries(PROTOCOLS).map(([name, number]) => [number, name]));

/** The name of an IP protocol in lower case, or its number as text. */
export function printProtocol(protocol: number): string {
  return NAMES.get(protocol) ?? String(protocol);
}

/** Whether packets of the protocol carry ports that policy can match: TCP, UDP and SCTP. */
export function hasPorts(protocol: number): boolean {
  return protocol === 6 || protocol === 17 || protocol === 132;
}
