import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { cidr, cidrCovers, cidrEquals, compareCidr, maskCidr, printCidr } from './cidr.ts';
import { mergeCidrs } from './merge-cidrs.ts';
import { crowdedCidr } from './testing.ts';

const cases = [
  { name: 'nothing stays nothing', list: [], want: [] },
  { name: 'a prefix inside another goes', list: ['10.1.0.0/16', '10.0.0.0/8'], want: ['10.0.0.0/8'] },
  { name: 'duplicates go once masked', list: ['10.0.0.1/24', '10.0.0.2/24'], want: ['10.0.0.0/24'] },
  { name: 'neighbours are not joined', list: ['10.0.1.0/24', '10.0.0.0/24'], want: ['10.0.0.0/24', '10.0.1.0/24'] },
  { name: 'families do not meet', list: ['::/0', '0.0.0.0/0', '::1'], want: ['0.0.0.0/0', '::/0'] },
];

for (const { name, list, want } of cases) {
  test(`mergeCidrs: ${name}`, () => expect(mergeCidrs(list.map(cidr)).map(printCidr)).toEqual(want));
}

test('mergeCidrs equals the comparison of every pair', () => {
  fc.assert(
    fc.property(fc.array(crowdedCidr, { maxLength: 30 }), list => {
      const masked = list.map(maskCidr);
      const unique = masked.filter((c, i) => masked.findIndex(other => cidrEquals(other, c)) === i);
      const kept = unique.filter(c => !unique.some(other => other !== c && cidrCovers(other, c)));
      expect(mergeCidrs(list)).toEqual(kept.sort(compareCidr));
    }),
  );
});
