import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { flag, integer, message, nested, repeated, text } from './wire.ts';

const Inner = message({ a: integer(1), b: text(2) });
const Outer = message({
  number: integer(1),
  name: text(2),
  on: flag(3),
  one: nested(4, Inner),
  many: repeated(16, Inner),
});

const hex = (text: string): Uint8Array => Uint8Array.fromHex(text.replaceAll(' ', ''));

/** From "Encoding" of the Protocol Buffers documentation, and from what protoc 3 prints. */
const goldens: { name: string; value: Parameters<typeof Outer.encode>[0]; bytes: string }[] = [
  { name: 'nothing', value: {}, bytes: '' },
  { name: 'a number of two bytes', value: { number: 150 }, bytes: '08 96 01' },
  { name: 'a negative number', value: { number: -1 }, bytes: '08 ff ff ff ff ff ff ff ff ff 01' },
  { name: 'a text', value: { name: 'testing' }, bytes: '12 07 74 65 73 74 69 6e 67' },
  { name: 'a flag', value: { on: true }, bytes: '18 01' },
  { name: 'a message', value: { one: { a: 150, b: '' } }, bytes: '22 05 08 96 01 12 00' },
  {
    name: 'messages under a number above 15',
    value: { many: [{ a: 1 }, { a: 2 }] },
    bytes: '82 01 02 08 01 82 01 02 08 02',
  },
];

describe('message', () => {
  for (const { name, value, bytes } of goldens) {
    test(`encodes and decodes ${name}`, () => {
      expect(Outer.encode(value).toString('hex')).toBe(bytes.replaceAll(' ', ''));
      expect(Outer.decode(hex(bytes))).toMatchObject(value);
    });
  }

  test('decode(encode(x)) is x', () => {
    const safe = fc.maxSafeInteger();
    const inner = fc.record({ a: safe, b: fc.string({ unit: 'binary' }) });
    const outer = fc.record({
      number: safe,
      name: fc.string({ unit: 'binary' }),
      on: fc.boolean(),
      one: fc.option(inner, { nil: undefined }),
      many: fc.array(inner, { maxLength: 5 }),
    });
    fc.assert(
      fc.property(outer, value => {
        expect(Outer.decode(Outer.encode(value))).toEqual(value);
      }),
    );
  });

  test('steps over what it does not know', () => {
    const Newer = message({ number: integer(1), more: text(90), deep: nested(91, Inner) });
    const bytes = Newer.encode({ more: 'x', deep: { a: 1, b: 'y' }, number: 5 });
    const fixed = hex('e1 05 0102030405060708 e5 05 01020304');
    expect(Outer.decode(Buffer.concat([fixed, bytes])).number).toBe(5);
  });

  test('throws RangeError on what is cut off, and on nothing else ends badly', () => {
    const whole = Outer.encode({ number: 2 ** 40, name: 'name', many: [{ a: 300, b: 'b' }] });
    for (let length = 1; length < whole.length; length++) {
      try {
        Outer.decode(whole.subarray(0, length));
      } catch (err) {
        expect(err).toBeInstanceOf(RangeError);
      }
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), bytes => {
        try {
          Outer.decode(bytes);
        } catch (err) {
          expect(err).toBeInstanceOf(RangeError);
        }
      }),
    );
  });
});
