import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { finished } from '@calico/reconcile';
import { KernelError } from '../error.ts';
import { concatBytes, ifnameBytes, u16Bytes } from './keys.ts';
import { printTable } from './print.ts';
import { refusals } from './refusal-cases.ts';
import { canonicalExpr } from './same-exprs.ts';
import {
  a,
  b,
  base,
  caseGround,
  caseRules,
  chain,
  cidrs,
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
  range,
  rule,
  ruleCases,
  table,
  v4,
  verdict,
} from './testing.ts';
import type { Element, ExprKind, Nftables, Op, SetSpec } from './types.ts';

/** Empty nf_tables; `another` is a handle of someone else on the same ones. */
export interface NftablesSetting {
  readonly nftables: Nftables;
  another(): Nftables;
  close(): void;
}

/** The suite that every form of {@link Nftables} passes. */
export function nftablesContract(name: string, open: () => NftablesSetting): void {
  describe(`nftables contract: ${name}`, () => {
    let setting: NftablesSetting;
    let nftables: Nftables;
    beforeEach(() => {
      setting = open();
      nftables = setting.nftables;
    });
    afterEach(() => setting.close());

    const apply = (...ops: readonly Op[]): void => nftables.transaction(table, ops);
    const refusalOf = (work: () => void): KernelError => {
      try {
        work();
      } catch (error) {
        if (error instanceof KernelError) return error;
        throw error;
      }
      throw new Error('Cannot take refusal: operation was applied; allowed: KernelError');
    };
    const elementsOf = (set: string): string[] =>
      nftables
        .elements(table, set)
        .map(e => `${text(e.key)}${e.keyEnd ? `-${text(e.keyEnd)}` : ''}`)
        .sort();
    const text = (key: Uint8Array) => [...key].join('.');

    test('there are no tables at first', () => {
      expect(nftables.tables()).toEqual([]);
      expect(nftables.dump(table)).toBeUndefined();
    });

    test('operations on an absent table are refused with ENOENT, reads too', () => {
      expect(refusalOf(() => apply(chain('x'))).code).toBe('ENOENT');
      expect(refusalOf(() => apply({ op: 'deleteTable' })).code).toBe('ENOENT');
      expect(refusalOf(() => nftables.counters(table)).code).toBe('ENOENT');
      expect(refusalOf(() => finished(nftables.countersInSteps(table))).code).toBe('ENOENT');
      expect(refusalOf(() => nftables.elements(table, 'v4')).code).toBe('ENOENT');
    });

    test('nothing is what an empty transaction does', () => {
      apply();
      expect(nftables.tables()).toEqual([]);
    });

    test('a table is read in steps as it is read at once, and may be changed in between', () => {
      const elements = manyAddresses(3_000);
      apply(
        { op: 'addTable', owner: true, persist: true },
        { op: 'addSet', set: v4 },
        { op: 'addElements', set: 'v4', elements },
        base,
        rule('base', verdict('accept')),
      );
      const whole = nftables.dump(table);
      const quiet = nftables.dumpInSteps(table);
      let [count, step] = [0, quiet.next()];
      for (; !step.done; step = quiet.next()) count++;
      expect(count).toBeGreaterThan(1);
      expect(step.value).toEqual(whole);

      const disturbed = nftables.dumpInSteps(table);
      let last = disturbed.next();
      for (let i = 0; !last.done; last = disturbed.next()) {
        if (i++ < 5) apply({ op: 'addElements', set: 'v4', elements: [{ key: Uint8Array.of(10, 255, 0, i) }] });
      }
      const keys = new Set(last.value?.sets[0]?.elements.map(e => text(e.key)));
      expect(elements.filter(e => !keys.has(text(e.key)))).toEqual([]);
    });

    test('tables of all families stand beside each other', () => {
      for (const family of ['inet', 'ip', 'ip6', 'arp'] as const) {
        nftables.transaction({ family, name: 'same' }, [
          { op: 'addTable' },
          { op: 'addChain', chain: { name: 'in', hook: 'input', policy: 'drop' } },
        ]);
      }
      expect(
        nftables
          .tables()
          .map(({ family }) => family)
          .sort(),
      ).toEqual(['arp', 'inet', 'ip', 'ip6']);
      nftables.transaction({ family: 'arp', name: 'same' }, [{ op: 'deleteTable' }]);
      expect(nftables.dump({ family: 'arp', name: 'same' })).toBeUndefined();
      expect(nftables.dump({ family: 'ip', name: 'same' })?.chains).toEqual([
        { chain: { name: 'in', hook: 'input', type: 'filter', priority: 0, policy: 'drop' }, rules: [] },
      ]);
    });

    describe('rules', () => {
      test('every kind of expression is dumped as it was added, but for the names of registers', () => {
        apply(...caseGround, ...caseRules);
        const dumped = new Map(
          nftables.dump(table)?.chains.flatMap(({ rules }) => rules.map(r => [r.comment, r.exprs])),
        );
        for (const { name, exprs } of ruleCases) {
          const plain = dumped.get(name)?.map(e => (e.kind === 'counter' ? { kind: e.kind } : e));
          expect({ name, exprs: plain }).toEqual({ name, exprs: exprs.map(canonicalExpr) });
        }
      });

      test('the cases know every kind of expression', () => {
        const kinds = new Set(ruleCases.flatMap(({ exprs }) => exprs.map(e => e.kind)));
        const all: Readonly<Record<Exclude<ExprKind, 'unknown'>, true>> = {
          meta: true,
          metaSet: true,
          payload: true,
          cmp: true,
          range: true,
          bitwise: true,
          lookup: true,
          ct: true,
          ctSet: true,
          immediate: true,
          verdict: true,
          counter: true,
          objref: true,
          objrefMap: true,
          log: true,
          limit: true,
          masquerade: true,
          nat: true,
          fib: true,
          notrack: true,
          reject: true,
        };
        expect([...kinds].sort()).toEqual((Object.keys(all) as ExprKind[]).sort());
      });

      test('printing a dump gives the texts of the cases', () => {
        apply(...caseGround, ...caseRules);
        const dump = nftables.dump(table);
        const lines = (dump === undefined ? '' : printTable(dump)).split('\n').map(line => line.trim());
        for (const { name, text } of ruleCases) expect(lines).toContain(`${text} comment "${name}"`);
      });

      test('rules are appended, deleted by handle, and flushed', () => {
        apply(
          { op: 'addTable' },
          base,
          rule('base', verdict('accept')),
          rule('base', verdict('drop')),
          rule('base', verdict('return')),
        );
        const rules = () => nftables.dump(table)?.chains[0]?.rules ?? [];
        const kinds = () => rules().map(({ exprs: [e] }) => (e?.kind === 'verdict' ? e.verdict.kind : e?.kind));
        expect(kinds()).toEqual(['accept', 'drop', 'return']);
        apply({ op: 'deleteRule', chain: 'base', handle: rules()[1]?.handle ?? 0 });
        expect(kinds()).toEqual(['accept', 'return']);
        apply({ op: 'flushChain', name: 'base' }, rule('base', verdict('drop')));
        expect(kinds()).toEqual(['drop']);
      });

      test('deleting a chain lets go of what its rules refer to', () => {
        apply(
          { op: 'addTable' },
          base,
          chain('x'),
          { op: 'addSet', set: v4 },
          rule('x', loadSource, inV4),
          rule('base', jumpTo('x')),
        );
        apply({ op: 'flushChain', name: 'base' }, { op: 'deleteChain', name: 'x' }, { op: 'deleteSet', name: 'v4' });
        expect(nftables.dump(table)).toMatchObject({ sets: [], chains: [{ rules: [] }] });
      });
    });

    describe('chains', () => {
      test('adding a base chain again changes its policy', () => {
        apply({ op: 'addTable' }, base);
        apply({ op: 'addChain', chain: { name: 'base', hook: 'forward', policy: 'drop' } });
        expect(nftables.dump(table)?.chains[0]?.chain.policy).toBe('drop');
      });

      test('type, priority and comment are kept', () => {
        const spec = {
          name: 'n',
          hook: 'postrouting',
          type: 'nat',
          priority: -5,
          policy: 'accept',
          comment: 'ours',
        } as const;
        apply(
          { op: 'addTable' },
          { op: 'addChain', chain: spec },
          { op: 'addChain', chain: { name: 'plain', comment: 'too' } },
        );
        expect(nftables.dump(table)?.chains.map(c => c.chain)).toEqual([spec, { name: 'plain', comment: 'too' }]);
      });
    });

    describe('sets', () => {
      const specs: readonly SetSpec[] = [
        v4,
        cidrs,
        portRanges,
        pods,
        { name: 'v6', keyType: 'ipv6_addr', flags: ['interval'], size: 1000, comment: 'all of the zone' },
        { name: 'pairs', keyType: ['ipv6_addr', 'inet_proto', 'inet_service'], flags: [] },
        { name: 'marks', keyType: 'mark', flags: ['constant'], map: { type: ['ipv4_addr', 'inet_service'] } },
        { name: 'hits', keyType: ['ifname', 'mark'], flags: [], map: 'counter' },
        { name: 'counted', keyType: 'ether_addr', flags: [], counters: true },
        { name: 'fading', keyType: 'ipv4_addr', flags: ['timeout'], timeout: 60_000 },
        { name: 'learnt', keyType: 'inet_service', flags: ['timeout', 'dynamic'], size: 64 },
        { name: 'ranges', keyType: ['ifname', 'inet_service'], flags: ['interval'], map: 'verdict' },
      ];

      test('every kind of set is dumped as it was added', () => {
        apply({ op: 'addTable' }, ...specs.map((set): Op => ({ op: 'addSet', set })));
        expect(nftables.dump(table)?.sets).toEqual(specs.map(set => ({ set, elements: [] })));
      });

      test('elements keep verdicts, values, counters, timeouts and comments', () => {
        const elements: Readonly<Record<string, readonly Element[]>> = {
          v4: [{ ...a, comment: 'default/web' }],
          pods: [
            { key: ifnameBytes('cali0'), data: jump('to') },
            { key: ifnameBytes('cali1'), data: { kind: 'drop' } },
          ],
          marks: [
            {
              key: Uint8Array.of(1, 0, 0, 0),
              data: concatBytes(ip('10.0.0.1'), u16Bytes(80)),
            },
          ],
          hits: [
            { key: concatBytes(ifnameBytes('cali0'), Uint8Array.of(1, 0, 0, 0)), data: { kind: 'counter', name: 'c' } },
          ],
          counted: [{ key: Uint8Array.of(2, 0, 0, 0, 0, 1), counter: { packets: 0, bytes: 0 } }],
          fading: [{ ...b, timeout: 3_600_000 }],
          cidrs: [{ ...range('10.0.0.0', '10.0.0.255'), comment: 'a pool' }, { key: ip('10.0.1.0') }],
          ranges: [
            {
              key: concatBytes(ifnameBytes('cali0'), u16Bytes(80)),
              keyEnd: concatBytes(ifnameBytes('cali0'), u16Bytes(90)),
              data: { kind: 'accept' },
            },
          ],
        };
        apply({ op: 'addTable' }, chain('to'), { op: 'addCounter', name: 'c' });
        apply(...specs.map((set): Op => ({ op: 'addSet', set })));
        apply(
          ...Object.entries(elements).map(
            ([set, list]): Op => ({ op: 'addElements', set, elements: list.map(({ counter: _, ...e }) => e) }),
          ),
        );
        const byKey = (list: readonly Element[]) => [...list].sort((x, y) => Buffer.compare(x.key, y.key));
        for (const [set, list] of Object.entries(elements))
          expect(byKey(nftables.elements(table, set))).toEqual([...list]);
      });

      test('adding what is there and deleting with what is added beside it both work', () => {
        apply({ op: 'addTable' }, { op: 'addSet', set: v4 }, { op: 'addElements', set: 'v4', elements: [a, b] });
        apply({ op: 'addElements', set: 'v4', elements: [a] });
        apply(
          { op: 'deleteElements', set: 'v4', elements: [a] },
          { op: 'addElements', set: 'v4', elements: [{ key: ip('10.0.0.3') }] },
        );
        expect(elementsOf('v4')).toEqual(['10.0.0.2', '10.0.0.3']);
        apply({ op: 'flushSet', name: 'v4' }, { op: 'addElements', set: 'v4', elements: [a] });
        expect(elementsOf('v4')).toEqual(['10.0.0.1']);
      });

      test('a verdict is replaced by deleting and adding in one transaction', () => {
        const pod = { key: ifnameBytes('cali0') };
        apply(
          { op: 'addTable' },
          chain('to'),
          { op: 'addSet', set: pods },
          { op: 'addElements', set: 'pods', elements: [{ ...pod, data: { kind: 'drop' } }] },
        );
        apply(
          { op: 'deleteElements', set: 'pods', elements: [pod] },
          { op: 'addElements', set: 'pods', elements: [{ ...pod, data: jump('to') }] },
        );
        expect(nftables.elements(table, 'pods')).toEqual([{ ...pod, data: jump('to') }]);
      });

      test('intervals: side by side, up to the last address, from the first, of one address', () => {
        const list = [
          range('0.0.0.0', '0.0.0.255'),
          range('10.0.0.0', '10.0.0.127'),
          range('10.0.0.128', '10.0.0.255'),
          { key: ip('10.0.1.0') },
          range('255.255.0.0', '255.255.255.255'),
        ];
        apply({ op: 'addTable' }, { op: 'addSet', set: cidrs }, { op: 'addElements', set: 'cidrs', elements: list });
        expect(nftables.elements(table, 'cidrs')).toEqual(list);
        apply(
          { op: 'deleteElements', set: 'cidrs', elements: list.slice(1, 2) },
          { op: 'deleteElements', set: 'cidrs', elements: list.slice(4) },
        );
        expect(nftables.elements(table, 'cidrs')).toEqual([...list.slice(0, 1), ...list.slice(2, 4)]);
        apply({ op: 'addElements', set: 'cidrs', elements: [range('255.255.255.255', '255.255.255.255')] });
        expect(elementsOf('cidrs')).toContain('255.255.255.255');
      });

      test('intervals: all addresses, and the same interval again', () => {
        const all = range('0.0.0.0', '255.255.255.255');
        apply({ op: 'addTable' }, { op: 'addSet', set: cidrs }, { op: 'addElements', set: 'cidrs', elements: [all] });
        apply({ op: 'addElements', set: 'cidrs', elements: [all] });
        expect(nftables.elements(table, 'cidrs')).toEqual([all]);
      });

      test('concatenated intervals: ranges in each field, deleted again', () => {
        const list = [
          portRange('10.0.0.0', '10.0.0.255', 80, 90),
          portRange('10.0.0.0', '10.0.0.255', 443, 443),
          { key: endpoint('10.0.1.1', 17, 53) },
        ];
        apply(
          { op: 'addTable' },
          { op: 'addSet', set: portRanges },
          { op: 'addElements', set: 'ports', elements: list },
        );
        const order = (list: readonly Element[]) => [...list].sort((x, y) => Buffer.compare(x.key, y.key));
        expect(order(nftables.elements(table, 'ports'))).toEqual(list);
        apply({ op: 'deleteElements', set: 'ports', elements: list.slice(0, 2) });
        expect(nftables.elements(table, 'ports')).toEqual(list.slice(2));
      });

      test('concatenated intervals: the one in which a deleted one begins is deleted', () => {
        const wide = portRange('10.0.0.1', '10.0.0.1', 80, 90);
        apply(
          { op: 'addTable' },
          { op: 'addSet', set: portRanges },
          { op: 'addElements', set: 'ports', elements: [wide] },
        );
        const [outside, inside] = [
          portRange('10.0.0.1', '10.0.0.1', 79, 90),
          portRange('10.0.0.1', '10.0.0.1', 85, 85),
        ];
        const remove = (element: Element): Op => ({ op: 'deleteElements', set: 'ports', elements: [element] });
        expect(refusalOf(() => apply(remove(outside))).code).toBe('ENOENT');
        expect(nftables.elements(table, 'ports')).toEqual([wide]);
        apply(remove(inside));
        expect(nftables.elements(table, 'ports')).toEqual([]);
      });

      test('twelve thousand elements go in and out in one transaction each', () => {
        const many = manyAddresses(12_000, 2);
        apply({ op: 'addTable' }, { op: 'addSet', set: v4 }, { op: 'addSet', set: cidrs });
        apply(
          { op: 'addElements', set: 'v4', elements: many },
          { op: 'addElements', set: 'cidrs', elements: many.slice(0, 3000) },
        );
        expect(nftables.elements(table, 'v4')).toHaveLength(12_000);
        expect(nftables.elements(table, 'cidrs')).toEqual(many.slice(0, 3000));
        apply({ op: 'deleteElements', set: 'v4', elements: many.slice(1) });
        expect(elementsOf('v4')).toEqual(['10.0.0.0']);
      });
    });

    describe('refusals', () => {
      for (const { name, given, ops, code, at = ops.length - 1 } of refusals) {
        test(`${name}: ${code}, and nothing is changed`, () => {
          apply({ op: 'addTable' }, ...given);
          const before = nftables.dump(table);
          const error = refusalOf(() => apply(...ops));
          expect(error.code).toBe(code);
          expect(error.message).toContain(`operation ${at + 1} of ${ops.length}`);
          expect(nftables.dump(table)).toEqual(before);
        });
      }

      test('a refused transaction takes everything back, tables too', () => {
        refusalOf(() => apply({ op: 'addTable' }, base, { op: 'deleteSet', name: 'no' }));
        expect(nftables.tables()).toEqual([]);
        apply(
          { op: 'addTable' },
          base,
          { op: 'addSet', set: v4 },
          { op: 'addElements', set: 'v4', elements: [a] },
          rule('base', loadSource, inV4),
        );
        const before = nftables.dump(table);
        refusalOf(() =>
          apply({ op: 'deleteTable' }, { op: 'addTable' }, chain('new'), { op: 'deleteSet', name: 'no' }),
        );
        refusalOf(() =>
          apply(
            { op: 'flushChain', name: 'base' },
            { op: 'flushSet', name: 'v4' },
            { op: 'deleteSet', name: 'v4' },
            rule('no'),
          ),
        );
        expect(nftables.dump(table)).toEqual(before);
      });

      test('a table is deleted with all that is in it, and made anew in the same transaction', () => {
        apply({ op: 'addTable' }, base, chain('x'), rule('base', jumpTo('x')), { op: 'addSet', set: v4 });
        apply(
          { op: 'deleteTable' },
          { op: 'addTable' },
          { op: 'addSet', set: { ...cidrs, name: 'v4' } },
          { op: 'addElements', set: 'v4', elements: [range('10.0.0.0', '10.0.0.9')] },
        );
        expect(nftables.dump(table)).toMatchObject({
          chains: [],
          sets: [{ elements: [range('10.0.0.0', '10.0.0.9')] }],
        });
      });
    });

    describe('counters', () => {
      test('they start at zero, and reading does not reset them', () => {
        apply(
          { op: 'addTable' },
          { op: 'addCounter', name: 'x' },
          { op: 'addCounter', name: 'y' },
          { op: 'addCounter', name: 'x' },
        );
        const zero = ['x', 'y'].map(name => ({ name, packets: 0, bytes: 0 }));
        expect(nftables.counters(table)).toEqual(zero);
        expect(finished(nftables.countersInSteps(table))).toEqual(zero);
        expect(nftables.dump(table)?.counters).toEqual(zero);
        apply({ op: 'deleteCounter', name: 'x' });
        expect(nftables.counters(table)).toEqual(zero.slice(1));
      });
    });

    describe('ownership', () => {
      const own: Op = { op: 'addTable', owner: true, persist: true };

      test('an owned table is refused to others with EPERM, yet can be read', () => {
        apply(own, base);
        expect(nftables.dump(table)).toMatchObject({ owner: 'us', persist: true });
        const other = setting.another();
        expect(refusalOf(() => other.transaction(table, [chain('x')])).code).toBe('EPERM');
        expect(refusalOf(() => other.transaction(table, [{ op: 'deleteTable' }])).code).toBe('EPERM');
        expect(other.dump(table)).toMatchObject({ owner: 'other', persist: true, chains: [{}] });
        other.close();
      });

      test('a persistent table outlives its owner, and is claimed again with all that is in it', () => {
        const before = setting.another();
        before.transaction(table, [own, base, rule('base', verdict('accept'))]);
        before.close();
        expect(nftables.dump(table)).toMatchObject({ persist: true, chains: [{ rules: [{}] }] });
        expect(nftables.dump(table)?.owner).toBeUndefined();
        apply(own, chain('x'));
        expect(nftables.dump(table)).toMatchObject({ owner: 'us', persist: true, chains: [{ rules: [{}] }, {}] });
      });

      test('an owned table that is not persistent goes with its owner', () => {
        const before = setting.another();
        before.transaction(table, [{ op: 'addTable', owner: true }, base]);
        before.close();
        expect(nftables.tables()).toEqual([]);
      });

      test('a table that is there unowned cannot be claimed, only replaced', () => {
        apply({ op: 'addTable' }, base);
        expect(nftables.dump(table)).toMatchObject({ persist: false });
        expect(refusalOf(() => apply(own)).code).toBe('EOPNOTSUPP');
        apply({ op: 'deleteTable' }, own);
        expect(nftables.dump(table)).toMatchObject({ owner: 'us', persist: true, chains: [] });
      });
    });
  });
}
