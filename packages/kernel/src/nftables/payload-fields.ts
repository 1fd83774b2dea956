import type { ExprOf, FieldType } from './types.ts';

/** A header field under nft's name, without the protocol: `saddr`. */
interface HeaderField {
  readonly name: string;
  readonly type?: FieldType;
}

export type NetworkProtocol = 'ip' | 'ip6' | 'arp';

// Keys are `offset,length` in bytes.
const etherFields: Readonly<Record<string, HeaderField>> = {
  '0,6': { name: 'ether daddr', type: 'ether_addr' },
  '6,6': { name: 'ether saddr', type: 'ether_addr' },
  '12,2': { name: 'ether type' },
};

const networkFields: Readonly<Record<NetworkProtocol, Readonly<Record<string, HeaderField>>>> = {
  ip: {
    '8,1': { name: 'ip ttl' },
    '9,1': { name: 'ip protocol', type: 'inet_proto' },
    '12,4': { name: 'ip saddr', type: 'ipv4_addr' },
    '16,4': { name: 'ip daddr', type: 'ipv4_addr' },
  },
  ip6: {
    '6,1': { name: 'ip6 nexthdr', type: 'inet_proto' },
    '7,1': { name: 'ip6 hoplimit' },
    '8,16': { name: 'ip6 saddr', type: 'ipv6_addr' },
    '24,16': { name: 'ip6 daddr', type: 'ipv6_addr' },
  },
  arp: {
    '0,2': { name: 'arp htype' },
    '2,2': { name: 'arp ptype' },
    '6,2': { name: 'arp operation' },
    '8,6': { name: 'arp saddr ether', type: 'ether_addr' },
    '14,4': { name: 'arp saddr ip', type: 'ipv4_addr' },
    '18,6': { name: 'arp daddr ether', type: 'ether_addr' },
    '24,4': { name: 'arp daddr ip', type: 'ipv4_addr' },
  },
};

const portFields: Readonly<Record<string, HeaderField>> = {
  '0,2': { name: 'sport', type: 'inet_service' },
  '2,2': { name: 'dport', type: 'inet_service' },
};

/** Transport protocols whose first two fields are ports, by their number. */
const portProtocols: Readonly<Record<number, string>> = {
  6: 'tcp',
  17: 'udp',
  33: 'dccp',
  132: 'sctp',
  136: 'udplite',
};

const icmpFields = (name: string, type: FieldType): Readonly<Record<string, HeaderField>> => ({
  '0,1': { name: `${name} type`, type },
  '1,1': { name: `${name} code`, type },
});
const icmpByProtocol: Readonly<Record<number, Readonly<Record<string, HeaderField>>>> = {
  1: icmpFields('icmp', 'icmp_type'),
  58: icmpFields('icmpv6', 'icmpv6_type'),
};

/** A payload expression as nft prints it, and what it needs to have been matched before it can say so. */
export interface PayloadName {
  readonly text: string;
  readonly type?: FieldType;
  /** The match that the name implies, so that it need not be printed. */
  readonly implies?: 'network' | 'transport';
}

/** Names a payload by the protocols known so far; `@nh,96,32` (in bits) where they do not suffice. */
export function payloadName(
  { base, offset, length }: ExprOf<'payload'>,
  network: NetworkProtocol | undefined,
  transport: number | undefined,
): PayloadName {
  const key = `${offset},${length}`;
  const raw = { text: `@${{ link: 'll', network: 'nh', transport: 'th' }[base]},${offset * 8},${length * 8}` };
  const named = (field: HeaderField | undefined, implies?: PayloadName['implies'], prefix = ''): PayloadName =>
    field === undefined
      ? raw
      : { text: prefix + field.name, ...(field.type && { type: field.type }), ...(implies && { implies }) };
  if (base === 'link') return named(etherFields[key]);
  if (base === 'network') return named(network && networkFields[network][key], 'network');
  const port = portFields[key];
  if (transport === undefined) return named(port, undefined, 'th ');
  const protocol = portProtocols[transport];
  if (protocol === undefined) return named(icmpByProtocol[transport]?.[key], 'transport');
  if (transport === 6 && key === '13,1') return { text: 'tcp flags', implies: 'transport' };
  return named(port, 'transport', `${protocol} `);
}
