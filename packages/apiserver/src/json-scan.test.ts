import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { scanJson } from './json-scan.ts';

test('scanJson takes exactly what JSON.parse takes', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.json(),
        fc.string(),
        fc.json().map(text => text.slice(0, -1)),
      ),
      text => {
        let valid = true;
        try {
          JSON.parse(text);
        } catch {
          valid = false;
        }
        const scan = () => scanJson(text, 1000);
        if (valid) expect(scan).not.toThrow();
        else expect(scan).toThrow();
      },
    ),
  );
});

test('scanJson names duplicate keys by path, escapes resolved', () => {
  expect(scanJson('{"a":1,"b":[{"c":1,"\\u0063":2}],"a":2}', 10).duplicates).toEqual(['b[0].c', 'a']);
});

test('scanJson refuses nesting beyond the limit and takes nesting at it', () => {
  expect(() => scanJson('[[[]]]', 2)).toThrow('nested deeper than 2 levels');
  expect(scanJson('[[{}]]', 3).duplicates).toEqual([]);
});

test('scanJson tells where the text breaks', () => {
  expect(() => scanJson('{"a": tru}', 5)).toThrow('expected a value at offset 6');
});

test('scanJson refuses a number that a double cannot hold', () => {
  expect(() => scanJson('{"a":[1e308,-1e400]}', 5)).toThrow('number out of range at offset 12');
  expect(scanJson('[1e308, 12345678901234567890]', 5).duplicates).toEqual([]);
});
