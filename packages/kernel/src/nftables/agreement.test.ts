import { describe, expect, test } from 'bun:test';
import { addr } from '@calico/ip';
import fc from 'fast-check';
import { KernelError } from '../error.ts';
import { privileged } from '../linux/testing.ts';
import { fakeNftables } from './fake.ts';
import { freshNftables } from './fresh-nftables.ts';
import { hostU32Bytes, ifnameBytes, u8Bytes, u16Bytes } from './keys.ts';
import { printTable } from './print.ts';
import {
  chain,
  endpoint,
  ip,
  jump,
  jumpTo,
  loadSource,
  pods,
  portRange,
  portRanges,
  range,
  rule,
  table,
  v4,
  verdict,
} from './testing.ts';
import type { Element, Expr, Nftables, Op, SetSpec } from './types.ts';

const cidrs: SetSpec = { name: 'cidrs', keyType: 'ipv4_addr', flags: ['interval'] };
const chains = ['a', 'b', 'c', 'base'] as const;
const anyChain = fc.constantFrom(...chains);
const anyVerdict = fc.constantFrom('a', 'b', 'c', 'base').map(jump);
const small = fc.integer({ min: 0, max: 12 });
const address = (n: number) => `10.0.0.${n}`;

const elements: Readonly<Record<string, fc.Arbitrary<Element>>> = {
  v4: small.map(n => ({ key: ip(address(n)) })),
  cidrs: fc.tuple(small, small).map(([n, more]) => range(address(n), address(n + (more >> 1)))),
  ports: fc
    .tuple(small, small, small, small)
    .map(([n, more, port, ports]) => portRange(address(n), address(n + (more >> 2)), port, port + (ports >> 2))),
  pods: fc.tuple(small, anyVerdict).map(([n, data]) => ({ key: ifnameBytes(`cali${n >> 2}`), data })),
};
const anyElements = fc.constantFrom('v4', 'cidrs', 'ports', 'pods').chain(set =>
  fc.record({
    op: fc.constantFrom('addElements', 'deleteElements'),
    set: fc.constant(set),
    // See AddElements: without it the kernel does not notice overlapping intervals with one end.
    create: fc.constant(set === 'cidrs'),
    elements: fc.array(elements[set] ?? fc.constant({ key: ip('10.0.0.0') }), { minLength: 1, maxLength: 3 }),
  }),
);

const anyRule = fc.oneof(
  anyChain.map(jumpTo).map(e => [e]),
  fc.constant<Expr[]>([loadSource, { kind: 'lookup', set: 'v4', sreg: 1 }, verdict('drop')]),
  fc.constant<Expr[]>([loadSource, { kind: 'lookup', set: 'cidrs', sreg: 1, inverted: true }]),
  fc.constant<Expr[]>([
    { kind: 'meta', key: 'iifname', dreg: 1 },
    { kind: 'lookup', set: 'pods', sreg: 1, dreg: 0 },
  ]),
  fc.constant<Expr[]>([{ kind: 'objref', type: 'counter', name: 'hits' }]),
  fc.constant<Expr[]>([{ kind: 'masquerade' }]),
);

const anyOp: fc.Arbitrary<Op> = fc.oneof(
  { weight: 6, arbitrary: anyElements as fc.Arbitrary<Op> },
  { weight: 4, arbitrary: fc.tuple(anyChain, anyRule).map(([name, exprs]): Op => rule(name, ...exprs)) },
  { weight: 1, arbitrary: fc.constantFrom('a', 'b', 'c').map((name): Op => chain(name)) },
  { weight: 2, arbitrary: anyChain.map((name): Op => ({ op: 'flushChain', name })) },
  { weight: 1, arbitrary: anyChain.map((name): Op => ({ op: 'deleteChain', name })) },
  { weight: 1, arbitrary: fc.constantFrom(v4, cidrs, portRanges, pods).map((set): Op => ({ op: 'addSet', set })) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('v4', 'cidrs', 'ports', 'pods').map((name): Op => ({ op: 'deleteSet', name })),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('v4', 'cidrs', 'ports', 'pods').map((name): Op => ({ op: 'flushSet', name })),
  },
  { weight: 1, arbitrary: fc.constant<Op>({ op: 'addCounter', name: 'hits' }) },
  { weight: 1, arbitrary: fc.constant<Op>({ op: 'deleteCounter', name: 'hits' }) },
);

const ground: readonly Op[] = [
  { op: 'addTable' },
  { op: 'addChain', chain: { name: 'base', hook: 'forward' } },
  ...['a', 'b', 'c'].map(chain),
  ...[v4, cidrs, portRanges, pods].map((set): Op => ({ op: 'addSet', set })),
];

/** The errno name of a refusal with the operation it names; undefined when all was applied. */
function outcome(nftables: Nftables, ops: readonly Op[]): string | undefined {
  try {
    nftables.transaction(table, ops);
    return undefined;
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    return `${error.code} at ${/operation \d+/.exec(error.message)?.[0]}`;
  }
}

function textOf(nftables: Nftables): string {
  const dump = nftables.dump(table);
  return dump === undefined ? '' : printTable(dump);
}

const isUdp: readonly Expr[] = [
  { kind: 'meta', key: 'l4proto', dreg: 1 },
  { kind: 'cmp', op: 'eq', sreg: 1, data: u8Bytes(17) },
];
const isIp = (nfproto: 2 | 10): readonly Expr[] => [
  { kind: 'meta', key: 'nfproto', dreg: 1 },
  { kind: 'cmp', op: 'eq', sreg: 1, data: u8Bytes(nfproto) },
];
const destination: Expr = { kind: 'payload', base: 'network', offset: 16, length: 4, dreg: 1 };
const port: Expr = { kind: 'payload', base: 'transport', offset: 2, length: 2, dreg: 1 };
const zeros = new Uint8Array(4);

/** Matches whose hits are counted, on the kernel's packets and on the fake's. */
const matches: Readonly<Record<string, readonly Expr[]>> = {
  all: [],
  v6: isIp(10),
  'in an interval set': [...isIp(2), destination, { kind: 'lookup', set: 'cidrs', sreg: 1 }],
  'not in an interval set': [...isIp(2), destination, { kind: 'lookup', set: 'cidrs', sreg: 1, inverted: true }],
  'in a hash set': [...isIp(2), destination, { kind: 'lookup', set: 'v4', sreg: 1 }],
  'in a concatenation': [
    ...isIp(2),
    { kind: 'payload', base: 'network', offset: 16, length: 4, dreg: 8 },
    { kind: 'meta', key: 'l4proto', dreg: 9 },
    { kind: 'payload', base: 'transport', offset: 2, length: 2, dreg: 10 },
    { kind: 'lookup', set: 'ports', sreg: 8 },
  ],
  'in a prefix': [
    ...isIp(2),
    destination,
    { kind: 'bitwise', sreg: 1, dreg: 1, length: 4, mask: ip('255.255.255.252'), xor: zeros },
    { kind: 'cmp', op: 'eq', sreg: 1, data: ip('127.0.0.4') },
  ],
  'ports below': [port, { kind: 'cmp', op: 'lt', sreg: 1, data: u16Bytes(100) }],
  'ports within': [port, { kind: 'range', op: 'eq', sreg: 1, from: u16Bytes(80), to: u16Bytes(300) }],
  'ports beside': [port, { kind: 'range', op: 'neq', sreg: 1, from: u16Bytes(80), to: u16Bytes(300) }],
  'leaving by a loopback': [
    { kind: 'meta', key: 'oifname', dreg: 1 },
    { kind: 'cmp', op: 'eq', sreg: 1, data: ifnameBytes('lo').subarray(0, 2) },
  ],
  'by a mark from a map': [
    ...isIp(2),
    destination,
    { kind: 'lookup', set: 'marks', sreg: 1, dreg: 1 },
    { kind: 'cmp', op: 'eq', sreg: 1, data: hostU32Bytes(7) },
  ],
};

const matchOps: readonly Op[] = [
  { op: 'addTable' },
  { op: 'addChain', chain: { name: 'out', hook: 'output' } },
  ...[v4, cidrs, portRanges].map((set): Op => ({ op: 'addSet', set })),
  { op: 'addSet', set: { name: 'marks', keyType: 'ipv4_addr', flags: [], map: { type: 'mark' } } },
  { op: 'addElements', set: 'v4', elements: [{ key: ip('127.0.0.1') }, { key: ip('127.0.0.5') }] },
  { op: 'addElements', set: 'cidrs', elements: [range('127.0.0.2', '127.0.0.5'), { key: ip('127.0.0.7') }] },
  {
    op: 'addElements',
    set: 'ports',
    elements: [
      { key: endpoint('127.0.0.0', 17, 50), keyEnd: endpoint('127.0.0.3', 17, 80) },
      { key: endpoint('127.0.0.4', 6, 1), keyEnd: endpoint('127.0.0.9', 6, 65535) },
      { key: endpoint('127.0.0.6', 17, 300) },
    ],
  },
  {
    op: 'addElements',
    set: 'marks',
    elements: [2, 3, 7].map(n => ({ key: ip(`127.0.0.${n}`), data: hostU32Bytes(n) })),
  },
  ...Object.keys(matches).map((name): Op => ({ op: 'addCounter', name })),
  ...Object.entries(matches).map(
    ([name, exprs]): Op => rule('out', ...isUdp, ...exprs, { kind: 'objref', type: 'counter', name }),
  ),
];

privileged(import.meta.path, () => {
  describe('the fake and Linux agree', () => {
    test('on what is refused, which operation is named, and what is there afterwards', () => {
      const linux = freshNftables();
      try {
        fc.assert(
          fc.property(fc.array(fc.array(anyOp, { minLength: 1, maxLength: 5 }), { maxLength: 12 }), batches => {
            const fake = fakeNftables();
            if (linux.nftables.dump(table) !== undefined) linux.nftables.transaction(table, [{ op: 'deleteTable' }]);
            for (const nftables of [fake, linux.nftables]) nftables.transaction(table, ground);
            for (const ops of batches) {
              expect(outcome(fake, ops)).toBe(outcome(linux.nftables, ops));
              expect(textOf(fake)).toBe(textOf(linux.nftables));
            }
            expect(fake.check().filter(fault => fault.includes('uses'))).toEqual([]);
          }),
          { numRuns: 25 },
        );
      } finally {
        linux.close();
      }
    });

    test('on what matches real packets, counted in packets and bytes', () => {
      const linux = freshNftables();
      try {
        const fake = fakeNftables();
        for (const nftables of [fake, linux.nftables]) nftables.transaction(table, matchOps);
        const to = [1, 2, 3, 4, 5, 6, 7, 8]
          .map(n => `127.0.0.${n}`)
          .flatMap(a => [50, 80, 99, 300].map(p => [a, p] as const));
        const all = [...to, ['::1', 80] as const, ['::1', 301] as const];
        linux.run('ip', 'link', 'set', 'lo', 'up');
        linux.run('bash', '-c', all.map(([address, port]) => `echo x > /dev/udp/${address}/${port}`).join('; '));
        for (const [address, destinationPort] of all) {
          const packet = {
            source: addr(address),
            destination: addr(address),
            protocol: 17,
            destinationPort,
            payloadLength: 2,
          };
          fake.classify('output', packet, { oif: 'lo' });
        }
        expect(fake.counters(table)).toEqual([...linux.nftables.counters(table)]);
        for (const { name, packets } of fake.counters(table)) expect(`${name}: ${packets > 0}`).toBe(`${name}: true`);
      } finally {
        linux.close();
      }
    });
  });
});
