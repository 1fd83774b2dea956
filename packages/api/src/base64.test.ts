import { expect, test } from 'bun:test';
import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { toBase64 } from './base64.ts';

test('toBase64 agrees with the system library on any text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), text => {
      expect(toBase64(text)).toBe(Buffer.from(text, 'utf8').toString('base64'));
    }),
  );
});
