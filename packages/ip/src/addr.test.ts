import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { addAddr, addr, addrEquals, addrFromBytes, addrToBytes, compareAddr, parseAddr, printAddr } from './addr.ts';
import { IpError } from './error.ts';
import { anyAddr, v6Addr } from './testing.ts';

const canonical = [
  '0.0.0.0',
  '10.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '1::',
  'fe80::1',
  '2001:db8::1:0:0:1',
  '2001:0:0:1::1',
  '2001:db8:0:1:1:1:1:1',
  '1:2:3:4:5:6:7:8',
  '::ffff:192.0.2.1',
  'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
];

const rewritten = [
  { text: '2001:DB8::A', want: '2001:db8::a' },
  { text: '2001:0db8:0000:0000:0000:0000:0000:0001', want: '2001:db8::1' },
  { text: '1:2:3:4:5:6:7::', want: '1:2:3:4:5:6:7:0' },
  { text: '::2:3:4:5:6:7:8', want: '0:2:3:4:5:6:7:8' },
  { text: '64:ff9b::192.0.2.33', want: '64:ff9b::c000:221' },
  { text: '1:2:3:4:5:6:1.2.3.4', want: '1:2:3:4:5:6:102:304' },
  { text: '::FFFF:c000:0201', want: '::ffff:192.0.2.1' },
];

const refused = [
  ...['', '1', '1.2.3', '1.2.3.4.5', '01.2.3.4', '1.2.3.00', '256.1.1.1', '1.2.3.4 ', ' 1.2.3.4', '1..2.3', '.1.2.3'],
  ...['1.2.3.', '+1.2.3.4', '1.2.3.4/32', '0x1.2.3.4', ':', ':::', '1:', ':1', '1:2', '1:2:3:4:5:6:7', '12345::'],
  ...[
    '1:2:3:4:5:6:7:8:9',
    '1::2::3',
    '1:2:3:4:5:6:7:8::',
    '::1:2:3:4:5:6:7:8',
    '1:2:3:4::5:6:7:8',
    'g::',
    'fe80::1%eth0',
  ],
  ...[
    '::1.2.3',
    '::1.2.3.4.5',
    '::01.2.3.4',
    '1:2:3:4:5:6:7:1.2.3.4',
    '1.2.3.4::',
    '::1.2.3.4:1',
    '[::1]',
    '1:2:3:4:5:6:7:',
  ],
];

describe('parseAddr and printAddr', () => {
  for (const text of canonical) test(`keep ${text}`, () => expect(printAddr(addr(text))).toBe(text));
  for (const { text, want } of rewritten) {
    test(`write ${text} as ${want}`, () => expect(printAddr(addr(text))).toBe(want));
  }
  for (const text of refused) test(`refuse "${text}"`, () => expect(parseAddr(text)).toBeUndefined());

  test('a v4-mapped address stays IPv6', () => {
    expect(addr('::ffff:1.2.3.4')).toEqual({ family: 6, value: 0xffff_0102_0304n });
  });

  test('print and parse of any address give the address back', () => {
    fc.assert(fc.property(anyAddr, a => expect(parseAddr(printAddr(a))).toEqual(a)));
  });

  test('a printed IPv6 address equals the canonical text of the URL standard, dotted quads aside', () => {
    fc.assert(
      fc.property(v6Addr, a => {
        if (a.value >> 32n === 0xffffn) return;
        const host = new URL(`http://[${printAddr(a)}]/`).hostname;
        expect(host).toBe(`[${printAddr(a)}]`);
      }),
    );
  });
});

test('addr names the text it refuses', () => {
  expect(() => addr('1.2.3')).toThrow(
    new IpError('Cannot parse address: text is "1.2.3"; allowed: an IPv4 or IPv6 address'),
  );
});

test("addrToBytes and addrFromBytes are each other's inverse, in network order", () => {
  expect([...addrToBytes(addr('10.1.2.3'))]).toEqual([10, 1, 2, 3]);
  expect([...addrToBytes(addr('fd00::1:2'))].slice(-4)).toEqual([0, 1, 0, 2]);
  fc.assert(fc.property(anyAddr, a => expect(addrFromBytes(addrToBytes(a))).toEqual(a)));
  expect(() => addrFromBytes(new Uint8Array(5))).toThrow('length is 5 bytes; allowed: 4, 16');
});

test('addrFromBytes reads a view into a larger buffer', () => {
  expect(addrFromBytes(Uint8Array.of(9, 9, 10, 0, 0, 1).subarray(2))).toEqual(addr('10.0.0.1'));
});

test('compareAddr puts IPv4 before IPv6 and then the lower value first', () => {
  const sorted = ['9.0.0.0', '10.0.0.0', '::', '::1'].map(addr);
  expect([...sorted].reverse().sort(compareAddr)).toEqual(sorted);
  expect(compareAddr(addr('::1'), addr('::1'))).toBe(0);
});

test('addrEquals tells families apart', () => {
  expect(addrEquals(addr('0.0.0.1'), addr('::1'))).toBe(false);
  expect(addrEquals(addr('0.0.0.1'), addr('0.0.0.1'))).toBe(true);
});

test('addAddr carries over octets and refuses to leave the family', () => {
  expect(printAddr(addAddr(addr('10.0.0.255'), 1))).toBe('10.0.1.0');
  expect(printAddr(addAddr(addr('10.0.1.0'), -1n))).toBe('10.0.0.255');
  expect(() => addAddr(addr('255.255.255.255'), 1)).toThrow('Cannot add 1 to 255.255.255.255');
  expect(() => addAddr(addr('::'), -1)).toThrow('Cannot add -1 to ::');
});
