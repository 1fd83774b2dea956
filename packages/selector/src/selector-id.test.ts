import { expect, test } from 'bun:test';
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { base64url, selectorId, utf8 } from './selector-id.ts';
import { sha224 } from './sha224.ts';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

test('sha224 gives the digests of FIPS 180-4 examples', () => {
  expect(hex(sha224(utf8('')))).toBe('d14a028c2a3a2bc9476102bb288234c415a2b01f828ea62ac5b3e42f');
  expect(hex(sha224(utf8('abc')))).toBe('23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7');
});

test('sha224 agrees with the platform on every length around the block size', () => {
  for (let length = 0; length < 200; length++) {
    const bytes = Uint8Array.from({ length }, (_, i) => i * 7 + length);
    expect(hex(sha224(bytes))).toBe(createHash('sha224').update(bytes).digest('hex'));
  }
});

test('utf8 agrees with the platform, lone surrogates included', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), text => expect(utf8(text)).toEqual(new TextEncoder().encode(text))),
  );
  expect(utf8('a\ud800b')).toEqual(new TextEncoder().encode('a\ud800b'));
});

test('base64url agrees with the platform for every remainder', () => {
  fc.assert(
    fc.property(fc.uint8Array(), bytes => expect(base64url(bytes)).toBe(Buffer.from(bytes).toString('base64url'))),
  );
});

test('an id is s: and 38 characters of base64url', () => {
  const digest = createHash('sha224').update('s:all()').digest('base64url');
  expect(selectorId('all()')).toBe(`s:${digest}`);
  expect(selectorId('all()')).toHaveLength(40);
});
