import fc from 'fast-check';
import type { Addr } from './addr.ts';
import type { Cidr } from './cidr.ts';

/** Any IPv4 address, for property tests. */
export const v4Addr: fc.Arbitrary<Addr> = fc
  .bigInt({ min: 0n, max: (1n << 32n) - 1n })
  .map(value => ({ family: 4, value }));

/** Any IPv6 address, with runs of zero groups as often as not. */
export const v6Addr: fc.Arbitrary<Addr> = fc
  .array(fc.oneof(fc.constant(0n), fc.bigInt({ min: 0n, max: 0xffffn })), { minLength: 8, maxLength: 8 })
  .map(groups => ({ family: 6, value: groups.reduce((value, group) => (value << 16n) | group, 0n) }));

/** Any address of either family. */
export const anyAddr: fc.Arbitrary<Addr> = fc.oneof(v4Addr, v6Addr);

/** Prefixes, host bits kept, from a corner of each family so small that they often cover one another. */
export const crowdedCidr: fc.Arbitrary<Cidr> = fc.oneof(
  fc
    .record({ value: fc.bigInt({ min: 0n, max: 63n }), length: fc.constantFrom(0, 8, 26, 27, 28, 29, 30, 31, 32) })
    .map(({ value, length }): Cidr => ({ addr: { family: 4, value: 0x0a00_0000n + value }, length })),
  fc
    .record({
      high: fc.bigInt({ min: 0n, max: 3n }),
      low: fc.bigInt({ min: 0n, max: 7n }),
      length: fc.constantFrom(0, 30, 31, 32, 33, 62, 63, 64, 65, 96, 97, 125, 126, 127, 128),
    })
    .map(({ high, low, length }): Cidr => ({ addr: { family: 6, value: (high << 62n) | low }, length })),
);
