import { expect, test } from 'bun:test';
import { packetLine } from './packet-line.ts';

const names = {
  prefix: 'calico-packet',
  interfaceName: (index: number) => ({ 2: 'eth0', 7: 'cali123' })[index],
  tierOf: (policy: string) => ({ 'np/shop/web': 'security' })[policy],
};
const tcp = [0x45, 0, 0, 60, 0, 9, 0, 0, 63, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x30, 0x39, 0, 80];
const icmp6 = [
  ...[0x60, 0, 0, 0, 0, 8, 58, 64],
  ...[0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
  ...[0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
  ...[128, 0, 0, 0],
];
const line = (bytes: readonly number[], more: { prefix?: string; rule?: string } = {}) =>
  packetLine(
    { prefix: more.rule ?? 'np/shop/web/ingress/3', inInterface: 2, outInterface: 7, bytes: Uint8Array.from(bytes) },
    { ...names, prefix: more.prefix ?? names.prefix },
  );

test.each([
  {
    name: 'TCP',
    line: line(tcp),
    want: 'calico-packet: IN=eth0 OUT=cali123 SRC=10.0.0.1 DST=10.0.0.2 LEN=60 TTL=63 ID=9 PROTO=TCP SPT=12345 DPT=80',
  },
  {
    name: 'ICMPv6',
    line: line(icmp6),
    want: 'calico-packet: IN=eth0 OUT=cali123 SRC=fd00::1 DST=fd00::2 LEN=48 HOPLIMIT=64 PROTO=ICMPV6 TYPE=128 CODE=0',
  },
  {
    name: 'a later fragment, which has no ports',
    line: line([...tcp.slice(0, 6), 0, 5, ...tcp.slice(8)]),
    want: 'calico-packet: IN=eth0 OUT=cali123 SRC=10.0.0.1 DST=10.0.0.2 LEN=60 TTL=63 ID=9 PROTO=TCP',
  },
  {
    name: 'a packet cut in its transport header',
    line: line(tcp.slice(0, 22)),
    want: 'calico-packet: IN=eth0 OUT=cali123 SRC=10.0.0.1 DST=10.0.0.2 LEN=60 TTL=63 ID=9 PROTO=TCP',
  },
  { name: 'a packet cut in its IP header', line: line(tcp.slice(0, 12)), want: 'calico-packet: IN=eth0 OUT=cali123' },
  { name: 'no bytes', line: line([]), want: 'calico-packet: IN=eth0 OUT=cali123' },
  {
    name: 'a prefix with tier, kind and names',
    line: line([], { prefix: 'x %t %k %n %p %%' }),
    want: 'x security NetworkPolicy web shop/web %%: IN=eth0 OUT=cali123',
  },
  {
    name: 'a global policy, whose tier is unknown by now',
    line: line([], { prefix: '%t|%k|%n|%p', rule: 'gnp/all/egress/0' }),
    want: '|GlobalNetworkPolicy|all|all: IN=eth0 OUT=cali123',
  },
])('packetLine tells of $name', ({ line, want }) => expect(line).toBe(want));
