import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { untyped, validationCases } from '../../testing.ts';
import { BGPFilter, type BGPFilterRule } from './bgp-filter.ts';
import { upTo } from './number-pattern.ts';

const exporting = (rule: BGPFilterRule) => (filter: BGPFilter) => (filter.spec = { exportV4: [rule] });
const adding = (value: string) => exporting({ action: 'Accept', operations: [{ addCommunity: { value } }] });

test.each(
  validationCases<BGPFilter>(
    BGPFilter,
    [
      { name: 'the example', change: () => {} },
      { name: 'an empty filter', change: f => (f.spec = {}) },
      { name: 'a large community', change: adding('4294967295:0:1') },
      { name: 'an interface with a wildcard', change: exporting({ action: 'Reject', interface: 'eth*' }) },
      {
        name: 'everything that a rule can say',
        change: exporting({
          action: 'Accept',
          source: 'RemotePeers',
          peerType: 'iBGP',
          communities: { values: ['65000:1'] },
          asPathPrefix: [64512, 4200000000],
          priority: 2147483646,
          operations: [{ setPriority: { value: 512 } }],
        }),
      },
    ],
    [
      {
        name: 'no action',
        change: exporting(untyped({})),
        path: 'spec.exportV4[0].action',
        allowed: '"Accept", "Reject"',
      },
      {
        name: 'a CIDR without operator',
        change: exporting({ action: 'Reject', cidr: '10.0.0.0/8' }),
        path: 'spec.exportV4[0].matchOperator',
        allowed: 'Equal, NotEqual, In or NotIn',
      },
      {
        name: 'an operator without CIDR',
        change: exporting({ action: 'Reject', matchOperator: 'In' }),
        path: 'spec.exportV4[0].cidr',
        allowed: 'as matchOperator is given',
      },
      {
        name: 'a length of prefixes without CIDR',
        change: exporting({ action: 'Reject', prefixLength: { min: 8 } }),
        path: 'spec.exportV4[0].cidr',
        allowed: 'as prefixLength is given',
      },
      {
        name: 'a CIDR of the other family',
        change: exporting({ action: 'Reject', matchOperator: 'In', cidr: 'fd00::/8' }),
        path: 'spec.exportV4[0].cidr',
        value: 'fd00::/8',
        allowed: 'IPv4',
      },
      {
        name: 'a prefix length beyond the address',
        change: exporting({ action: 'Reject', matchOperator: 'In', cidr: '10.0.0.0/8', prefixLength: { max: 33 } }),
        path: 'spec.exportV4[0].prefixLength.max',
        value: 33,
        allowed: 'from 0 to 32',
      },
      {
        name: 'operations on rejected routes',
        change: exporting({ action: 'Reject', operations: [{ setPriority: { value: 1 } }] }),
        path: 'spec.exportV4[0].operations',
        value: [{ setPriority: { value: 1 } }],
        allowed: 'action Accept',
      },
      {
        name: 'two operations in one',
        change: exporting({
          action: 'Accept',
          operations: [{ setPriority: { value: 1 }, addCommunity: { value: '1:1' } }],
        }),
        path: 'spec.exportV4[0].operations[0]',
        value: { setPriority: { value: 1 }, addCommunity: { value: '1:1' } },
        allowed: 'exactly 1',
      },
      {
        name: 'a community of too large numbers',
        change: adding('65536:1'),
        path: 'spec.exportV4[0].operations[0].addCommunity.value',
        value: '65536:1',
        allowed: '"aa:nn"',
      },
      {
        name: 'two communities',
        change: exporting({ action: 'Reject', communities: { values: ['1:1', '1:2'] } }),
        path: 'spec.exportV4[0].communities.values',
        value: 2,
        allowed: 'at most 1',
      },
    ],
  ),
)('$name', ({ got, want }) => {
  expect(got()).toEqual([...want]);
});

test('upTo(n) matches exactly the numbers from 0 to n', () => {
  fc.assert(
    fc.property(fc.nat(0xffffffff), fc.nat(0xffffffff), (max, number) => {
      const pattern = new RegExp(`^${upTo(max)}$`, 'u');
      for (const candidate of [number, max, max + 1, max - 1, 0]) {
        if (candidate >= 0) expect(pattern.test(String(candidate))).toBe(candidate <= max);
      }
      expect(pattern.test(`0${number}`)).toBe(false);
    }),
  );
});
