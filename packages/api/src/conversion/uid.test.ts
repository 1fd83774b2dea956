import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { convertUid } from './uid.ts';

test('convertUid reverses bits in every byte but 6 and 8', () => {
  expect(convertUid('01020304-0506-4708-8910-111213141516')).toBe('8040c020-a060-4710-8908-8848c828a868');
});

test('convertUid is its own inverse', () => {
  fc.assert(fc.property(fc.uuid(), uid => expect(convertUid(convertUid(uid))).toBe(uid)));
});

test('convertUid leaves other text alone', () => {
  expect(convertUid('not-a-uuid')).toBe('not-a-uuid');
});
