import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { addr, printAddr } from './addr.ts';
import {
  cidr,
  cidrContains,
  cidrCovers,
  cidrEquals,
  cidrSize,
  cidrsOverlap,
  compareCidr,
  firstAddr,
  hostCidr,
  isMasked,
  lastAddr,
  maskCidr,
  nthAddr,
  ordinalOf,
  parseCidr,
  printCidr,
} from './cidr.ts';
import { crowdedCidr } from './testing.ts';

describe('parseCidr', () => {
  const cases = [
    { text: '10.0.0.0/8', want: '10.0.0.0/8' },
    { text: '10.1.2.3/8', want: '10.1.2.3/8' },
    { text: '10.1.2.3', want: '10.1.2.3/32' },
    { text: '0.0.0.0/0', want: '0.0.0.0/0' },
    { text: 'FD00::/8', want: 'fd00::/8' },
    { text: '::1', want: '::1/128' },
    { text: '::/0', want: '::/0' },
  ];
  for (const { text, want } of cases) test(`reads ${text} as ${want}`, () => expect(printCidr(cidr(text))).toBe(want));

  const refused = ['', '/', '/8', '10.0.0.0/', '10.0.0.0/33', '::/129', '10.0.0.0/08', '10.0.0.0/+8', '10.0.0.0/-1'];
  for (const text of [
    ...refused,
    '10.0.0.0/8/8',
    '10.0.0.0/ 8',
    '10.0.0/8',
    '::/1280',
    '10.0.0.0/255.0.0.0',
    '::/1a',
  ]) {
    test(`refuses "${text}"`, () => expect(parseCidr(text)).toBeUndefined());
  }

  test('and printCidr are inverse', () => {
    fc.assert(fc.property(crowdedCidr, c => expect(parseCidr(printCidr(c))).toEqual(c)));
  });
});

test('cidr names the text it refuses', () => {
  expect(() => cidr('10/8')).toThrow('Cannot parse prefix: text is "10/8"; allowed: <address>/<length>, or an address');
});

describe('the bounds of a prefix', () => {
  const cases = [
    { text: '10.1.2.3/8', masked: '10.0.0.0/8', last: '10.255.255.255', size: 1n << 24n },
    { text: '10.1.2.3/32', masked: '10.1.2.3/32', last: '10.1.2.3', size: 1n },
    { text: '1.2.3.4/0', masked: '0.0.0.0/0', last: '255.255.255.255', size: 1n << 32n },
    { text: 'fd00::1234/122', masked: 'fd00::1200/122', last: 'fd00::123f', size: 64n },
    { text: 'fd00::1/0', masked: '::/0', last: 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', size: 1n << 128n },
  ];
  for (const { text, masked, last, size } of cases) {
    test(text, () => {
      const c = cidr(text);
      expect(printCidr(maskCidr(c))).toBe(masked);
      expect(isMasked(c)).toBe(text === masked);
      expect(printCidr({ addr: firstAddr(c), length: c.length })).toBe(masked);
      expect(printAddr(lastAddr(c))).toBe(last);
      expect(cidrSize(c)).toBe(size);
    });
  }
});

test('contains, covers and overlaps agree with the bounds', () => {
  fc.assert(
    fc.property(crowdedCidr, crowdedCidr, (a, b) => {
      const within = (low: bigint, high: bigint) => firstAddr(a).value <= low && high <= lastAddr(a).value;
      const sameFamily = a.addr.family === b.addr.family;
      expect(cidrContains(a, b.addr)).toBe(sameFamily && within(b.addr.value, b.addr.value));
      expect(cidrCovers(a, b)).toBe(sameFamily && within(firstAddr(b).value, lastAddr(b).value));
      expect(cidrsOverlap(a, b)).toBe(
        sameFamily && firstAddr(a).value <= lastAddr(b).value && firstAddr(b).value <= lastAddr(a).value,
      );
    }),
  );
});

test('ordinalOf and nthAddr are inverse inside the prefix and refuse what is outside', () => {
  const block = cidr('10.0.0.64/26');
  expect(ordinalOf(block, addr('10.0.0.70'))).toBe(6n);
  expect(printAddr(nthAddr(block, 63))).toBe('10.0.0.127');
  expect(printAddr(nthAddr(cidr('10.0.0.70/26'), 0n))).toBe('10.0.0.64');
  expect(() => nthAddr(block, 64)).toThrow('Cannot take address of 10.0.0.64/26: ordinal is 64; allowed: 0 to 63');
  expect(() => nthAddr(block, -1)).toThrow('ordinal is -1');
  expect(() => ordinalOf(block, addr('10.0.0.128'))).toThrow('it is outside 10.0.0.64/26');
});

test('hostCidr is the prefix of one address', () => {
  expect(printCidr(hostCidr(addr('10.0.0.1')))).toBe('10.0.0.1/32');
  expect(printCidr(hostCidr(addr('::1')))).toBe('::1/128');
});

test('compareCidr orders by address, then the wider first', () => {
  const sorted = ['10.0.0.0/8', '10.0.0.0/16', '10.0.0.1/8', '::/0', '::/128'].map(cidr);
  expect([...sorted].reverse().sort(compareCidr)).toEqual(sorted);
});

test('cidrEquals looks at host bits, length and family', () => {
  expect(cidrEquals(cidr('10.0.0.1/8'), cidr('10.0.0.1/8'))).toBe(true);
  expect(cidrEquals(cidr('10.0.0.1/8'), cidr('10.0.0.0/8'))).toBe(false);
  expect(cidrEquals(cidr('10.0.0.0/8'), cidr('10.0.0.0/9'))).toBe(false);
  expect(cidrEquals(cidr('0.0.0.0/0'), cidr('::/0'))).toBe(false);
});
