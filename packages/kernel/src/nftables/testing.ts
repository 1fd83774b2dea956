import { addr, addrToBytes } from '@calico/ip';
import { ctStates } from './field-type.ts';
import { concatBytes, hostU32Bytes, ifnameBytes, ifnamePrefixBytes, u8Bytes, u16Bytes } from './keys.ts';
import type { Element, Expr, ExprOf, Op, SetSpec, TableName, Verdict } from './types.ts';

/** The table of the tests. */
export const table: TableName = { family: 'inet', name: 'calico-test' };

export const ip = (text: string): Uint8Array => addrToBytes(addr(text));

/** Address, protocol and port as one key. */
export const endpoint = (address: string, protocol: number, port: number): Uint8Array =>
  concatBytes(ip(address), u8Bytes(protocol), u16Bytes(port));

export const verdict = (kind: 'accept' | 'drop' | 'return'): Expr => ({ kind: 'verdict', verdict: { kind } });
export const jump = (chain: string): Verdict => ({ kind: 'jump', chain });
export const jumpTo = (chain: string): Expr => ({ kind: 'verdict', verdict: jump(chain) });

const isIpv4: readonly Expr[] = [
  { kind: 'meta', key: 'nfproto', dreg: 1 },
  { kind: 'cmp', op: 'eq', sreg: 1, data: u8Bytes(2) },
];
const isIpv6: readonly Expr[] = [
  { kind: 'meta', key: 'nfproto', dreg: 1 },
  { kind: 'cmp', op: 'eq', sreg: 1, data: u8Bytes(10) },
];
const protocol = (number: number): readonly Expr[] => [
  { kind: 'meta', key: 'l4proto', dreg: 1 },
  { kind: 'cmp', op: 'eq', sreg: 1, data: u8Bytes(number) },
];
const load = (base: 'network' | 'transport', offset: number, length: number, dreg = 1): Expr => ({
  kind: 'payload',
  base,
  offset,
  length,
  dreg,
});
const equals = (data: Uint8Array, op: 'eq' | 'neq' = 'eq'): Expr => ({ kind: 'cmp', op, sreg: 1, data });
const maskOf = (sreg: number, mask: Uint8Array, xor: Uint8Array = new Uint8Array(mask.length)): Expr => ({
  kind: 'bitwise',
  sreg,
  dreg: sreg,
  length: mask.length,
  mask,
  xor,
});
const ctState = (bits: number): readonly Expr[] => [
  { kind: 'ct', key: 'state', dreg: 1 },
  maskOf(1, hostU32Bytes(bits)),
  equals(hostU32Bytes(0), 'neq'),
];

/** Sets that the rule cases look up. */
export const caseSets: readonly SetSpec[] = [
  { name: 'v4', keyType: 'ipv4_addr', flags: [] },
  { name: 'v6', keyType: 'ipv6_addr', flags: [] },
  { name: 'cidrs', keyType: 'ipv4_addr', flags: ['interval'] },
  { name: 'ports', keyType: ['ipv4_addr', 'inet_proto', 'inet_service'], flags: [] },
  { name: 'by-name', keyType: 'ifname', flags: [], map: 'verdict' },
  { name: 'marks', keyType: 'ipv4_addr', flags: [], map: { type: 'mark' } },
  { name: 'hits', keyType: 'ifname', flags: [], map: 'counter' },
  { name: 'inside', keyType: 'ipv4_addr', flags: [], map: { type: 'ipv4_addr' } },
  { name: 'outside', keyType: ['ipv6_addr', 'ipv6_addr'], flags: [], map: { type: 'ipv6_addr' } },
];

export interface RuleCase {
  readonly name: string;
  /** Default: a filter chain on forward. */
  readonly chain?: 'prerouting' | 'postrouting-nat' | 'prerouting-nat';
  readonly exprs: readonly Expr[];
  /** Our text. */
  readonly text: string;
  /** What `nft list` says where it differs from our text. */
  readonly nft?: string;
}

/** Rules of every kind of expression, with their texts. */
export const ruleCases: readonly RuleCase[] = [
  { name: 'a bare verdict', exprs: [verdict('accept')], text: 'accept' },
  { name: 'return', exprs: [verdict('return')], text: 'return' },
  { name: 'a jump', exprs: [jumpTo('target')], text: 'jump target' },
  {
    name: 'a goto',
    exprs: [{ kind: 'verdict', verdict: { kind: 'goto', chain: 'target' } }],
    text: 'goto target',
  },
  {
    name: 'an interface by its whole name',
    exprs: [{ kind: 'meta', key: 'iifname', dreg: 1 }, equals(ifnameBytes('cali0'))],
    text: 'iifname "cali0"',
  },
  {
    name: 'interfaces by the start of their names',
    exprs: [{ kind: 'meta', key: 'oifname', dreg: 1 }, equals(ifnamePrefixBytes('cali'), 'neq'), verdict('drop')],
    text: 'oifname != "cali*" drop',
  },
  {
    name: 'a verdict map over interfaces',
    exprs: [
      { kind: 'meta', key: 'iifname', dreg: 1 },
      { kind: 'lookup', set: 'by-name', sreg: 1, dreg: 0 },
    ],
    text: 'iifname vmap @by-name',
  },
  {
    name: 'an IPv4 source in a set, TCP ports, a named counter',
    exprs: [
      ...isIpv4,
      load('network', 12, 4),
      { kind: 'lookup', set: 'v4', sreg: 1 },
      ...protocol(6),
      load('transport', 2, 2),
      { kind: 'range', op: 'eq', sreg: 1, from: u16Bytes(80), to: u16Bytes(90) },
      { kind: 'objref', type: 'counter', name: 'hits-of-a-rule' },
      verdict('accept'),
    ],
    text: 'ip saddr @v4 tcp dport 80-90 counter name "hits-of-a-rule" accept',
  },
  {
    name: 'ports compared from both sides',
    exprs: [
      ...protocol(17),
      load('transport', 0, 2),
      { kind: 'cmp', op: 'gte', sreg: 1, data: u16Bytes(1000) },
      { kind: 'cmp', op: 'lte', sreg: 1, data: u16Bytes(2000) },
    ],
    text: 'udp sport 1000-2000',
  },
  {
    name: 'ports beside a range',
    exprs: [
      ...protocol(132),
      load('transport', 2, 2),
      { kind: 'range', op: 'neq', sreg: 1, from: u16Bytes(1), to: u16Bytes(1023) },
    ],
    text: 'sctp dport != 1-1023',
  },
  {
    name: 'an IPv4 prefix',
    exprs: [...isIpv4, load('network', 16, 4), maskOf(1, ip('255.255.240.0')), equals(ip('10.65.0.0'))],
    text: 'ip daddr 10.65.0.0/20',
  },
  {
    name: 'not an IPv6 prefix',
    exprs: [
      ...isIpv6,
      load('network', 8, 16),
      maskOf(1, ip('ffff:ffff::')),
      equals(ip('fd00:10::'), 'neq'),
      verdict('drop'),
    ],
    text: 'ip6 saddr != fd00:10::/32 drop',
  },
  {
    name: 'not in a set of IPv6 addresses',
    exprs: [...isIpv6, load('network', 24, 16), { kind: 'lookup', set: 'v6', sreg: 1, inverted: true }],
    text: 'ip6 daddr != @v6',
  },
  {
    name: 'a concatenation over registers of 4 bytes',
    exprs: [
      ...isIpv4,
      load('network', 16, 4, 8),
      { kind: 'meta', key: 'l4proto', dreg: 9 },
      load('transport', 2, 2, 10),
      { kind: 'lookup', set: 'ports', sreg: 8 },
      verdict('accept'),
    ],
    text: 'ip daddr . meta l4proto . th dport @ports accept',
  },
  {
    name: 'a mark taken from a map',
    exprs: [
      ...isIpv4,
      load('network', 12, 4),
      { kind: 'lookup', set: 'marks', sreg: 1, dreg: 1 },
      { kind: 'metaSet', key: 'mark', sreg: 1 },
    ],
    text: 'meta mark set ip saddr map @marks',
  },
  {
    name: 'a counter chosen by a map',
    exprs: [
      { kind: 'meta', key: 'iifname', dreg: 1 },
      { kind: 'objrefMap', set: 'hits', sreg: 1 },
    ],
    text: 'counter name iifname map @hits',
  },
  {
    name: 'bits of the mark set',
    exprs: [
      { kind: 'meta', key: 'mark', dreg: 1 },
      maskOf(1, hostU32Bytes(0xfffeffff), hostU32Bytes(0x00010000)),
      { kind: 'metaSet', key: 'mark', sreg: 1 },
    ],
    text: 'meta mark set meta mark | 0x00010000',
  },
  {
    name: 'bits of the mark asked about',
    exprs: [
      { kind: 'meta', key: 'mark', dreg: 1 },
      maskOf(1, hostU32Bytes(0x00010000)),
      equals(hostU32Bytes(0x00010000)),
      verdict('return'),
    ],
    text: 'meta mark & 0x00010000 == 0x00010000 return',
  },
  {
    name: 'a mark set as a whole',
    exprs: [
      { kind: 'immediate', dreg: 1, data: hostU32Bytes(5) },
      { kind: 'metaSet', key: 'mark', sreg: 1 },
    ],
    text: 'meta mark set 0x00000005',
  },
  {
    name: 'a connection mark saved',
    exprs: [
      { kind: 'meta', key: 'mark', dreg: 1 },
      { kind: 'ctSet', key: 'mark', sreg: 1 },
    ],
    text: 'ct mark set meta mark',
  },
  {
    name: 'connections that are known',
    exprs: [...ctState(ctStates.established | ctStates.related), verdict('accept')],
    text: 'ct state established,related accept',
  },
  {
    name: 'a connection mark compared',
    exprs: [{ kind: 'ct', key: 'mark', dreg: 1 }, equals(hostU32Bytes(7), 'neq')],
    text: 'ct mark != 0x00000007',
  },
  {
    name: 'the original destination of a connection',
    exprs: [{ kind: 'ct', key: 'dstIp', dreg: 1, direction: 'original' }, equals(ip('10.96.0.1'))],
    text: 'ct original ip daddr 10.96.0.1',
  },
  {
    name: 'an ICMP type',
    exprs: [...isIpv4, ...protocol(1), load('transport', 0, 1), equals(u8Bytes(8)), verdict('accept')],
    text: 'meta nfproto ipv4 icmp type 8 accept',
    nft: 'icmp type echo-request accept',
  },
  {
    name: 'a protocol without ports',
    exprs: [...protocol(4), verdict('drop')],
    text: 'meta l4proto ipencap drop',
  },
  { name: 'a counter of its own', exprs: [{ kind: 'counter' }], text: 'counter', nft: 'counter packets 0 bytes 0' },
  {
    name: 'nflog',
    exprs: [{ kind: 'log', group: 3, prefix: 'DPI|default.allow', snaplen: 80, queueThreshold: 10 }],
    text: 'log prefix "DPI|default.allow" group 3 snaplen 80 queue-threshold 10',
  },
  {
    name: 'the kernel log',
    exprs: [{ kind: 'log', prefix: 'calico-packet: ', level: 6 }],
    text: 'log prefix "calico-packet: " level 6',
    nft: 'log prefix "calico-packet: " level info',
  },
  {
    name: 'a rate',
    exprs: [{ kind: 'limit', rate: 10, unit: 'minute', burst: 7 }, verdict('accept')],
    text: 'limit rate 10/minute burst 7 packets accept',
  },
  {
    name: 'beyond a rate of bytes',
    exprs: [{ kind: 'limit', rate: 4096, unit: 'second', burst: 8192, over: true, bytes: true }, verdict('drop')],
    text: 'limit rate over 4096 bytes/second burst 8192 bytes drop',
    nft: 'limit rate over 4 kbytes/second burst 8 kbytes drop',
  },
  {
    name: 'reverse path by the routing tables',
    chain: 'prerouting',
    exprs: [
      { kind: 'fib', result: 'oif', flags: ['saddr', 'mark', 'iif'], dreg: 1 },
      equals(hostU32Bytes(0)),
      verdict('drop'),
    ],
    text: 'fib saddr . mark . iif oif 0 drop',
  },
  {
    name: 'reverse path, asked as presence',
    chain: 'prerouting',
    exprs: [
      { kind: 'fib', result: 'oif', flags: ['saddr', 'iif'], dreg: 1, present: true },
      equals(hostU32Bytes(0)),
      verdict('drop'),
    ],
    text: 'fib saddr . iif oif missing drop',
  },
  {
    name: 'local destinations',
    chain: 'prerouting',
    exprs: [{ kind: 'fib', result: 'type', flags: ['daddr'], dreg: 1 }, equals(hostU32Bytes(2)), verdict('return')],
    text: 'fib daddr type local return',
  },
  {
    name: 'no connection tracking',
    chain: 'prerouting',
    exprs: [...protocol(17), load('transport', 2, 2), equals(u16Bytes(4789)), { kind: 'notrack' }],
    text: 'udp dport 4789 notrack',
  },
  {
    name: 'reject for both families',
    exprs: [{ kind: 'reject', type: 'icmpx', code: 3 }],
    text: 'reject with icmpx admin-prohibited',
  },
  {
    name: 'reject by a reset',
    exprs: [...protocol(6), { kind: 'reject', type: 'tcpReset' }],
    text: 'meta l4proto tcp reject with tcp reset',
  },
  {
    name: 'masquerade with random ports',
    chain: 'postrouting-nat',
    exprs: [{ kind: 'masquerade', randomFully: true }],
    text: 'masquerade fully-random',
  },
  {
    name: 'masquerade to a range of ports',
    chain: 'postrouting-nat',
    exprs: [
      ...protocol(6),
      { kind: 'immediate', dreg: 1, data: u16Bytes(40000) },
      { kind: 'immediate', dreg: 2, data: u16Bytes(50000) },
      { kind: 'masquerade', portMinReg: 1, portMaxReg: 2 },
    ],
    text: 'meta l4proto tcp masquerade to :40000-50000',
  },
  {
    name: 'source translation',
    chain: 'postrouting-nat',
    exprs: [
      ...isIpv4,
      { kind: 'immediate', dreg: 1, data: ip('192.0.2.1') },
      { kind: 'nat', type: 'snat', family: 'ip', addrMinReg: 1, randomFully: true },
    ],
    text: 'meta nfproto ipv4 snat ip to 192.0.2.1 fully-random',
  },
  {
    name: 'destination translation with a port',
    chain: 'prerouting-nat',
    exprs: [
      ...isIpv6,
      ...protocol(6),
      { kind: 'immediate', dreg: 1, data: ip('fd00::1') },
      { kind: 'immediate', dreg: 2, data: u16Bytes(8080) },
      { kind: 'nat', type: 'dnat', family: 'ip6', addrMinReg: 1, portMinReg: 2 },
    ],
    text: 'meta nfproto ipv6 meta l4proto tcp dnat ip6 to fd00::1:8080',
    nft: 'meta nfproto ipv6 meta l4proto tcp dnat ip6 to [fd00::1]:8080',
  },
  {
    name: 'destination translation by a map',
    chain: 'prerouting-nat',
    exprs: [
      ...isIpv4,
      load('network', 16, 4),
      { kind: 'lookup', set: 'inside', sreg: 1, dreg: 1 },
      { kind: 'nat', type: 'dnat', family: 'ip', addrMinReg: 1 },
    ],
    text: 'dnat ip to ip daddr map @inside',
  },
  {
    name: 'source translation by a map of both addresses',
    chain: 'postrouting-nat',
    exprs: [
      ...isIpv6,
      load('network', 8, 16, 1),
      load('network', 24, 16, 2),
      { kind: 'lookup', set: 'outside', sreg: 1, dreg: 3 },
      { kind: 'nat', type: 'snat', family: 'ip6', addrMinReg: 3 },
    ],
    text: 'snat ip6 to ip6 saddr . ip6 daddr map @outside',
  },
];

/** The operations before any rule case: chains for each hook, sets, a counter. */
export const caseGround: readonly Op[] = [
  { op: 'addTable' },
  { op: 'addCounter', name: 'hits-of-a-rule' },
  ...caseSets.map((set): Op => ({ op: 'addSet', set })),
  { op: 'addChain', chain: { name: 'target' } },
  { op: 'addChain', chain: { name: 'forward', hook: 'forward', policy: 'drop' } },
  { op: 'addChain', chain: { name: 'prerouting', hook: 'prerouting', priority: -300 } },
  { op: 'addChain', chain: { name: 'postrouting-nat', hook: 'postrouting', type: 'nat', priority: 110 } },
  { op: 'addChain', chain: { name: 'prerouting-nat', hook: 'prerouting', type: 'nat', priority: -110 } },
];

/** The rule cases as operations on {@link caseGround}, in their order. */
export const caseRules: readonly Op[] = ruleCases.map(({ name, chain, exprs }) => ({
  op: 'addRule',
  chain: chain ?? 'forward',
  exprs,
  comment: name,
}));

/** `count` different addresses from 10.0.0.0 on, `step` apart. */
export function manyAddresses(count: number, step = 1): Element[] {
  return Array.from({ length: count }, (_, i) => {
    const n = i * step;
    return { key: Uint8Array.of(10, (n >> 16) & 0xff, (n >> 8) & 0xff, n & 0xff) };
  });
}

/** Small pieces that the suite and its refusals are made of. */
export const v4: SetSpec = { name: 'v4', keyType: 'ipv4_addr', flags: [] };
export const cidrs: SetSpec = { name: 'cidrs', keyType: 'ipv4_addr', flags: ['interval'] };
export const portRanges: SetSpec = {
  name: 'ports',
  keyType: ['ipv4_addr', 'inet_proto', 'inet_service'],
  flags: ['interval'],
};
export const pods: SetSpec = { name: 'pods', keyType: 'ifname', flags: [], map: 'verdict' };
export const a: Element = { key: ip('10.0.0.1') };
export const b: Element = { key: ip('10.0.0.2') };
export const range = (from: string, to: string): Element => ({ key: ip(from), keyEnd: ip(to) });
export const portRange = (from: string, to: string, low: number, high: number): Element => ({
  key: endpoint(from, 6, low),
  keyEnd: endpoint(to, 6, high),
});
export const base: Op = { op: 'addChain', chain: { name: 'base', hook: 'forward' } };
export const chain = (name: string): Op => ({ op: 'addChain', chain: { name } });
export const rule = (chain: string, ...exprs: Expr[]): Op => ({ op: 'addRule', chain, exprs });
export const loadSource: Expr = { kind: 'payload', base: 'network', offset: 12, length: 4, dreg: 1 };
export const inV4: ExprOf<'lookup'> = { kind: 'lookup', set: 'v4', sreg: 1 };
