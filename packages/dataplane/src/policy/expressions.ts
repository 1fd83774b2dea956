import type { Family } from '@calico/ip';
import { type Expr, fixedTimeoutStatus, type Verdict } from '@calico/kernel';
import type { PortRange, Side } from '@calico/policy';
import { denyChain } from './names.ts';

/** Register 1: 16 bytes, the scratch of every simple match. linux/netfilter/nf_tables.h NFT_REG_1 */
const scratch = 1;
/** The first 4-byte register; it overlays register 1. Concatenations start here. NFT_REG32_00 */
const firstWord = 8;

/** The family's number in `meta nfproto`. linux/netfilter.h NFPROTO_IPV4, NFPROTO_IPV6 */
const nfproto: Record<Family, number> = { 4: 2, 6: 10 };

/** Where an address stands in the network header, in bytes. RFC 791 §3.1, RFC 8200 §3 */
const addressAt: Record<Family, Record<Side, { offset: number; length: number }>> = {
  4: { source: { offset: 12, length: 4 }, destination: { offset: 16, length: 4 } },
  6: { source: { offset: 8, length: 16 }, destination: { offset: 24, length: 16 } },
};

/** Where a port stands in the transport header, in bytes: the same place in TCP, UDP, UDPLite and SCTP. */
const portAt: Record<Side, number> = { source: 0, destination: 2 };

/** Bits of the conntrack state as `ct state` loads it, host byte order. linux/netfilter/nf_conntrack_common.h */
export const conntrackState = { invalid: 1, established: 2, related: 4, new: 8, untracked: 64 } as const;

/** A 32-bit number in host byte order: what `meta mark`, `ct state` and `fib` load. All supported hosts are little-endian. */
export function hostOrder(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

/** A port in network byte order. */
export function portBytes(port: number): Uint8Array {
  return Uint8Array.of(port >> 8, port & 0xff);
}

/** An interface name as `iifname` loads it: 16 bytes, filled up with zeros. linux/if.h IFNAMSIZ */
export function interfaceNameBytes(name: string): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes.set(new TextEncoder().encode(name).subarray(0, 15));
  return bytes;
}

/** Holds for packets of the family. */
export function familyIs(family: Family): Expr[] {
  return [
    { kind: 'meta', key: 'nfproto', dreg: scratch },
    { kind: 'cmp', op: 'eq', sreg: scratch, data: Uint8Array.of(nfproto[family]) },
  ];
}

/** Holds for packets of the IP protocol; behind IPv6 extension headers too. */
export function protocolIs(protocol: number, negated = false): Expr[] {
  return [
    { kind: 'meta', key: 'l4proto', dreg: scratch },
    { kind: 'cmp', op: negated ? 'neq' : 'eq', sreg: scratch, data: Uint8Array.of(protocol) },
  ];
}

/** Holds when the conntrack state is one of `states`. */
export function conntrackStateIn(...states: readonly (keyof typeof conntrackState)[]): Expr[] {
  const bits = states.reduce((all, state) => all | conntrackState[state], 0);
  return [
    { kind: 'ct', key: 'state', dreg: scratch },
    { kind: 'bitwise', sreg: scratch, dreg: scratch, length: 4, mask: hostOrder(bits), xor: hostOrder(0) },
    { kind: 'cmp', op: 'neq', sreg: scratch, data: hostOrder(0) },
  ];
}

/** Holds for packets of connections whose timeout is fixed: those that were cut. */
export function connectionIsCut(): Expr[] {
  return [
    { kind: 'ct', key: 'status', dreg: scratch },
    {
      kind: 'bitwise',
      sreg: scratch,
      dreg: scratch,
      length: 4,
      mask: hostOrder(fixedTimeoutStatus),
      xor: hostOrder(0),
    },
    { kind: 'cmp', op: 'neq', sreg: scratch, data: hostOrder(0) },
  ];
}

/** Holds when the name of the interface starts with `prefix`. */
export function interfaceStartsWith(key: 'iifname' | 'oifname', prefix: string): Expr[] {
  return [
    { kind: 'meta', key, dreg: scratch },
    // Fewer bytes than the register holds: the kernel compares just these.
    { kind: 'cmp', op: 'eq', sreg: scratch, data: new TextEncoder().encode(prefix) },
  ];
}

/** Holds when the interface is the one that `filter` names; one that ends in `+` is the start of names, as in iptables. */
export function interfaceMatches(key: 'iifname' | 'oifname', filter: string): Expr[] {
  if (filter.endsWith('+')) return interfaceStartsWith(key, filter.slice(0, -1));
  return [
    { kind: 'meta', key, dreg: scratch },
    { kind: 'cmp', op: 'eq', sreg: scratch, data: interfaceNameBytes(filter) },
  ];
}

/** Holds when (interface the packet came by, its source address) is in the set. */
export function interfaceAndSourceInSet(family: Family, set: string): Expr[] {
  return [
    { kind: 'meta', key: 'iifname', dreg: firstWord },
    loadAddress(family, 'source', firstWord + 4),
    { kind: 'lookup', set, sreg: firstWord },
  ];
}

/** Gives the source the outgoing interface's address, or the given one, and a port of the range where there is one. */
export function translateSource(family: Family, address: Uint8Array | undefined, ports: PortRange | undefined): Expr[] {
  const load = (dreg: number, data: Uint8Array): Expr => ({ kind: 'immediate', dreg, data });
  const portRegisters = ports === undefined ? {} : { portMinReg: firstWord + 4, portMaxReg: firstWord + 5 };
  const loads =
    ports === undefined ? [] : [ports.first, ports.last].map((p, i) => load(firstWord + 4 + i, portBytes(p)));
  if (address === undefined) return [...loads, { kind: 'masquerade', randomFully: true, ...portRegisters }];
  const nat = { kind: 'nat', type: 'snat', family: family === 4 ? 'ip' : 'ip6', randomFully: true } as const;
  return [load(firstWord, address), ...loads, { ...nat, addrMinReg: firstWord, ...portRegisters }];
}

/** Where `addressByMap` leaves what it finds: behind two addresses of IPv6. */
const foundAddress = firstWord + 8;

/** Finds the address that the map has for the packet's addresses of `sides`, one behind the other; holds when there is one. */
export function addressByMap(family: Family, sides: readonly Side[], map: string): Expr[] {
  const words = addressAt[family].source.length / 4;
  return [
    ...sides.map((side, i) => loadAddress(family, side, firstWord + i * words)),
    { kind: 'lookup', set: map, sreg: firstWord, dreg: foundAddress },
  ];
}

/** Gives the packet the address that `addressByMap` found as its destination (`dnat`) or source (`snat`). */
export function translateToFound(type: 'dnat' | 'snat', family: Family): Expr {
  return { kind: 'nat', type, family: family === 4 ? 'ip' : 'ip6', addrMinReg: foundAddress };
}

/** Holds when the interface's index is in the set. */
export function interfaceInSet(key: 'iif' | 'oif', set: string): Expr[] {
  return [
    { kind: 'meta', key, dreg: scratch },
    { kind: 'lookup', set, sreg: scratch },
  ];
}

/** Looks the interface's name or index up in a verdict map, and follows the verdict when it is there. */
export function interfaceVerdict(key: 'iifname' | 'oifname' | 'iif' | 'oif', map: string): Expr[] {
  return [
    { kind: 'meta', key, dreg: scratch },
    { kind: 'lookup', set: map, sreg: scratch, dreg: 0 },
  ];
}

/** Holds when the address of `side` lies (or, negated, does not lie) in the network of `length` bits. */
export function addressInNet(
  family: Family,
  side: Side,
  network: Uint8Array,
  length: number,
  negated: boolean,
): Expr[] {
  const load = loadAddress(family, side, scratch);
  const op = negated ? 'neq' : 'eq';
  const width = network.length;
  if (length === width * 8) return [load, { kind: 'cmp', op, sreg: scratch, data: network }];
  const mask = new Uint8Array(width).map((_, i) => (0xff00 >> Math.max(0, Math.min(8, length - i * 8))) & 0xff);
  return [
    load,
    { kind: 'bitwise', sreg: scratch, dreg: scratch, length: width, mask, xor: new Uint8Array(width) },
    { kind: 'cmp', op, sreg: scratch, data: network },
  ];
}

/** Holds when the address of `side` is (or, negated, is not) in the set. */
export function addressInSet(family: Family, side: Side, set: string, negated: boolean): Expr[] {
  return [loadAddress(family, side, scratch), { kind: 'lookup', set, sreg: scratch, inverted: negated }];
}

/** Holds when (address, protocol, port) of `side` is (or, negated, is not) in the set. */
export function addressAndPortInSet(family: Family, side: Side, set: string, negated: boolean): Expr[] {
  const words = addressAt[family][side].length / 4;
  return [
    loadAddress(family, side, firstWord),
    { kind: 'meta', key: 'l4proto', dreg: firstWord + words },
    loadPort(side, firstWord + words + 1),
    { kind: 'lookup', set, sreg: firstWord, inverted: negated },
  ];
}

/** Holds when the port of `side` lies between `first` and `last`, both included (or, negated, outside). */
export function portInRange(side: Side, first: number, last: number, negated: boolean): Expr[] {
  const load = loadPort(side, scratch);
  if (first === last) return [load, { kind: 'cmp', op: negated ? 'neq' : 'eq', sreg: scratch, data: portBytes(first) }];
  return [
    load,
    { kind: 'range', op: negated ? 'neq' : 'eq', sreg: scratch, from: portBytes(first), to: portBytes(last) },
  ];
}

/** Holds when the port of `side` is (or, negated, is not) in the set. */
export function portInSet(side: Side, set: string, negated: boolean): Expr[] {
  return [loadPort(side, scratch), { kind: 'lookup', set, sreg: scratch, inverted: negated }];
}

/** Holds when the ICMP type (and code) is (or, negated, is not) this one. RFC 792, RFC 4443 §2.1: type and code come first. */
export function icmpIs(type: number, code: number | undefined, negated: boolean): Expr[] {
  const data = code === undefined ? Uint8Array.of(type) : Uint8Array.of(type, code);
  return [
    { kind: 'payload', base: 'transport', offset: 0, length: data.length, dreg: scratch },
    { kind: 'cmp', op: negated ? 'neq' : 'eq', sreg: scratch, data },
  ];
}

/** Holds when routing finds no way back to the packet's source through the interface it came by (strict reverse path). */
export function reversePathFails(): Expr[] {
  return [
    { kind: 'fib', result: 'oif', flags: ['saddr', 'iif'], dreg: scratch },
    { kind: 'cmp', op: 'eq', sreg: scratch, data: hostOrder(0) },
  ];
}

/** Holds when the packet's destination is (or, negated, is not) an address of this host. linux/rtnetlink.h RTN_LOCAL */
export function destinationIsLocal(negated = false): Expr[] {
  return [
    { kind: 'fib', result: 'type', flags: ['daddr'], dreg: scratch },
    { kind: 'cmp', op: negated ? 'neq' : 'eq', sreg: scratch, data: hostOrder(2) },
  ];
}

/** Looks the IP protocol up in a verdict map, and follows the verdict when it is there. */
export function protocolVerdict(map: string): Expr[] {
  return [
    { kind: 'meta', key: 'l4proto', dreg: scratch },
    { kind: 'lookup', set: map, sreg: scratch, dreg: 0 },
  ];
}

/** Looks the port of `side` up in a verdict map, and follows the verdict when it is there. */
export function portVerdict(side: Side, map: string): Expr[] {
  return [loadPort(side, scratch), { kind: 'lookup', set: map, sreg: scratch, dreg: 0 }];
}

/** The maps in which the address of a packet's other end is looked up. */
export interface PeerMaps {
  /** Address → identity; undefined: no rule asks for an identity. */
  readonly identities: string | undefined;
  /** Address → class of networks; undefined: no rule asks for networks. */
  readonly nets: string | undefined;
  /** Identity, or identity and class of networks → class of the program. */
  readonly classes: string;
  /** Class of the program → chain. */
  readonly verdicts: string;
}

/** Finds the identity of the address of `side`, then the class that it has in the program, and goes to the class's chain. */
export function peerVerdict(family: Family, side: Side, maps: PeerMaps): Expr[] {
  const address = firstWord + 4;
  const load: Expr[] = [loadAddress(family, side, address)];
  if (maps.identities === undefined) load.push({ kind: 'immediate', dreg: firstWord, data: hostOrder(0) });
  else load.push({ kind: 'lookup', set: maps.identities, sreg: address, dreg: firstWord });
  if (maps.nets !== undefined) load.push({ kind: 'lookup', set: maps.nets, sreg: address, dreg: firstWord + 1 });
  return [
    ...load,
    { kind: 'lookup', set: maps.classes, sreg: firstWord, dreg: firstWord },
    { kind: 'lookup', set: maps.verdicts, sreg: firstWord, dreg: 0 },
  ];
}

/** The end of a rule. */
export function verdict(kind: 'accept' | 'drop' | 'return'): Expr {
  return { kind: 'verdict', verdict: { kind } };
}

/** Denies the packet, in the way that all denied packets get. */
export function deny(): Expr {
  return toChain('goto', denyChain);
}

/** Goes on in another chain; `jump` comes back at its end, `goto` does not. */
export function toChain(kind: 'jump' | 'goto', chain: string): Expr {
  return { kind: 'verdict', verdict: { kind, chain } satisfies Verdict };
}

/** Counts the packets and bytes that come this far, in an object that outlives the rule. */
export function countAs(name: string): Expr {
  return { kind: 'objref', type: 'counter', name };
}

function loadAddress(family: Family, side: Side, dreg: number): Expr {
  return { kind: 'payload', base: 'network', ...addressAt[family][side], dreg };
}

function loadPort(side: Side, dreg: number): Expr {
  return { kind: 'payload', base: 'transport', offset: portAt[side], length: 2, dreg };
}
