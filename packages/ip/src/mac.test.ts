import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { macFromBytes, macToBytes, parseMac } from './mac.ts';

test('parseMac writes colons, hyphens and any case in one way', () => {
  expect(parseMac('EE:ee:Ee:eE:00:01')).toBe('ee:ee:ee:ee:00:01');
  expect(parseMac('66-0A-1b-00-00-ff')).toBe('66:0a:1b:00:00:ff');
});

for (const text of [
  '',
  'ee:ee:ee:ee:ee',
  'ee:ee:ee:ee:ee:ee:ee',
  'ee:ee:ee:ee:ee:eg',
  'e:ee:ee:ee:ee:ee',
  'eeeeeeeeeeee',
  'ee:ee-ee:ee:ee:ee',
]) {
  test(`parseMac refuses "${text}"`, () => expect(parseMac(text)).toBeUndefined());
}

test('macToBytes and macFromBytes are inverse', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), bytes => {
      expect(macToBytes(macFromBytes(bytes))).toEqual(bytes);
    }),
  );
  expect(() => macToBytes('ee')).toThrow('Cannot encode MAC address: text is "ee"');
  expect(() => macFromBytes(new Uint8Array(5))).toThrow('length is 5 bytes; allowed: 6');
});
