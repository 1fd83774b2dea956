import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { parseJson, printJson } from './json.ts';

test('parseJson makes a bigint of a whole number beyond 2^53, and only of that', () => {
  expect(parseJson('{"a":9007199254740993,"b":-9007199254740993,"c":9007199254740991}')).toEqual({
    a: 9007199254740993n,
    b: -9007199254740993n,
    c: 9007199254740991,
  });
  expect(parseJson('[1e300,1234567890123456.5,"12345678901234567890"]')).toEqual([
    1e300,
    1234567890123456.5,
    '12345678901234567890',
  ]);
});

test('parseJson finds a whole number beyond 2^53 wherever a value can be', () => {
  const big = '9007199254740993';
  expect(parseJson(big)).toBe(9007199254740993n);
  expect(parseJson(` -${big}`)).toBe(-9007199254740993n);
  expect(parseJson(`[1,${big}]`)).toEqual([1, 9007199254740993n]);
  expect(parseJson(`[ ${big} ]`)).toEqual([9007199254740993n]);
  expect(parseJson(`{"a": 1,\n"b"\t:\r\n ${big}}`)).toEqual({ a: 1, b: 9007199254740993n });
  expect(parseJson(`{"id":"${big}","text":"a:${big},[${big}"}`)).toEqual({ id: big, text: `a:${big},[${big}` });
});

test('printJson prints a bigint as the number that it is', () => {
  expect(printJson({ a: [1767323045000000001n, 1] })).toBe('{"a":[1767323045000000001,1]}');
  expect(printJson({ a: 2n }, 2)).toBe('{\n  "a": 2\n}');
  expect(printJson(undefined)).toBe('null');
});

test('parseJson and printJson refuse what is no JSON', () => {
  expect(() => parseJson('{')).toThrow(SyntaxError);
  expect(() => parseJson('{"a":12345678901234567890')).toThrow(SyntaxError);
  const cycle: { self?: unknown; big: bigint } = { big: 1n };
  cycle.self = cycle;
  expect(() => printJson(cycle)).toThrow(TypeError);
});

const json = fc.letrec(tie => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(null, true, false),
    fc.string({ unit: 'grapheme' }),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map(number => (Object.is(number, -0) ? 0 : number)),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n }),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(fc.string(), tie('value'), { maxKeys: 5 }),
  ),
})).value;

test('parseJson gives back what printJson printed', () => {
  const beyond = (text: string) => /\d{16}/.test(text);
  fc.assert(
    fc.property(json, value => {
      const text = printJson(value);
      // A double beyond 2^53 prints as digits, and is then read as a whole number: its text stays the same.
      expect(printJson(parseJson(text))).toBe(text);
      if (!beyond(text)) expect(printJson(JSON.parse(text))).toBe(text);
    }),
  );
});

test('parseJson refuses what is nested too deep with an error of syntax', () => {
  const deep = (inner: string) => '['.repeat(200_000) + inner + ']'.repeat(200_000);
  expect(() => parseJson(deep('9007199254740993'))).toThrow(SyntaxError);
});
