import { describe, expect, test } from 'bun:test';
import { plainJson } from './plain-json.ts';

const itself: unknown[] = [];
itself.push(itself);

describe('plainJson', () => {
  test('keeps JSON as it is, whole numbers as numbers where they fit', () => {
    const document = { a: [1n, 2n ** 53n + 1n, 1.5, null, true, 'x'], ['__proto__']: { b: 2n } };
    expect(plainJson(document)).toEqual({ a: [1, 2n ** 53n + 1n, 1.5, null, true, 'x'], ['__proto__']: { b: 2 } });
  });

  test.each([
    { name: 'a value within itself', value: itself, want: 'nested deeper than 128 levels, or within itself' },
    { name: 'infinity', value: [Number.POSITIVE_INFINITY], want: 'the number Infinity; allowed: finite ones' },
    { name: 'a date', value: { a: new Date(0) }, want: 'a value of type Date; allowed: what JSON has' },
    { name: 'binary data', value: new Uint8Array(1), want: 'a value of type Uint8Array; allowed: what JSON has' },
  ])('refuses $name', ({ value, want }) => {
    expect(() => plainJson(value)).toThrow(want);
  });
});
