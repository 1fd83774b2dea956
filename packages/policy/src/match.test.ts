import { describe, expect, test } from 'bun:test';
import { type Addr, addr, cidr, cidrContains, printAddr } from '@calico/ip';
import { findMismatch, type Sets } from './match.ts';
import { printRule } from './print.ts';
import type { Match, Packet, Rule } from './program.ts';

const MEMBERS: Readonly<Record<string, readonly string[]>> = {
  's:pods': ['10.0.0.1/32', '10.1.0.0/16', 'fd00::/64'],
  'n:http': ['10.0.0.2,tcp:80', '10.0.0.1,udp:53'],
};

const sets: Sets = {
  setContains: (set: string, address: Addr, protocol?: number, port?: number) => {
    const members = MEMBERS[set] ?? [];
    if (protocol === undefined) return members.some(member => cidrContains(cidr(member), address));
    const name = { 6: 'tcp', 17: 'udp', 132: 'sctp' }[protocol];
    return members.includes(`${printAddr(address)},${name}:${port}`);
  },
};

const tcp: Packet = {
  family: 4,
  source: addr('10.0.0.1'),
  destination: addr('10.0.0.2'),
  protocol: 6,
  sourcePort: 1024,
  destinationPort: 80,
};
const tcp6: Packet = { ...tcp, family: 6, source: addr('fd00::1'), destination: addr('fd00:1::2') };
const ping: Packet = {
  family: 4,
  source: addr('10.0.0.1'),
  destination: addr('10.0.0.2'),
  protocol: 1,
  icmpType: 8,
  icmpCode: 0,
};
const ping6: Packet = { ...ping, family: 6, source: addr('fd00::1'), destination: addr('fd00::2'), protocol: 58 };

const ports = (side: 'source' | 'destination', first: number, last: number): Match => ({
  kind: 'ports',
  side,
  ranges: [{ first, last }],
  sets: [],
  negated: false,
});
const nets = (side: 'source' | 'destination', ...list: string[]): Match => ({
  kind: 'nets',
  side,
  nets: list.map(cidr),
  negated: false,
});
const named = (side: 'source' | 'destination'): Match => ({
  kind: 'ports',
  side,
  ranges: [],
  sets: ['n:http'],
  negated: false,
});

interface Case {
  readonly match: Match;
  readonly yes: readonly Packet[];
  readonly no: readonly Packet[];
}

/** Each is tried as it stands, and negated with the answers swapped. */
const CASES: readonly Case[] = [
  { match: { kind: 'protocol', protocol: 6, negated: false }, yes: [tcp, tcp6], no: [ping, ping6] },
  { match: { kind: 'icmp', type: 8, negated: false }, yes: [ping, ping6], no: [tcp, { ...ping, icmpType: 0 }] },
  { match: { kind: 'icmp', type: 8, code: 1, negated: false }, yes: [{ ...ping, icmpCode: 1 }], no: [ping, tcp] },
  { match: { kind: 'icmp', type: 8, negated: false }, yes: [], no: [{ ...ping6, protocol: 1 }] },
  { match: nets('source', '10.0.0.0/31', 'fd00::/64'), yes: [tcp, tcp6], no: [{ ...tcp, source: addr('10.0.0.2') }] },
  {
    match: nets('destination', '10.0.0.2/32'),
    yes: [tcp, ping],
    no: [tcp6, { ...tcp, destination: addr('10.0.0.3') }],
  },
  { match: ports('destination', 80, 80), yes: [tcp, tcp6], no: [ping, { ...tcp, destinationPort: 81 }] },
  {
    match: ports('destination', 79, 81),
    yes: [tcp],
    no: [
      { ...tcp, destinationPort: 82 },
      { ...tcp, destinationPort: 78 },
    ],
  },
  { match: ports('source', 1024, 65535), yes: [tcp], no: [{ ...tcp, sourcePort: 1023 }] },
  { match: ports('source', 0, 65535), yes: [{ ...tcp, protocol: 132 }], no: [{ ...tcp, protocol: 47 }] },
  {
    match: { kind: 'ipSet', side: 'source', set: 's:pods', negated: false },
    yes: [tcp, tcp6],
    no: [{ ...tcp, source: addr('10.2.0.0') }],
  },
  { match: { kind: 'ipSet', side: 'destination', set: 's:pods', negated: false }, yes: [ping6], no: [tcp, tcp6] },
  {
    match: named('destination'),
    yes: [tcp],
    no: [tcp6, ping, { ...tcp, protocol: 17 }, { ...tcp, destinationPort: 81 }],
  },
  { match: named('source'), yes: [{ ...tcp, protocol: 17, sourcePort: 53 }], no: [tcp] },
  {
    match: { kind: 'ipPortSet', side: 'destination', set: 'n:http', negated: false },
    yes: [tcp],
    no: [{ ...tcp, protocol: 17 }, ping],
  },
  { match: { kind: 'ipSet', side: 'source', set: 's:lost', negated: false }, yes: [], no: [tcp] },
];

describe('findMismatch', () => {
  for (const { match, yes, no } of CASES) {
    const negated: Match = { ...match, negated: true };
    const plainRule: Rule = { index: 0, action: 'allow', matches: [match] };
    const negatedRule: Rule = { index: 0, action: 'allow', matches: [negated] };
    test(`decides ${printRule(plainRule)} and its negation`, () => {
      for (const packet of yes) {
        expect(findMismatch(plainRule, packet, sets)).toBeUndefined();
        expect(findMismatch(negatedRule, packet, sets)).toBe(negated);
      }
      for (const packet of no) {
        expect(findMismatch(plainRule, packet, sets)).toBe(match);
        expect(findMismatch(negatedRule, packet, sets)).toBeUndefined();
      }
    });
  }

  test('was tried with every kind of match', () => {
    const kinds = new Set(CASES.map(({ match }) => match.kind));
    expect([...kinds].sort()).toEqual(['icmp', 'ipPortSet', 'ipSet', 'nets', 'ports', 'protocol']);
  });

  test('compares the IP version first', () => {
    const only6: Rule = { index: 0, action: 'allow', ipVersion: 6, matches: [] };
    expect(findMismatch(only6, tcp, sets)).toEqual({ kind: 'ipVersion', wanted: 6 });
    expect(findMismatch(only6, tcp6, sets)).toBeUndefined();
  });
});

describe('printRule', () => {
  const cases: readonly [Rule, string][] = [
    [{ index: 0, action: 'deny', matches: [] }, 'deny everything'],
    [{ index: 0, action: 'pass', ipVersion: 4, matches: [] }, 'pass ipv4'],
    [
      {
        index: 0,
        action: 'allow',
        matches: [
          { kind: 'protocol', protocol: 6, negated: true },
          { kind: 'protocol', protocol: 47, negated: false },
          { kind: 'icmp', type: 8, code: 0, negated: false },
          { kind: 'nets', side: 'source', nets: [cidr('10.0.0.0/8'), cidr('fd00::/64')], negated: true },
          {
            kind: 'ports',
            side: 'destination',
            ranges: [
              { first: 80, last: 80 },
              { first: 90, last: 99 },
            ],
            sets: ['n:a'],
            negated: false,
          },
          { kind: 'ipSet', side: 'destination', set: 's:b', negated: true },
          { kind: 'ipPortSet', side: 'destination', set: 'svc:c', negated: false },
        ],
      },
      'allow not protocol tcp, protocol 47, icmp type 8 code 0, source not in {10.0.0.0/8, fd00::/64}, ' +
        'destination port in {80, 90-99, n:a}, destination not in set s:b, destination with port in set svc:c',
    ],
  ];
  for (const [rule, want] of cases) test(`prints ${want}`, () => expect(printRule(rule)).toBe(want));
});
