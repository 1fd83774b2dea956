import { expect, test } from 'bun:test';
import { type Cidr, cidr, cidrCovers, maskCidr, printCidr } from '@calico/ip';
import fc from 'fast-check';
import { CoverFilter } from './cover-filter.ts';

const networks = (...texts: string[]) => texts.map(cidr);
const texts = (list: Iterable<Cidr>) => [...list].map(printCidr).sort();

test('a network that another covers is hidden, and shown again when its cover goes', () => {
  const filter = new CoverFilter();
  filter.add(cidr('10.1.0.0/16'));
  const wide = filter.add(cidr('10.0.0.0/8'));
  expect([texts(wide.added), texts(wide.removed)]).toEqual([['10.0.0.0/8'], ['10.1.0.0/16']]);
  expect(filter.add(cidr('10.1.1.0/24'))).toEqual({ added: [], removed: [] });
  const gone = filter.delete(cidr('10.0.0.0/8'));
  expect([texts(gone.added), texts(gone.removed)]).toEqual([['10.1.0.0/16'], ['10.0.0.0/8']]);
  expect(filter.delete(cidr('10.1.1.0/24'))).toEqual({ added: [], removed: [] });
});

const anyNet = fc
  .tuple(
    fc.constantFrom('10.0.0.0', '10.0.0.5', '10.0.128.1', '11.0.0.0', '255.255.255.255'),
    fc.integer({ min: 0, max: 31 }),
  )
  .map(([address, length]) => maskCidr(cidr(`${address}/${length}`)));

test('what is shown is what no other member covers, told as differences', () => {
  const history = fc.array(anyNet, { maxLength: 40 });
  const property = fc.property(history, nets => {
    const filter = new CoverFilter();
    const members = new Map<string, Cidr>();
    const told = new Set<string>();
    for (const net of nets) {
      const key = printCidr(net);
      const { added, removed } = members.has(key) ? filter.delete(net) : filter.add(net);
      if (!members.delete(key)) members.set(key, net);
      for (const gone of texts(removed)) expect(told.delete(gone)).toBe(true);
      for (const come of texts(added)) expect(told.size).toBeLessThan(told.add(come).size);
      const naive = [...members.values()].filter(
        one => ![...members.values()].some(other => other !== one && cidrCovers(other, one)),
      );
      expect([...told].sort()).toEqual(texts(naive));
      expect(texts(filter.shown)).toEqual(texts(naive));
    }
  });
  fc.assert(property, { numRuns: 300, seed: 3 });
});

test('both ends of the address space are covered too', () => {
  const filter = new CoverFilter();
  for (const net of networks('0.0.0.0/0', '255.255.255.254/31', '0.0.0.0/31')) filter.add(net);
  expect(texts(filter.shown)).toEqual(['0.0.0.0/0']);
  filter.delete(cidr('0.0.0.0/0'));
  expect(texts(filter.shown)).toEqual(['0.0.0.0/31', '255.255.255.254/31']);
});
