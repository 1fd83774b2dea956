import { expect, test } from 'bun:test';
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { sha1Hex } from './sha1.ts';

test('sha1Hex gives the digests of the FIPS 180 examples', () => {
  expect(sha1Hex('abc')).toBe('a9993e364706816aba3e25717850c26c9cd0d89d');
  expect(sha1Hex('')).toBe('da39a3ee5e6b4b0d3255bfef95601890afd80709');
});

test('sha1Hex agrees with the system library on any text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), text => {
      expect(sha1Hex(text)).toBe(createHash('sha1').update(text, 'utf8').digest('hex'));
    }),
  );
});
