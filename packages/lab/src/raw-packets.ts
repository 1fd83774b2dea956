import { dlopen, FFIType, ptr } from 'bun:ffi';
import { type Addr, addr, addrToBytes, type Family } from '@calico/ip';
import type { Namespace } from '@calico/kernel';
import { inNamespace } from '@calico/kernel/linux';

// Packets sent and seen by raw sockets, so that any port, type and protocol can be tried without a server behind it.

const { i32, u32, u64, i64, ptr: pointer } = FFIType;
const libc = dlopen('libc.so.6', {
  socket: { args: [i32, i32, i32], returns: i32 },
  bind: { args: [i32, pointer, u32], returns: i32 },
  setsockopt: { args: [i32, i32, i32, pointer, u32], returns: i32 },
  getsockopt: { args: [i32, i32, i32, pointer, pointer], returns: i32 },
  sendto: { args: [i32, pointer, u64, i32, pointer, u32], returns: i64 },
  recv: { args: [i32, pointer, u64, i32], returns: i64 },
  close: { args: [i32], returns: i32 },
}).symbols;

const AF_INET = 2;
const AF_INET6 = 10;
const ICMP = 1;
const ICMPV6 = 58;
const SOCK_RAW_NONBLOCK_CLOEXEC = 3 | 0o4000 | 0o2000000;
const SOL_SOCKET = 1;
const SO_RCVBUFFORCE = 33;
const SO_MEMINFO = 55;
/** linux/sock_diag.h: the fields of SO_MEMINFO, and the place among them of what had no room. */
const SK_MEMINFO_VARS = 9;
const SK_MEMINFO_DROPS = 8;

/** A packet of either family to send; ports for TCP (6), UDP (17), SCTP (132), type and code for ICMP (1) and ICMPv6 (58). */
export interface RawPacket {
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly icmpType?: number;
  readonly icmpCode?: number;
  /** Identifies the packet where it arrives: 32 bits. */
  readonly tag: number;
}

/** Sends packets from one namespace. */
export class RawSender {
  readonly #sockets = new Map<string, number>();
  readonly #namespace: Namespace;

  constructor(namespace: Namespace) {
    this.#namespace = namespace;
  }

  /** Sends one packet; the kernel writes the IP header. A refusal (no route, dropped on the way out) is no error. */
  send(packet: RawPacket): void {
    const target = addr(packet.destination);
    const key = `${target.family}/${packet.protocol}`;
    let fd = this.#sockets.get(key);
    if (fd === undefined) {
      fd = openRaw(this.#namespace, target.family, packet.protocol);
      this.#sockets.set(key, fd);
    }
    const payload = encode(packet);
    const name = socketAddress(target);
    libc.sendto(fd, ptr(payload), payload.length, 0, ptr(name), name.length);
  }

  close(): void {
    for (const fd of this.#sockets.values()) libc.close(fd);
    this.#sockets.clear();
  }
}

/** Sees the packets that arrive in one namespace, after its firewall has let them in. */
export class RawReceiver {
  readonly #sockets: readonly { readonly fd: number; readonly family: Family; readonly protocol: number }[];
  readonly #buffer = new Uint8Array(65536);

  constructor(namespace: Namespace, protocols: readonly number[]) {
    this.#sockets = ([4, 6] as const).flatMap(family =>
      protocols
        .filter(protocol => protocol !== (family === 4 ? ICMPV6 : ICMP))
        .map(protocol => ({ fd: openRaw(namespace, family, protocol), family, protocol })),
    );
    const size = new Int32Array([8 << 20]);
    for (const { fd } of this.#sockets) libc.setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, ptr(size), 4);
  }

  /** The tags of all packets that have arrived since the last call. */
  take(): number[] {
    const tags: number[] = [];
    for (const { fd, family, protocol } of this.#sockets) {
      for (;;) {
        const length = Number(libc.recv(fd, ptr(this.#buffer), this.#buffer.length, 0));
        if (length < 0) break;
        const tag = decodeTag(this.#buffer.subarray(0, length), family, protocol);
        if (tag !== undefined) tags.push(tag);
      }
    }
    return tags;
  }

  /** How many packets had no room since it was opened, because `take` came too late for them. */
  lost(): number {
    const info = new Uint32Array(SK_MEMINFO_VARS);
    return this.#sockets.reduce((lost, { fd }) => {
      libc.getsockopt(fd, SOL_SOCKET, SO_MEMINFO, ptr(info), ptr(new Uint32Array([info.byteLength])));
      return lost + (info[SK_MEMINFO_DROPS] ?? 0);
    }, 0);
  }

  close(): void {
    for (const { fd } of this.#sockets) libc.close(fd);
  }
}

function openRaw(namespace: Namespace, family: Family, protocol: number): number {
  const domain = family === 4 ? AF_INET : AF_INET6;
  const fd = inNamespace(namespace, () => libc.socket(domain, SOCK_RAW_NONBLOCK_CLOEXEC, protocol));
  if (fd < 0) throw new Error(`Cannot open a raw socket for protocol ${protocol}: it needs root in the namespace`);
  return fd;
}

/** struct sockaddr_in and sockaddr_in6 (ip(7), ipv6(7)): the family in host order, then the address at 4 or 8. */
function socketAddress(address: Addr): Uint8Array {
  const bytes = new Uint8Array(address.family === 4 ? 16 : 28);
  new DataView(bytes.buffer).setUint16(0, address.family === 4 ? AF_INET : AF_INET6, true);
  bytes.set(addrToBytes(address), address.family === 4 ? 4 : 8);
  return bytes;
}

/** Marks our packets: the word in front of the tag. */
const magic = 0x63616c69;

/** Bytes of the transport header; the tag stands behind it. */
const headerLength: Readonly<Record<number, number>> = { 6: 20, 17: 8, 132: 12, 1: 8, 58: 8 };

function encode(packet: RawPacket): Uint8Array {
  const head = headerLength[packet.protocol] ?? 0;
  // SCTP needs a whole chunk behind its header, or conntrack calls it invalid: an INIT of 20 bytes, with the tag behind.
  const chunk = packet.protocol === 132 ? 20 : 0;
  const bytes = new Uint8Array(head + chunk + 8);
  const view = new DataView(bytes.buffer);
  view.setUint32(head + chunk, magic);
  view.setUint32(head + chunk + 4, packet.tag);
  const { sourcePort = 0, destinationPort = 0 } = packet;
  switch (packet.protocol) {
    case 6: // RFC 9293 §3.1: a SYN
      view.setUint16(0, sourcePort);
      view.setUint16(2, destinationPort);
      view.setUint32(4, packet.tag);
      view.setUint16(12, 0x5002);
      view.setUint16(14, 65535);
      view.setUint16(16, pseudoChecksum(packet, bytes));
      break;
    case 17: // RFC 768
      view.setUint16(0, sourcePort);
      view.setUint16(2, destinationPort);
      view.setUint16(4, bytes.length);
      view.setUint16(6, pseudoChecksum(packet, bytes) || 0xffff);
      break;
    case 132: // RFC 9260 §3.1, §3.3.2: an INIT
      view.setUint16(0, sourcePort);
      view.setUint16(2, destinationPort);
      view.setUint8(head, 1);
      view.setUint16(head + 2, chunk + 8);
      view.setUint32(head + 4, packet.tag || 1);
      view.setUint32(head + 8, 65535);
      view.setUint16(head + 12, 1);
      view.setUint16(head + 14, 1);
      view.setUint32(8, crc32c(bytes), true);
      break;
    case ICMP: // RFC 792
      view.setUint8(0, packet.icmpType ?? 8);
      view.setUint8(1, packet.icmpCode ?? 0);
      view.setUint32(4, packet.tag);
      view.setUint16(2, checksum(bytes));
      break;
    case ICMPV6: // RFC 4443 §2.1
      view.setUint8(0, packet.icmpType ?? 128);
      view.setUint8(1, packet.icmpCode ?? 0);
      view.setUint32(4, packet.tag);
      view.setUint16(2, pseudoChecksum(packet, bytes));
      break;
  }
  return bytes;
}

/** A raw socket of IPv4 gives the IP header too (raw(7)), one of IPv6 does not (ipv6(7)). */
function decodeTag(datagram: Uint8Array, family: Family, protocol: number): number | undefined {
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.length);
  const ipHeader = family === 4 ? (view.getUint8(0) & 0xf) * 4 : 0;
  const at = ipHeader + (headerLength[protocol] ?? 0) + (protocol === 132 ? 20 : 0);
  if (datagram.length < at + 8 || view.getUint32(at) !== magic) return undefined;
  return view.getUint32(at + 4);
}

/** RFC 1071 over the pseudo header of RFC 9293 §3.1 or RFC 8200 §8.1 and the segment. */
function pseudoChecksum(packet: RawPacket, segment: Uint8Array): number {
  const addresses = [...addrToBytes(addr(packet.source)), ...addrToBytes(addr(packet.destination))];
  // Zeros do not count, so the shorter form of IPv4 has the same sum.
  const pseudo = new Uint8Array(addresses.length + 8 + segment.length);
  const view = new DataView(pseudo.buffer);
  pseudo.set(addresses, 0);
  view.setUint32(addresses.length, segment.length);
  view.setUint32(addresses.length + 4, packet.protocol);
  pseudo.set(segment, addresses.length + 8);
  return checksum(pseudo);
}

function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** RFC 9260 appendix A: the checksum of SCTP. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}
