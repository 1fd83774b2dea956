import { beforeEach, describe, expect, test } from 'bun:test';
import { addr } from '@calico/ip';
import type { Classification, FakePacket, PacketContext } from './classify.ts';
import { type FakeNftables, fakeNftables } from './fake.ts';
import { ctStates } from './field-type.ts';
import { hostU32Bytes, ifnameBytes, u8Bytes, u16Bytes } from './keys.ts';
import {
  base,
  chain,
  cidrs,
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
  verdict,
} from './testing.ts';
import type { Expr, Op } from './types.ts';

const tcp = (source: string, destination: string, destinationPort: number): FakePacket => ({
  source: addr(source),
  destination: addr(destination),
  protocol: 6,
  sourcePort: 40000,
  destinationPort,
});
const web = tcp('10.0.0.1', '10.0.0.2', 80);
const compare = (data: Uint8Array, op: 'eq' | 'neq' = 'eq'): Expr => ({ kind: 'cmp', op, sreg: 1, data });
const meta = (key: 'iifname' | 'oifname' | 'mark' | 'l4proto' | 'nfproto', dreg = 1): Expr => ({
  kind: 'meta',
  key,
  dreg,
});
const load = (base: 'network' | 'transport', offset: number, length: number, dreg = 1): Expr => ({
  kind: 'payload',
  base,
  offset,
  length,
  dreg,
});
const { drop, accept, back } = { drop: verdict('drop'), accept: verdict('accept'), back: verdict('return') };

describe('classify', () => {
  let nftables: FakeNftables;
  beforeEach(() => {
    nftables = fakeNftables();
    nftables.transaction(table, [{ op: 'addTable' }, base]);
  });
  const apply = (...ops: readonly Op[]): void => nftables.transaction(table, ops);
  const forward = (packet: FakePacket, context: PacketContext = {}): Classification =>
    nftables.classify('forward', packet, context);
  const path = ({ trace }: Classification): string[] =>
    trace.map(({ chain, rule, verdict }) => `${chain}${rule === undefined ? '' : `[${rule}]`} ${verdict.kind}`);

  test('a packet that no rule decides has the policy of the base chain', () => {
    expect(path(forward(web))).toEqual(['base accept']);
    apply({ op: 'addChain', chain: { name: 'base', hook: 'forward', policy: 'drop' } });
    expect(forward(web).verdict).toBe('drop');
  });

  test('base chains go by priority, accept ends one of them, drop all', () => {
    const other = { family: 'ip', name: 'other' } as const;
    nftables.transaction(other, [
      { op: 'addTable' },
      { op: 'addChain', chain: { name: 'early', hook: 'forward', priority: -10 } },
      { op: 'addChain', chain: { name: 'late', hook: 'forward', priority: 10 } },
      { op: 'addRule', chain: 'early', exprs: [accept] },
      { op: 'addRule', chain: 'late', exprs: [drop] },
    ]);
    apply(rule('base', accept));
    expect(path(forward(web))).toEqual(['early[0] accept', 'base[0] accept', 'late[0] drop']);
    expect(path(forward(tcp('fd00::1', 'fd00::2', 80)))).toEqual(['base[0] accept']);
  });

  test('jump comes back, goto does not, return goes up', () => {
    apply(
      chain('a'),
      chain('b'),
      rule('a', back),
      rule('a', drop),
      rule('base', jumpTo('a')),
      rule('base', { kind: 'verdict', verdict: { kind: 'goto', chain: 'b' } }),
      rule('base', drop),
    );
    expect(path(forward(web))).toEqual(['base[0] jump', 'a[0] return', 'base[1] goto', 'base accept']);
  });

  test('a verdict map leads by interface, and a name not in it leads on', () => {
    apply(chain('pod'), rule('pod', drop), { op: 'addSet', set: pods });
    apply({ op: 'addElements', set: 'pods', elements: [{ key: ifnameBytes('cali0'), data: jump('pod') }] });
    apply(rule('base', meta('iifname'), { kind: 'lookup', set: 'pods', sreg: 1, dreg: 0 }), rule('base', accept));
    expect(path(forward(web, { iif: 'cali0' }))).toEqual(['base[0] jump', 'pod[0] drop']);
    expect(path(forward(web, { iif: 'cali00' }))).toEqual(['base[1] accept']);
    expect(path(forward(web))).toEqual(['base[1] accept']);
  });

  const source = (text: string): Classification => forward(tcp(text, '10.0.0.2', 80));

  test('interval sets hold both ends of their ranges', () => {
    apply(
      { op: 'addSet', set: cidrs },
      {
        op: 'addElements',
        set: 'cidrs',
        elements: [range('10.0.0.4', '10.0.0.7'), range('255.0.0.0', '255.255.255.255')],
      },
      rule('base', loadSource, { kind: 'lookup', set: 'cidrs', sreg: 1 }, drop),
    );
    const dropped = ['10.0.0.3', '10.0.0.4', '10.0.0.7', '10.0.0.8', '254.255.255.255', '255.255.255.255'];
    expect(dropped.filter(text => source(text).verdict === 'drop')).toEqual([
      '10.0.0.4',
      '10.0.0.7',
      '255.255.255.255',
    ]);
  });

  test('concatenated ranges match field by field', () => {
    apply(
      { op: 'addSet', set: portRanges },
      {
        op: 'addElements',
        set: 'ports',
        elements: [portRange('10.0.0.0', '10.0.0.9', 80, 90), { key: endpoint('10.0.1.1', 6, 443) }],
      },
      rule(
        'base',
        load('network', 16, 4, 8),
        meta('l4proto', 9),
        load('transport', 2, 2, 10),
        { kind: 'lookup', set: 'ports', sreg: 8 },
        drop,
      ),
    );
    const to = (destination: string, port: number) => forward(tcp('10.9.9.9', destination, port)).verdict;
    expect([to('10.0.0.9', 90), to('10.0.1.1', 443)]).toEqual(['drop', 'drop']);
    expect([to('10.0.0.9', 91), to('10.0.0.10', 85), to('10.0.1.1', 80)]).toEqual(['accept', 'accept', 'accept']);
  });

  test('marks are written, masked and read', () => {
    apply(
      rule(
        'base',
        meta('mark'),
        { kind: 'bitwise', sreg: 1, dreg: 1, length: 4, mask: hostU32Bytes(0xfffffff0), xor: hostU32Bytes(0x5) },
        { kind: 'metaSet', key: 'mark', sreg: 1 },
      ),
      rule('base', meta('mark'), compare(hostU32Bytes(0x25)), { kind: 'ctSet', key: 'mark', sreg: 1 }, drop),
    );
    expect(forward(web, { mark: 0x2f })).toMatchObject({ verdict: 'drop', mark: 0x25, conntrackMark: 0x25 });
    expect(forward(web, { mark: 0x3f })).toMatchObject({ verdict: 'accept', mark: 0x35, conntrackMark: 0 });
  });

  test('connection states are bits, and notrack changes them', () => {
    const known: Expr[] = [
      { kind: 'ct', key: 'state', dreg: 1 },
      {
        kind: 'bitwise',
        sreg: 1,
        dreg: 1,
        length: 4,
        mask: hostU32Bytes(ctStates.established | ctStates.untracked),
        xor: hostU32Bytes(0),
      },
      compare(hostU32Bytes(0), 'neq'),
      accept,
    ];
    apply(rule('base', ...known), rule('base', { kind: 'notrack' }), rule('base', ...known));
    expect(path(forward(web, { conntrackState: 'established' }))).toEqual(['base[0] accept']);
    expect(path(forward(web))).toEqual(['base[2] accept']);
    expect(forward(web).conntrackState).toBe('untracked');
  });

  test('a header that is too short or a protocol without ports does not match', () => {
    apply(rule('base', load('transport', 12, 4), drop), rule('base', loadSource, compare(ip('10.0.0.1')), drop));
    expect(path(forward({ ...web, protocol: 17 }))).toEqual(['base[1] drop']);
    expect(path(forward(web))).toEqual(['base[0] drop']);
  });

  test('counters count packets and bytes, of rules, elements and by name', () => {
    apply(
      { op: 'addCounter', name: 'c' },
      { op: 'addSet', set: { ...pods, name: 'counted', counters: true } },
      { op: 'addElements', set: 'counted', elements: [{ key: ifnameBytes('cali0'), data: { kind: 'continue' } }] },
      rule('base', meta('iifname'), { kind: 'lookup', set: 'counted', sreg: 1, dreg: 0 }, { kind: 'counter' }),
      rule('base', { kind: 'objref', type: 'counter', name: 'c' }),
    );
    for (let i = 0; i < 3; i++) forward({ ...web, payloadLength: 60 }, { iif: 'cali0' });
    forward(web);
    const three = { packets: 3, bytes: 300 };
    expect(nftables.counters(table)).toEqual([{ name: 'c', packets: 4, bytes: 340 }]);
    expect(nftables.elements(table, 'counted')[0]?.counter).toEqual(three);
    expect(nftables.dump(table)?.chains[0]?.rules[0]?.exprs.at(-1)).toEqual({ kind: 'counter', ...three });
  });

  test('nat is chosen by new connections only, once, and not by a packet that is dropped before', () => {
    apply(
      { op: 'addChain', chain: { name: 'nat', hook: 'postrouting', type: 'nat', priority: 100 } },
      { op: 'addChain', chain: { name: 'nat2', hook: 'postrouting', type: 'nat', priority: 110 } },
      rule('nat', { kind: 'masquerade', randomFully: true }),
      rule('nat2', drop),
    );
    expect(nftables.classify('postrouting', web)).toMatchObject({ verdict: 'accept', nat: { type: 'masquerade' } });
    const known = nftables.classify('postrouting', web, { conntrackState: 'established' });
    expect({ verdict: known.verdict, nat: known.nat, trace: known.trace }).toEqual({
      verdict: 'accept',
      nat: undefined,
      trace: [],
    });
  });

  test('reject drops and says how, log is heard, limits follow the context', () => {
    apply(
      rule('base', { kind: 'limit', rate: 1, unit: 'second', burst: 1, over: true }, drop),
      rule('base', { kind: 'log', group: 2, prefix: 'no' }, { kind: 'reject', type: 'icmpx', code: 1 }),
    );
    expect(forward(web)).toMatchObject({
      verdict: 'drop',
      logs: [{ group: 2, prefix: 'no' }],
      reject: { type: 'icmpx', code: 1 },
    });
    expect(path(forward(web, { limits: 'beyond' }))).toEqual(['base[0] drop']);
  });

  test('fib asks the routing tables of the context', () => {
    apply(
      { op: 'addChain', chain: { name: 'raw', hook: 'prerouting' } },
      rule('raw', { kind: 'fib', result: 'oif', flags: ['saddr', 'iif'], dreg: 1 }, compare(hostU32Bytes(0)), drop),
      rule('raw', { kind: 'fib', result: 'type', flags: ['daddr'], dreg: 1 }, compare(hostU32Bytes(2)), accept),
    );
    const fate = (sourceRoute: number | undefined) =>
      path(
        nftables.classify('prerouting', web, {
          iif: 'cali0',
          fib: ({ isSource, address, iif }) => {
            expect([...address]).toEqual([...ip(isSource ? '10.0.0.1' : '10.0.0.2')]);
            expect(iif).toBe(isSource ? 'cali0' : undefined);
            if (!isSource) return { type: 'local' };
            return sourceRoute === undefined
              ? undefined
              : { type: 'unicast', oif: { name: 'cali0', index: sourceRoute } };
          },
        }),
      );
    expect(fate(undefined)).toEqual(['raw[0] drop']);
    expect(fate(7)).toEqual(['raw[1] accept']);
    expect(() => nftables.classify('prerouting', web)).toThrow('context.fib is absent');
  });

  test('families, protocols and ICMP are told apart', () => {
    apply(
      rule('base', meta('nfproto'), compare(u8Bytes(10)), drop),
      rule('base', meta('l4proto'), compare(u8Bytes(1)), load('transport', 0, 2), compare(u16Bytes(0x0800)), drop),
    );
    const ping = { source: addr('10.0.0.1'), destination: addr('10.0.0.2'), protocol: 1, icmpType: 8 };
    expect(path(forward(ping))).toEqual(['base[1] drop']);
    expect(path(forward({ ...ping, icmpCode: 1 }))).toEqual(['base accept']);
    expect(path(forward(tcp('fd00::1', 'fd00::2', 80)))).toEqual(['base[0] drop']);
  });
});

describe('a packet under way in a transaction', () => {
  const marks: Op = { op: 'addSet', set: { name: 'marks', keyType: 'ipv4_addr', flags: [], map: { type: 'mark' } } };
  const source = ip('10.0.0.1');
  const markIs = (number: number): Op => {
    return { op: 'addElements', set: 'marks', elements: [{ key: source, data: hostU32Bytes(number) }] };
  };
  const asks = (number: number, ...then: Expr[]): Op =>
    rule(
      'base',
      load('network', 12, 4),
      { kind: 'lookup', set: 'marks', sreg: 1, dreg: 1 },
      compare(hostU32Bytes(number)),
      ...then,
    );
  const fates = (ground: readonly Op[], change: readonly Op[]): string[] => {
    const [before, after] = [fakeNftables(), fakeNftables()];
    for (const each of [before, after]) each.transaction(table, [{ op: 'addTable' }, base, marks, ...ground]);
    after.transaction(table, change);
    return [...before.fatesUnderWay(after, 'forward', web)].sort();
  };
  const becomes = (number: number): Op[] => [
    { op: 'deleteElements', set: 'marks', elements: [{ key: source }] },
    markIs(number),
  ];

  test('asks each set as it is at that moment', () => {
    expect(fates([markIs(1), asks(1, drop)], becomes(1))).toEqual(['drop']);
    expect(fates([markIs(1), asks(1, drop)], becomes(2))).toEqual(['accept', 'drop']);
    expect(fates([markIs(1), asks(1, drop), asks(2, drop)], becomes(2))).toEqual(['drop']);
    // What was not yet so for the first rule is so no more for the second.
    expect(fates([markIs(1), asks(2, drop), asks(1, drop)], becomes(2))).toEqual(['accept', 'drop']);
    expect(fates([markIs(1), asks(1, drop)], [{ op: 'flushSet', name: 'marks' }])).toEqual(['accept', 'drop']);
  });

  test('has the rules of the chain in which it began', () => {
    const flush: Op = { op: 'flushChain', name: 'base' };
    expect(fates([markIs(1), asks(1, drop)], [flush, asks(1, accept)])).toEqual(['accept', 'drop']);
    // Not a rule of the one chain and one of the other.
    expect(fates([markIs(1), asks(1, drop)], [flush, ...becomes(2), asks(2, drop)])).toEqual(['accept', 'drop']);
  });
});

describe('the fake', () => {
  test('check finds elements that overlap unnoticed, and nothing else', () => {
    const nftables = fakeNftables();
    const wide = portRange('10.0.0.0', '10.0.0.255', 1, 100);
    nftables.transaction(table, [
      { op: 'addTable' },
      { op: 'addSet', set: portRanges },
      { op: 'addElements', set: 'ports', elements: [portRange('10.0.0.5', '10.0.0.5', 50, 50)] },
    ]);
    expect(nftables.check()).toEqual([]);
    nftables.transaction(table, [{ op: 'addElements', set: 'ports', elements: [wide] }]);
    expect(nftables.check()).toEqual([expect.stringContaining('overlap')]);
  });

  test('failNext refuses one transaction', () => {
    const nftables = fakeNftables();
    nftables.failNext('ENOBUFS');
    expect(() => nftables.transaction(table, [{ op: 'addTable' }])).toThrow('ENOBUFS');
    nftables.transaction(table, [{ op: 'addTable' }]);
    expect(nftables.tables()).toEqual([table]);
  });
});
