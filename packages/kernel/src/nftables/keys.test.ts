import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { printKey, typeId, typeLength, typeOfId } from './field-type.ts';
import {
  compareKeys,
  concatBytes,
  hostU32Bytes,
  ifnameBytes,
  ifnamePrefixBytes,
  nextKey,
  previousKey,
  u8Bytes,
  u16Bytes,
} from './keys.ts';
import { canonicalExpr, sameExprs } from './same-exprs.ts';
import { ip, ruleCases } from './testing.ts';
import type { FieldType, SetType } from './types.ts';
import { decodeComment, encodeComment } from './userdata.ts';

const anyKey = fc.uint8Array({ minLength: 1, maxLength: 16 });

describe('keys', () => {
  test('nextKey and previousKey are each other’s inverse, and end where numbers end', () => {
    fc.assert(
      fc.property(anyKey, key => {
        const next = nextKey(key);
        if (next === undefined) expect(key.every(byte => byte === 0xff)).toBe(true);
        else expect(previousKey(next)).toEqual(key);
        if (next !== undefined) expect(compareKeys(key, next)).toBeLessThan(0);
      }),
    );
    expect(previousKey(ip('0.0.0.0'))).toBeUndefined();
    expect(nextKey(ip('10.0.0.255'))).toEqual(ip('10.0.1.0'));
  });

  test('compareKeys orders as memcmp does', () => {
    fc.assert(fc.property(anyKey, anyKey, (a, b) => expect(Math.sign(compareKeys(a, b))).toBe(Buffer.compare(a, b))));
  });

  test('fields of a concatenation take whole words', () => {
    const key = concatBytes(ip('10.0.0.1'), u8Bytes(6), u16Bytes(80));
    expect([...key]).toEqual([10, 0, 0, 1, 6, 0, 0, 0, 0, 80, 0, 0]);
    expect(printKey(['ipv4_addr', 'inet_proto', 'inet_service'], key)).toBe('10.0.0.1 . tcp . 80');
  });

  test('names of interfaces fill sixteen bytes, prefixes their own length', () => {
    expect([...ifnameBytes('lo')]).toEqual([108, 111, ...Array.from({ length: 14 }, () => 0)]);
    expect([...ifnamePrefixBytes('lo')]).toEqual([108, 111]);
    for (const name of ['', 'sixteen-letters-']) {
      expect(() => ifnameBytes(name)).toThrow(
        `Cannot encode interface name: name is "${name}"; allowed: 1 to 15 bytes`,
      );
    }
  });

  test('marks print as numbers whatever the order of bytes', () => {
    expect(printKey('mark', hostU32Bytes(0x10000))).toBe('0x00010000');
  });
});

describe('types of sets', () => {
  const all: readonly SetType[] = [
    'ipv4_addr',
    'ifname',
    'ct_state',
    ['ipv6_addr', 'inet_proto', 'inet_service'],
    ['ifname', 'mark'],
  ];
  test('go to nft’s numbers and back', () => {
    for (const type of all) expect(typeOfId(typeId(type))).toEqual(type as FieldType);
    expect(typeOfId(63)).toBeUndefined();
    expect(all.map(typeLength)).toEqual([4, 16, 4, 24, 20]);
  });
});

describe('comments', () => {
  test('are read back among other entries', () => {
    fc.assert(
      fc.property(
        fc.string({ maxLength: 60 }).filter(text => !text.includes('\0')),
        text => {
          const other = Uint8Array.of(3, 2, 9, 9);
          expect(decodeComment(Buffer.concat([other, encodeComment(text)]))).toBe(text);
        },
      ),
    );
    expect(decodeComment(undefined)).toBeUndefined();
    expect(decodeComment(Uint8Array.of(3, 1, 0))).toBeUndefined();
  });
});

describe('sameExprs', () => {
  test('sees through the names of registers, and through what the kernel fills in', () => {
    for (const { exprs } of ruleCases) expect(sameExprs(exprs, exprs.map(canonicalExpr))).toBe(true);
    expect(sameExprs([{ kind: 'counter' }], [{ kind: 'counter', packets: 5, bytes: 300 }])).toBe(true);
    expect(sameExprs([{ kind: 'log', prefix: 'a', level: 4 }], [{ kind: 'log', prefix: 'a' }])).toBe(true);
  });

  test('tells every two cases apart', () => {
    for (const [i, a] of ruleCases.entries()) {
      for (const b of ruleCases.slice(i + 1))
        expect(`${b.name}: ${sameExprs(a.exprs, b.exprs)}`).toBe(`${b.name}: false`);
    }
  });
});
