import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { Attributes, eachAttribute } from './attributes.ts';
import { align4, LITTLE_ENDIAN, splitMessages, viewOf } from './message.ts';
import { MessageWriter } from './writer.ts';

const bytesOf = (hex: string) => Uint8Array.from(hex.match(/../g) ?? [], pair => Number.parseInt(pair, 16));
const attribute = fc.tuple(fc.integer({ min: 1, max: 0x3fff }), fc.uint8Array({ maxLength: 300 }));

describe('messages', () => {
  test.skipIf(!LITTLE_ENDIAN)('a link query has the bytes that linux/netlink.h asks for (little-endian hosts)', () => {
    const w = new MessageWriter(8);
    w.message(18, 0x301, () => w.zeros(16).attrString(3, 'lo'));
    const header = '28000000120001030000000000000000';
    const attribute = '070003006c6f0000'; // length 7, type 3, "lo", its NUL, one byte of padding
    expect(w.bytes()).toEqual(bytesOf(header + '00'.repeat(16) + attribute));
  });

  test('a number written where the buffer has to grow arrives whole', () => {
    for (let fill = 0; fill <= 16; fill++) {
      const w = new MessageWriter(8).zeros(fill).u8(1).u16be(0x0203).u32be(0x04050607);
      expect(w.bytes().subarray(fill)).toEqual(bytesOf('01020304050607'));
    }
  });

  test('messages written one after the other are split again, whatever their lengths', () => {
    const message = fc.tuple(
      fc.integer({ min: 16, max: 0xffff }),
      fc.integer({ min: 0, max: 0xffff }),
      fc.uint8Array(),
    );
    fc.assert(
      fc.property(fc.array(message), messages => {
        const w = new MessageWriter(16);
        for (const [type, flags, payload] of messages) w.message(type, flags, () => w.raw(payload));
        expect(w.length % 4).toBe(0);
        const split = splitMessages(w.bytes()).map(m => [m.type, m.flags, m.payload]);
        expect(split).toEqual(messages);
      }),
    );
  });

  test('any bytes are split without an exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
        for (const { payload } of splitMessages(bytes)) new Attributes(payload);
        new Attributes(bytes);
      }),
    );
  });
});

describe('attributes', () => {
  test('attributes and nests come back in order, duplicates included', () => {
    fc.assert(
      fc.property(fc.array(attribute, { maxLength: 20 }), attributes => {
        const w = new MessageWriter(16);
        w.nest(7, () => {
          for (const [type, payload] of attributes) w.attr(type, payload);
        });
        const read: [number, Uint8Array][] = [];
        eachAttribute(new Attributes(w.bytes()).bytes(7) ?? new Uint8Array(), (type, payload) =>
          read.push([type, payload]),
        );
        expect(read).toEqual(attributes);
      }),
    );
  });

  test('numbers and text come back in the byte order they were written in', () => {
    const w = new MessageWriter(16);
    const nativeU64 = Uint8Array.of(0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe);
    w.attrU8(1, 0xfe).attr(2, Uint8Array.of(0xdc, 0xfe)).attrU32(3, 0xfedcba98).attr(4, nativeU64);
    w.attrU16be(5, 0xfedc).attrU32be(6, 0xfedcba98).attrU64be(7, 0xfedcba9876543210n);
    w.attrString(8, 'vxlan.calico').attr(9, new Uint8Array(0));
    const a = new Attributes(w.bytes());
    expect([a.u8(1), a.u16(2), a.u32(3), a.u64(4)]).toEqual([0xfe, 0xfedc, 0xfedcba98, 0xfedcba9876543210n]);
    expect([a.u16be(5), a.u32be(6), a.u64be(7)]).toEqual([0xfedc, 0xfedcba98, 0xfedcba9876543210n]);
    expect([...(a.bytes(5) ?? [])]).toEqual([0xfe, 0xdc]);
    expect(a.string(8)).toBe('vxlan.calico');
    expect(a.i32(3)).toBe(0xfedcba98 | 0);
    expect([a.has(9), a.has(10)]).toEqual([true, false]);
    expect(a.types()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test('an attribute that is absent or too short reads as undefined', () => {
    const w = new MessageWriter(16);
    w.attrU8(1, 1);
    const a = new Attributes(w.bytes());
    expect([a.u16(1), a.u32(1), a.u64(1), a.u8(2), a.string(2), a.nest(2)]).toEqual(Array(6).fill(undefined));
  });

  test('text without a closing NUL is read whole', () => {
    const w = new MessageWriter(16);
    w.attr(1, new TextEncoder().encode('eth0'));
    expect(new Attributes(w.bytes()).string(1)).toBe('eth0');
  });

  test('a nest beyond 65,535 bytes is refused', () => {
    const w = new MessageWriter();
    expect(() => w.nest(1, () => w.zeros(0x10000))).toThrow('allowed: up to 65535 bytes');
  });

  test('align4 rounds up to 4', () => {
    expect([0, 1, 4, 5].map(align4)).toEqual([0, 4, 4, 8]);
    expect(viewOf(new Uint8Array(8).subarray(4)).byteLength).toBe(4);
  });
});
