import { addrFromBytes, macFromBytes, printAddr } from '@calico/ip';
import { LITTLE_ENDIAN, viewOf } from '../netlink/index.ts';
import type { FieldType, SetType } from './types.ts';

interface FieldInfo {
  /** nft's number for the type, which it needs to list a set made by others (its enum datatypes). */
  readonly id: number;
  /** Bytes. */
  readonly length: number;
  readonly order: 'host' | 'network';
  readonly print: (bytes: Uint8Array) => string;
}

const protocolNames: Readonly<Record<number, string>> = {
  1: 'icmp',
  2: 'igmp',
  4: 'ipencap',
  6: 'tcp',
  17: 'udp',
  47: 'gre',
  50: 'esp',
  51: 'ah',
  58: 'ipv6-icmp',
  132: 'sctp',
  136: 'udplite',
};

/** linux/netfilter/nf_conntrack_common.h: the bits that `ct state` yields. */
export const ctStates = { invalid: 1, established: 2, related: 4, new: 8, untracked: 64 } as const;

/** linux/if_packet.h PACKET_*: the values of `meta pkttype`. */
const packetTypes = ['host', 'broadcast', 'multicast', 'other'] as const;

const u8 = (bytes: Uint8Array) => bytes[0] ?? 0;
const u16 = (bytes: Uint8Array) => viewOf(bytes).getUint16(0);
const hostU32 = (bytes: Uint8Array) => viewOf(bytes).getUint32(0, LITTLE_ENDIAN);
const printAddress = (bytes: Uint8Array) => printAddr(addrFromBytes(bytes));
const decoder = new TextDecoder();

/** Up to its first NUL in quotes; where there is none, a prefix of names: `"cali*"`. */
function printName(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return end < 0 ? `"${decoder.decode(bytes)}*"` : `"${decoder.decode(bytes.subarray(0, end))}"`;
}

function printCtState(bytes: Uint8Array): string {
  const bits = hostU32(bytes);
  const names = Object.entries(ctStates).filter(([, bit]) => (bits & bit) !== 0);
  return names.length === 0 ? `0x${bits.toString(16)}` : names.map(([name]) => name).join(',');
}

const fields: Readonly<Record<FieldType, FieldInfo>> = {
  nf_proto: {
    id: 2,
    length: 1,
    order: 'network',
    print: b => ({ 2: 'ipv4', 10: 'ipv6', 3: 'arp' })[u8(b)] ?? `${u8(b)}`,
  },
  ipv4_addr: { id: 7, length: 4, order: 'network', print: printAddress },
  ipv6_addr: { id: 8, length: 16, order: 'network', print: printAddress },
  ether_addr: { id: 9, length: 6, order: 'network', print: macFromBytes },
  inet_proto: { id: 12, length: 1, order: 'network', print: b => protocolNames[u8(b)] ?? `${u8(b)}` },
  inet_service: { id: 13, length: 2, order: 'network', print: b => `${u16(b)}` },
  icmp_type: { id: 14, length: 1, order: 'network', print: b => `${u8(b)}` },
  mark: { id: 19, length: 4, order: 'host', print: b => `0x${hostU32(b).toString(16).padStart(8, '0')}` },
  iface_index: { id: 20, length: 4, order: 'host', print: b => `${hostU32(b)}` },
  ct_state: { id: 26, length: 4, order: 'host', print: printCtState },
  icmpv6_type: { id: 29, length: 1, order: 'network', print: b => `${u8(b)}` },
  pkt_type: { id: 31, length: 1, order: 'host', print: b => packetTypes[u8(b)] ?? `${u8(b)}` },
  ifname: { id: 41, length: 16, order: 'host', print: printName },
};

const nameById = new Map<number, FieldType>();
for (const name of Object.keys(fields) as FieldType[]) nameById.set(fields[name].id, name);

/** nft's enum datatypes holds six bits per field of a concatenation, the last field lowest. */
const TYPE_BITS = 6;

/** The fields of a type: one, or those of the concatenation. */
export function fieldsOf(type: SetType): readonly FieldType[] {
  return typeof type === 'string' ? [type] : type;
}

/** Whether the type is a concatenation. */
export function isConcatenation(type: SetType): type is readonly FieldType[] {
  return typeof type !== 'string' && type.length > 1;
}

/** Bytes of one field's value. */
export function fieldLength(type: FieldType): number {
  return fields[type].length;
}

/** Bytes that a field takes in a register or a concatenated key: its length rounded up to 4. */
export function paddedLength(type: FieldType): number {
  return (fields[type].length + 3) & ~3;
}

/** Bytes of a key or value of the type: fields of a concatenation are padded to 4 bytes, a single one is not. */
export function typeLength(type: SetType): number {
  const [first, ...rest] = fieldsOf(type);
  if (first === undefined) return 0;
  if (rest.length === 0) return fieldLength(first);
  return rest.reduce((sum, field) => sum + paddedLength(field), paddedLength(first));
}

/** nft's number for the type, as NFTA_SET_KEY_TYPE and NFTA_SET_DATA_TYPE carry it. */
export function typeId(type: SetType): number {
  return fieldsOf(type).reduce((id, field) => (id << TYPE_BITS) | fields[field].id, 0);
}

/** The byte order of values of the type; undefined for a concatenation, whose fields may differ. */
export function byteOrder(type: SetType): 'host' | 'network' | undefined {
  const [first, ...rest] = fieldsOf(type);
  return first === undefined || rest.length > 0 ? undefined : fields[first].order;
}

/** The inverse of {@link typeId}; undefined when a field is of a type not known here. */
export function typeOfId(id: number): SetType | undefined {
  const found: FieldType[] = [];
  for (let rest = id; rest > 0; rest >>>= TYPE_BITS) {
    const field = nameById.get(rest & ((1 << TYPE_BITS) - 1));
    if (field === undefined) return undefined;
    found.unshift(field);
  }
  const [first] = found;
  return found.length > 1 ? found : first;
}

/** One value as nft prints it; bytes of the wrong length as a hexadecimal number. */
export function printField(type: FieldType | undefined, bytes: Uint8Array): string {
  const printable =
    type !== undefined && (bytes.length === fieldLength(type) || (type === 'ifname' && bytes.length > 0));
  return printable ? fields[type].print(bytes) : printHex(bytes);
}

/** `0x` and two digits a byte. */
export function printHex(bytes: Uint8Array): string {
  return `0x${[...bytes].map(byte => byte.toString(16).padStart(2, '0')).join('')}`;
}

/** A concatenated key (or a single value) cut into its fields, padding left out. */
export function splitKey(type: SetType, key: Uint8Array): Uint8Array[] {
  const parts = fieldsOf(type);
  if (parts.length === 1) return [key];
  let at = 0;
  return parts.map(field => {
    const part = key.subarray(at, at + fieldLength(field));
    at += paddedLength(field);
    return part;
  });
}

/** A key as nft prints it: `10.0.0.1 . tcp . 80`. */
export function printKey(type: SetType, key: Uint8Array): string {
  const parts = fieldsOf(type);
  return splitKey(type, key)
    .map((part, i) => printField(parts[i], part))
    .join(' . ');
}
