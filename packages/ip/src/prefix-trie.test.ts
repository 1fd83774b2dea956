import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { addr } from './addr.ts';
import { type Cidr, cidr, cidrCovers, cidrEquals, compareCidr, hostCidr, maskCidr, printCidr } from './cidr.ts';
import { PrefixTrie } from './prefix-trie.ts';
import { crowdedCidr } from './testing.ts';

function trieOf(...texts: string[]): PrefixTrie<string> {
  const trie = new PrefixTrie<string>();
  for (const text of texts) trie.set(cidr(text), text);
  trie.check();
  return trie;
}

const values = <V>(entries: Iterable<{ value: V }>) => Array.from(entries, e => e.value);

describe('PrefixTrie', () => {
  const pools = trieOf('10.0.0.0/8', '10.1.0.0/16', '10.1.2.0/24', '10.1.2.3', '192.168.0.0/16', 'fd00::/8', 'fd00::1');

  test('finds the narrowest prefix over an address', () => {
    expect(pools.longestMatch(addr('10.1.2.3'))?.value).toBe('10.1.2.3');
    expect(pools.longestMatch(addr('10.1.2.4'))?.value).toBe('10.1.2.0/24');
    expect(pools.longestMatch(addr('10.2.0.0'))?.value).toBe('10.0.0.0/8');
    expect(pools.longestMatch(addr('11.0.0.0'))).toBeUndefined();
    expect(pools.longestMatch(addr('fd00::2'))?.value).toBe('fd00::/8');
    expect(pools.longestMatch(addr('::10.1.2.3'))).toBeUndefined();
  });

  test('finds the narrowest prefix over a prefix, itself included', () => {
    expect(pools.longestMatch(cidr('10.1.2.0/24'))?.value).toBe('10.1.2.0/24');
    expect(pools.longestMatch(cidr('10.1.0.0/20'))?.value).toBe('10.1.0.0/16');
    expect(pools.longestMatch(cidr('0.0.0.0/0'))).toBeUndefined();
  });

  test('lists what covers a prefix, the shortest first', () => {
    expect(values(pools.covering(addr('10.1.2.3')))).toEqual(['10.0.0.0/8', '10.1.0.0/16', '10.1.2.0/24', '10.1.2.3']);
    expect(values(pools.covering(cidr('10.1.2.128/25')))).toEqual(['10.0.0.0/8', '10.1.0.0/16', '10.1.2.0/24']);
  });

  test('lists what a prefix covers, by address', () => {
    expect(values(pools.coveredBy(cidr('10.1.0.0/16')))).toEqual(['10.1.0.0/16', '10.1.2.0/24', '10.1.2.3']);
    expect(values(pools.coveredBy(cidr('10.1.2.0/25')))).toEqual(['10.1.2.3']);
    expect(values(pools.coveredBy(cidr('::/0')))).toEqual(['fd00::/8', 'fd00::1']);
  });

  test('masks what is set and replaces the value there', () => {
    const trie = trieOf('10.0.0.1/24');
    trie.set(cidr('10.0.0.2/24'), 'new');
    expect(Array.from(trie, e => [printCidr(e.cidr), e.value])).toEqual([['10.0.0.0/24', 'new']]);
    expect(trie.size).toBe(1);
  });

  test('keeps a value that is undefined', () => {
    const trie = new PrefixTrie<undefined>();
    trie.set(cidr('0.0.0.0/0'), undefined);
    expect(trie.has(cidr('0.0.0.0/0'))).toBe(true);
    expect(trie.longestMatch(addr('1.1.1.1'))).toEqual({ cidr: cidr('0.0.0.0/0'), value: undefined });
  });

  test('agrees with a linear scan after any operations', () => {
    const operation = fc.record({ kind: fc.constantFrom('set', 'set', 'delete'), cidr: crowdedCidr });
    fc.assert(
      fc.property(
        fc.array(operation, { maxLength: 60 }),
        fc.array(crowdedCidr, { maxLength: 8 }),
        (operations, probes) => {
          const trie = new PrefixTrie<number>();
          let list: { cidr: Cidr; value: number }[] = [];
          for (const [i, op] of operations.entries()) {
            const masked = maskCidr(op.cidr);
            const before = list.length;
            list = list.filter(e => !cidrEquals(e.cidr, masked));
            if (op.kind === 'set') {
              trie.set(op.cidr, i);
              list.push({ cidr: masked, value: i });
            } else {
              expect(trie.delete(op.cidr)).toBe(list.length < before);
            }
            trie.check();
          }
          list.sort((a, b) => compareCidr(a.cidr, b.cidr));
          expect([...trie]).toEqual(list);
          expect(trie.size).toBe(list.length);
          for (const probe of [...probes, ...probes.map(p => hostCidr(p.addr))]) {
            const covering = list.filter(e => cidrCovers(e.cidr, probe)).sort((a, b) => a.cidr.length - b.cidr.length);
            expect([...trie.covering(probe)]).toEqual(covering);
            expect(trie.longestMatch(probe)).toEqual(covering.at(-1));
            expect([...trie.coveredBy(probe)]).toEqual(list.filter(e => cidrCovers(maskCidr(probe), e.cidr)));
            const exact = list.find(e => cidrEquals(e.cidr, maskCidr(probe)));
            expect(trie.get(probe)).toBe(exact?.value);
            expect(trie.has(probe)).toBe(exact !== undefined);
          }
        },
      ),
    );
  });
});
