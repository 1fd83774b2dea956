import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { KernelError } from '../error.ts';
import { privileged } from '../linux/testing.ts';
import { batchSize, splitOps } from './batch.ts';
import { nftablesContract } from './contract.ts';
import { type FreshNftables, freshNftables } from './fresh-nftables.ts';
import { ifnameBytes } from './keys.ts';
import {
  base,
  caseGround,
  caseRules,
  chain,
  cidrs,
  jump,
  manyAddresses,
  pods,
  portRange,
  portRanges,
  range,
  rule,
  ruleCases,
  table,
  v4,
  verdict,
} from './testing.ts';
import type { Op, SetSpec } from './types.ts';

function linuxTests(): void {
  nftablesContract('linux', () => freshNftables());

  describe('Linux, as the nft tool sees it', () => {
    let setting: FreshNftables;
    beforeEach(() => {
      setting = freshNftables();
    });
    afterEach(() => setting.close());
    const apply = (...ops: readonly Op[]): void => setting.nftables.transaction(table, ops);
    const list = (): string[] =>
      setting
        .run('nft', 'list', 'ruleset')
        .split('\n')
        .map(line => line.trim());

    test('the rule cases mean what their texts say', () => {
      apply(...caseGround, ...caseRules);
      const lines = list();
      for (const { name, text, nft } of ruleCases) expect(lines).toContain(`${nft ?? text} comment "${name}"`);
    });

    test('a set is read in pieces as large as the kernel gives: for each it walks past all elements before', () => {
      apply(
        { op: 'addTable' },
        { op: 'addSet', set: v4 },
        { op: 'addElements', set: 'v4', elements: manyAddresses(9_000) },
      );
      let pieces = 0;
      for (const _ of setting.nftables.dumpInSteps(table)) pieces++;
      // 7, of some 1,500 elements each; 20 in the smallest pieces.
      expect(pieces).toBeLessThan(12);
    });

    test('base chains, counters and owners', () => {
      apply(
        { op: 'addTable', owner: true, persist: true },
        { op: 'addCounter', name: 'hits' },
        {
          op: 'addChain',
          chain: { name: 'nat', hook: 'postrouting', type: 'nat', priority: 110, policy: 'accept', comment: 'ours' },
        },
        { op: 'addChain', chain: { name: 'raw', hook: 'output', priority: -300, policy: 'drop' } },
      );
      const lines = list();
      expect(lines[0]).toStartWith(`table ${table.family} ${table.name} {`);
      expect(lines).toContain('flags owner');
      expect(lines).toContain('counter hits {');
      expect(lines).toContain('type nat hook postrouting priority srcnat + 10; policy accept;');
      expect(lines).toContain('type filter hook output priority raw; policy drop;');
      expect(lines).toContain('comment "ours"');
    });

    const setCases: readonly {
      readonly name: string;
      readonly set: SetSpec;
      readonly ops: readonly Op[];
      readonly lines: readonly string[];
    }[] = [
      {
        name: 'addresses',
        set: { ...v4, comment: 'zone a' },
        ops: [{ op: 'addElements', set: 'v4', elements: manyAddresses(2).map(e => ({ ...e, comment: 'pod' })) }],
        lines: ['type ipv4_addr', 'comment "zone a"', 'elements = { 10.0.0.0 comment "pod", 10.0.0.1 comment "pod" }'],
      },
      {
        name: 'intervals',
        set: cidrs,
        ops: [
          {
            op: 'addElements',
            set: 'cidrs',
            elements: [
              range('10.0.0.0', '10.0.0.255'),
              range('10.0.1.1', '10.0.1.3'),
              range('255.255.0.0', '255.255.255.255'),
            ],
          },
        ],
        lines: ['flags interval', 'elements = { 10.0.0.0/24, 10.0.1.1-10.0.1.3,', '255.255.0.0/16 }'],
      },
      {
        name: 'concatenated intervals',
        set: portRanges,
        ops: [{ op: 'addElements', set: 'ports', elements: [portRange('10.0.0.0', '10.0.0.255', 80, 90)] }],
        lines: ['type ipv4_addr . inet_proto . inet_service', 'elements = { 10.0.0.0/24 . tcp . 80-90 }'],
      },
      {
        name: 'verdicts by interface',
        set: pods,
        ops: [{ op: 'addElements', set: 'pods', elements: [{ key: ifnameBytes('cali0'), data: jump('to') }] }],
        lines: ['type ifname : verdict', 'elements = { "cali0" : jump to }'],
      },
      {
        name: 'counters by mark',
        set: { name: 'hits', keyType: 'mark', flags: [], map: 'counter' },
        ops: [
          {
            op: 'addElements',
            set: 'hits',
            elements: [{ key: Uint8Array.of(1, 0, 0, 0), data: { kind: 'counter', name: 'c' } }],
          },
        ],
        lines: ['type mark : counter', 'elements = { 0x00000001 : "c" }'],
      },
      {
        name: 'addresses that fade and are counted',
        set: {
          name: 'fading',
          keyType: 'ipv4_addr',
          flags: ['timeout'],
          timeout: 3_600_000,
          size: 100,
          counters: true,
        },
        ops: [],
        lines: ['size 100', 'counter', 'timeout 1h'],
      },
    ];
    for (const { name, set, ops, lines } of setCases) {
      test(`sets: ${name}`, () => {
        apply({ op: 'addTable' }, { op: 'addCounter', name: 'c' }, chain('to'), { op: 'addSet', set }, ...ops);
        const listed = list();
        for (const line of lines) expect(listed).toContain(line);
      });
    }

    test('what nft itself adds is read', () => {
      setting.run(
        'nft',
        `table inet foreign {
          map ports { type inet_service : verdict; flags interval; elements = { 80-90 : accept, 100 : drop }; }
          set plain { typeof ip saddr; elements = { 10.0.0.1 }; }
          chain c { ip saddr { 10.0.0.0/8, 192.168.0.0/16 } tcp dport vmap @ports; ct count over 5 drop; }
        }`,
      );
      const dump = setting.nftables.dump({ family: 'inet', name: 'foreign' });
      const named = dump?.sets.find(({ set }) => set.name === 'ports');
      expect(named?.elements).toEqual([
        { key: Uint8Array.of(0, 80), keyEnd: Uint8Array.of(0, 90), data: { kind: 'accept' } },
        { key: Uint8Array.of(0, 100), data: { kind: 'drop' } },
      ]);
      expect(dump?.chains[0]?.rules[1]?.exprs[0]).toMatchObject({ kind: 'unknown', name: 'connlimit' });
      expect(dump?.sets.map(({ set }) => set.name)).toEqual(['ports', 'plain', '__set0']);
    });

    test('a flush of the ruleset by others leaves an owned table alone', () => {
      apply({ op: 'addTable', owner: true, persist: true }, base, rule('base', verdict('accept')));
      setting.run('nft', 'flush', 'ruleset');
      expect(setting.nftables.dump(table)?.chains).toHaveLength(1);
    });

    test('with the smallest send buffer, a batch beyond it is refused by size, and in parts it goes', () => {
      setting.close();
      setting = freshNftables({ sendBuffer: 212_992 / 2 });
      apply({ op: 'addTable' }, { op: 'addSet', set: v4 });
      const ops: Op[] = [{ op: 'addElements', set: 'v4', elements: manyAddresses(15_000) }];
      expect(() => apply(...ops)).toThrow(/EMSGSIZE.*bytes exceed/);
      const parts = splitOps(ops, 128 * 1024, table);
      for (const part of parts) {
        expect(batchSize(part, table)).toBeLessThanOrEqual(128 * 1024);
        apply(...part);
      }
      expect(setting.nftables.elements(table, 'v4')).toHaveLength(15_000);
    });

    test('the refused element of many is named by its key', () => {
      apply({ op: 'addTable' }, { op: 'addSet', set: v4 });
      const elements = manyAddresses(5000);
      apply({ op: 'addElements', set: 'v4', elements: elements.slice(4500, 4501) });
      expect(() => apply({ op: 'addElements', set: 'v4', elements, create: true })).toThrow(
        /EEXIST \(element 0x0a001194/,
      );
    });

    test('thousands of refusals at once are one error, and the handle goes on', () => {
      apply({ op: 'addTable' });
      const ops = Array.from({ length: 9000 }, (_, i): Op => ({ op: 'deleteChain', name: `no-${i}` }));
      expect(() => apply(...ops)).toThrow(KernelError);
      apply(base);
      expect(setting.nftables.dump(table)?.chains).toHaveLength(1);
    });
  });
}

privileged(import.meta.path, linuxTests);
