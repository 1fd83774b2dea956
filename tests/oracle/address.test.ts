import { describe, expect, test } from 'bun:test';
import { blockHolds, readAddress } from './address.ts';

describe('blockHolds', () => {
  const cases: [block: string, address: string, holds: boolean][] = [
    ['10.0.0.0/8', '10.255.255.255', true],
    ['10.0.0.0/8', '11.0.0.0', false],
    ['192.0.2.64/26', '192.0.2.63', false],
    ['192.0.2.64/26', '192.0.2.64', true],
    ['192.0.2.64/26', '192.0.2.127', true],
    ['192.0.2.64/26', '192.0.2.128', false],
    ['192.0.2.65/26', '192.0.2.64', true],
    ['192.0.2.1', '192.0.2.1', true],
    ['192.0.2.1', '192.0.2.2', false],
    ['0.0.0.0/0', '203.0.113.1', true],
    ['0.0.0.0/0', '::1', false],
    ['::/0', '10.0.0.1', false],
    ['fd00:1::/32', 'fd00:1:ffff::1', true],
    ['fd00:1::/32', 'fd00:2::1', false],
    ['::ffff:10.0.0.0/104', '::ffff:10.1.2.3', true],
  ];
  for (const [block, address, holds] of cases) {
    test(`${block} ${holds ? 'holds' : 'does not hold'} ${address}`, () => {
      expect(blockHolds(block, readAddress(address))).toBe(holds);
    });
  }
});

describe('readAddress refuses', () => {
  for (const text of [
    '',
    '1.2.3',
    '1.2.3.256',
    '1.2.3.4.5',
    '1.2.3.x',
    '1::2::3',
    '1:2:3',
    '1:2:3:4:5:6:7:8:9',
    'g::',
  ]) {
    test(`"${text}"`, () => expect(() => readAddress(text)).toThrow('Cannot read address'));
  }
});
