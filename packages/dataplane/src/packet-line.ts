import { POLICY_KINDS } from '@calico/calc';
import { addrFromBytes, printAddr } from '@calico/ip';
import type { LoggedPacket } from '@calico/kernel';
import { hasPorts, printProtocol } from '@calico/policy';

/** What a line about a logged packet says besides the packet. */
export interface PacketLineNames {
  /** FelixConfiguration's `logPrefix`: `%t` is the tier, `%k` the policy's kind, `%n` its name, `%p` the same with its namespace. */
  readonly prefix: string;
  /** The name of an interface, undefined when it is gone. */
  interfaceName(index: number): string | undefined;
  /** The tier of a policy. */
  tierOf(policy: string): string | undefined;
}

/** The kinds of policies by the beginning of their identifiers. */
const kinds: ReadonlyMap<string, string> = new Map([
  ...Object.entries(POLICY_KINDS).map(([kind, id]) => [id, kind] as const),
  ['profile', 'Profile'],
]);

const ICMP = 1;
const ICMPV6 = 58;

/**
 * One line about a packet that a Log rule met, in the words of the kernel's own log (net/netfilter/nf_log_syslog.c). `packet.prefix` is
 * the name of the rule's counter. What the packet's first bytes do not tell is left out: they come from a pod.
 */
export function packetLine(packet: LoggedPacket, names: PacketLineNames): string {
  const nameOf = (index: number | undefined) =>
    index === undefined ? '' : (names.interfaceName(index) ?? `#${index}`);
  const parts = [
    `${printPrefix(packet.prefix, names)}:`,
    `IN=${nameOf(packet.inInterface)}`,
    `OUT=${nameOf(packet.outInterface)}`,
    ...packetParts(packet.bytes),
  ];
  return parts.join(' ');
}

function printPrefix(rule: string, { prefix, tierOf }: PacketLineNames): string {
  const parts = rule.split('/').slice(0, -2);
  const [kind = '', ...path] = parts;
  const values: Readonly<Record<string, string>> = {
    t: tierOf(parts.join('/')) ?? '',
    k: kinds.get(kind) ?? kind,
    n: path.at(-1) ?? '',
    p: path.join('/'),
  };
  return prefix.replace(/%([tknp])/g, (_, letter: string) => values[letter] ?? '');
}

/** RFC 791 §3.1 and RFC 8200 §3; an IPv6 packet with extension headers is told of up to them. */
function packetParts(bytes: Uint8Array): string[] {
  const version = (bytes[0] ?? 0) >> 4;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (version === 4 && bytes.length >= 20) {
    const header = ((bytes[0] ?? 0) & 0xf) * 4;
    const first = (view.getUint16(6) & 0x1fff) === 0;
    return [
      `SRC=${printAddr(addrFromBytes(bytes.slice(12, 16)))}`,
      `DST=${printAddr(addrFromBytes(bytes.slice(16, 20)))}`,
      `LEN=${view.getUint16(2)}`,
      `TTL=${bytes[8]}`,
      `ID=${view.getUint16(4)}`,
      ...transportParts(bytes[9] ?? 0, first ? bytes.subarray(header) : new Uint8Array()),
    ];
  }
  if (version === 6 && bytes.length >= 40) {
    return [
      `SRC=${printAddr(addrFromBytes(bytes.slice(8, 24)))}`,
      `DST=${printAddr(addrFromBytes(bytes.slice(24, 40)))}`,
      `LEN=${view.getUint16(4) + 40}`,
      `HOPLIMIT=${bytes[7]}`,
      ...transportParts(bytes[6] ?? 0, bytes.subarray(40)),
    ];
  }
  return [];
}

function transportParts(protocol: number, bytes: Uint8Array): string[] {
  const name = `PROTO=${printProtocol(protocol).toUpperCase()}`;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 4) return [name];
  if (hasPorts(protocol)) return [name, `SPT=${view.getUint16(0)}`, `DPT=${view.getUint16(2)}`];
  return protocol === ICMP || protocol === ICMPV6 ? [name, `TYPE=${bytes[0]}`, `CODE=${bytes[1]}`] : [name];
}
