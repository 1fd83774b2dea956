import { describe, expect, test } from 'bun:test';
import { fakeNftables } from './fake.ts';
import { concatBytes, hostU32Bytes, ifnameBytes, u16Bytes } from './keys.ts';
import { printElement, printTable } from './print.ts';
import { printRule } from './print-rule.ts';
import {
  base,
  chain,
  endpoint,
  inV4,
  ip,
  jump,
  jumpTo,
  loadSource,
  manyAddresses,
  pods,
  portRange,
  portRanges,
  rule,
  ruleCases,
  table,
  v4,
  verdict,
} from './testing.ts';
import type { Element, Expr, SetSpec } from './types.ts';

const inet = { family: 'inet' } as const;

describe('printRule', () => {
  const cases: readonly { readonly name: string; readonly exprs: readonly Expr[]; readonly text: string }[] = [
    {
      name: 'a header field whose protocol was not asked for is given in bits',
      exprs: [loadSource, { kind: 'cmp', op: 'eq', sreg: 1, data: ip('10.0.0.1') }],
      text: '@nh,96,32 0x0a000001',
    },
    {
      name: 'a protocol that nothing follows from stays',
      exprs: [
        { kind: 'meta', key: 'l4proto', dreg: 1 },
        { kind: 'cmp', op: 'eq', sreg: 1, data: Uint8Array.of(6) },
        { kind: 'payload', base: 'transport', offset: 4, length: 4, dreg: 1 },
        { kind: 'cmp', op: 'gt', sreg: 1, data: hostU32Bytes(0) },
      ],
      text: 'meta l4proto tcp @th,32,32 > 0x00000000',
    },
    {
      name: 'a value loaded for nobody',
      exprs: [loadSource, verdict('accept')],
      text: 'accept [ @nh,96,32 => reg 1 ]',
    },
    { name: 'a register that nothing was loaded into', exprs: [inV4], text: 'reg 1 @v4' },
    {
      name: 'an expression of others',
      exprs: [{ kind: 'unknown', name: 'connlimit', data: Uint8Array.of(1, 255) }],
      text: '[ connlimit 0x01ff ]',
    },
    {
      name: 'one load read twice',
      exprs: [loadSource, inV4, { ...inV4, set: 'other', inverted: true }],
      text: '@nh,96,32 @v4 @nh,96,32 != @other',
    },
    {
      name: 'bits kept and bits turned',
      exprs: [
        { kind: 'meta', key: 'mark', dreg: 1 },
        { kind: 'bitwise', sreg: 1, dreg: 1, length: 4, mask: hostU32Bytes(0xff), xor: hostU32Bytes(0x03) },
        { kind: 'metaSet', key: 'mark', sreg: 1 },
      ],
      text: 'meta mark set meta mark & 0x000000ff ^ 0x00000003',
    },
    {
      name: 'a mask that is no prefix',
      exprs: [
        loadSource,
        { kind: 'bitwise', sreg: 1, dreg: 1, length: 4, mask: ip('255.0.0.255'), xor: ip('0.0.0.0') },
        { kind: 'cmp', op: 'eq', sreg: 1, data: ip('10.0.0.1') },
      ],
      text: '@nh,96,32 & 0xff0000ff == 0x0a000001',
    },
  ];
  for (const { name, exprs, text } of cases) test(name, () => expect(printRule(exprs, inet)).toBe(text));

  test('the family of the table names the network header', () => {
    expect(printRule([loadSource, inV4], { family: 'ip' })).toBe('ip saddr @v4');
  });

  test('without the types of sets, fields loaded side by side are the key', () => {
    const concatenated = ruleCases.find(({ name }) => name.startsWith('a concatenation'));
    expect(printRule(concatenated?.exprs ?? [], inet)).toBe(concatenated?.text ?? '');
  });
});

describe('printElement', () => {
  const marks: SetSpec = { name: 'm', keyType: ['ifname', 'inet_service'], flags: [], map: { type: 'mark' } };
  const cases: readonly { readonly set: SetSpec; readonly element: Element; readonly text: string }[] = [
    { set: v4, element: { key: ip('10.0.0.1'), comment: 'default/web' }, text: '10.0.0.1 comment "default/web"' },
    {
      set: { ...v4, flags: ['interval'] },
      element: { key: ip('10.0.0.0'), keyEnd: ip('10.0.0.9') },
      text: '10.0.0.0-10.0.0.9',
    },
    { set: portRanges, element: portRange('10.0.0.0', '10.0.0.3', 80, 80), text: '10.0.0.0-10.0.0.3 . tcp . 80' },
    { set: portRanges, element: { key: endpoint('10.0.0.1', 17, 53) }, text: '10.0.0.1 . udp . 53' },
    { set: pods, element: { key: ifnameBytes('cali0'), data: jump('web') }, text: '"cali0" : jump web' },
    {
      set: marks,
      element: { key: concatBytes(ifnameBytes('a'), u16Bytes(9)), data: hostU32Bytes(7) },
      text: '"a" . 9 : 0x00000007',
    },
  ];
  for (const { set, element, text } of cases) test(text, () => expect(printElement(set, element)).toBe(text));
});

describe('printTable', () => {
  test('prints equal tables equally, in the form of nft', () => {
    const nftables = fakeNftables();
    nftables.transaction(table, [
      { op: 'addTable', owner: true, persist: true },
      { op: 'addCounter', name: 'hits' },
      { op: 'addSet', set: { ...v4, size: 100, comment: 'zone' } },
      { op: 'addElements', set: 'v4', elements: manyAddresses(2).reverse() },
      { op: 'addSet', set: pods },
      { ...base, op: 'addChain', chain: { name: 'base', hook: 'forward', priority: -5, policy: 'drop' } },
      chain('plain'),
      rule(
        'base',
        { kind: 'meta', key: 'nfproto', dreg: 1 },
        { kind: 'cmp', op: 'eq', sreg: 1, data: Uint8Array.of(2) },
        loadSource,
        inV4,
        jumpTo('plain'),
      ),
      {
        op: 'addRule',
        chain: 'plain',
        exprs: [{ kind: 'objref', type: 'counter', name: 'hits' }, verdict('return')],
        comment: 'np/default/web',
      },
    ]);
    const dump = nftables.dump(table);
    expect(dump && printTable(dump).replaceAll('\t', '  ')).toBe(`table inet calico-test {
  flags owner,persist
  counter hits {}
  map pods {
    type ifname : verdict
  }
  set v4 {
    type ipv4_addr
    size 100
    comment "zone"
    elements = {
      10.0.0.0,
      10.0.0.1,
    }
  }
  chain base {
    type filter hook forward priority -5; policy drop;
    ip saddr @v4 jump plain
  }
  chain plain {
    counter name "hits" return comment "np/default/web"
  }
}
`);
  });
});
