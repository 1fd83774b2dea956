import { describe, expect, test } from 'bun:test';
import type { CalicoNode } from '@calico/api';
import { cidr } from '@calico/ip';
import { addressConflicts } from './address-conflict.ts';
import { AddressError, chooseAddresses, type NodeAddresses, readAddressSettings } from './choose-addresses.ts';
import type { Surroundings } from './detect-address.ts';

const none: NodeAddresses = { ipv4: undefined, ipv6: undefined, interfaces: undefined };

const around: Surroundings = {
  interfaces: [
    { name: 'lo', mtu: 65_536, up: true, addresses: [cidr('127.0.0.1/8')] },
    { name: 'eth1', mtu: 1500, up: true, addresses: [] },
    {
      name: 'eth0',
      mtu: 1500,
      up: true,
      addresses: [cidr('192.0.2.11/24'), cidr('2001:db8::11/64'), cidr('192.0.2.12/24')],
    },
    { name: 'cali1', mtu: 1500, up: true, addresses: [cidr('10.0.0.1/32')] },
  ],
  internalIps: async () => undefined,
  reach: () => Promise.reject(new Error('no way')),
};

function choose(env: Record<string, string>, present: Partial<NodeAddresses> = {}, surroundings = around) {
  return chooseAddresses(readAddressSettings(env), { ...none, ...present }, surroundings);
}

const cannot = { IP_AUTODETECTION_METHOD: 'interface=ens9', IP6_AUTODETECTION_METHOD: 'interface=ens9' };

describe('chooseAddresses gives', () => {
  test.each([
    ['nothing said: IPv4 by detection, IPv6 never', {}, {}, ['192.0.2.11/24', undefined]],
    [
      'nothing said: what the node has',
      {},
      { ipv4: '192.0.2.12/24', ipv6: '2001:db8::9/64' },
      ['192.0.2.12/24', '2001:db8::9/64'],
    ],
    [
      'nothing said, only IPv6 known: IPv4 by detection too',
      {},
      { ipv6: '2001:db8::9/64' },
      ['192.0.2.11/24', '2001:db8::9/64'],
    ],
    [
      'autodetect: anew, whatever the node has',
      { IP: 'autodetect' },
      { ipv4: '192.0.2.12/24' },
      ['192.0.2.11/24', undefined],
    ],
    ['IP6 autodetect', { IP: 'autodetect', IP6: 'autodetect' }, {}, ['192.0.2.11/24', '2001:db8::11/64']],
    [
      'autodetect in vain: what the node has',
      { IP: 'autodetect', ...cannot },
      { ipv4: '192.0.2.12/24' },
      ['192.0.2.12/24', undefined],
    ],
    [
      'IP6 autodetect in vain: what the node has',
      { IP6: 'autodetect', ...cannot },
      { ipv4: '192.0.2.12/24', ipv6: '2001:db8::9/64' },
      ['192.0.2.12/24', '2001:db8::9/64'],
    ],
    ['none: what the node has', { IP: 'none' }, { ipv4: '192.0.2.12/24' }, ['192.0.2.12/24', undefined]],
    [
      'none of IPv4 and IPv6 by detection: IPv6 alone',
      { IP: 'none', IP6: 'autodetect' },
      {},
      [undefined, '2001:db8::11/64'],
    ],
    [
      'an address with its length: as it is',
      { IP: '192.0.2.11/16' },
      { ipv4: '192.0.2.12/24' },
      ['192.0.2.11/16', undefined],
    ],
    ['a bare address: the length of its interface', { IP: '192.0.2.12' }, {}, ['192.0.2.12/24', undefined]],
    ['a bare address that no interface has: alone', { IP: '203.0.113.1' }, {}, ['203.0.113.1/32', undefined]],
    [
      'a bare IPv6 address: the length of its interface',
      { IP: 'none', IP6: '2001:db8::11' },
      {},
      [undefined, '2001:db8::11/64'],
    ],
    [
      'a bare IPv6 address that no interface has: alone',
      { IP: 'none', IP6: '2001:db8::1' },
      {},
      [undefined, '2001:db8::1/128'],
    ],
  ] as [string, Record<string, string>, Partial<NodeAddresses>, (string | undefined)[]][])(
    '%s',
    async (_, env, present, expected) => {
      const { ipv4, ipv6 } = await choose(env, present);
      expect([ipv4, ipv6]).toEqual(expected);
    },
  );

  test.each([
    ['neither is named: not kept', {}, undefined],
    ['IPv4 is named', { IP: 'autodetect' }, [['eth0', '192.0.2.11', '192.0.2.12'], ['eth1']]],
    ['IPv6 is named', { IP6: 'autodetect' }, [['eth0', '2001:db8::11'], ['eth1']]],
    ['none names nothing', { IP: '192.0.2.11', IP6: 'none' }, [['eth0', '192.0.2.11', '192.0.2.12'], ['eth1']]],
    ['both', { IP: '192.0.2.11', IP6: 'autodetect' }, [['eth0', '192.0.2.11', '2001:db8::11', '192.0.2.12'], ['eth1']]],
  ] as [string, Record<string, string>, string[][] | undefined][])(
    'interfaces by name, never internal ones, when %s',
    async (_, env, expected) => {
      const { interfaces } = await choose(env);
      expect(interfaces?.map(({ name, addresses }) => [name, ...addresses])).toEqual(expected);
    },
  );

  test('words on where an address comes from', async () => {
    const { notes, warnings } = await choose({ IP: 'autodetect' });
    expect(notes).toEqual(['IPv4 address 192.0.2.11/24 of eth0 by first-found']);
    expect(warnings).toEqual([]);
  });

  test('a warning when it keeps what can no longer be detected, and when no interface has it', async () => {
    const { warnings } = await choose({ IP: 'autodetect', ...cannot }, { ipv4: '203.0.113.5/24' });
    expect(warnings).toEqual([
      'no IPv4 address was detected by interface=ens9: no usable IPv4 address on the interfaces looked at (none); the node keeps 203.0.113.5/24',
      "the node's IPv4 address 203.0.113.5/24 is on none of its interfaces",
    ]);
  });
});

test.each([
  [
    'IPv4 can’t be detected and is not known',
    { IP: 'autodetect', ...cannot },
    {},
    [4],
    'no IPv4 address was detected by interface=ens9',
  ],
  [
    'IPv4 can’t be detected, though not asked for by name',
    { ...cannot },
    {},
    [],
    'choose another method with IP_AUTODETECTION_METHOD',
  ],
  [
    'IPv6 can’t be detected and is not known',
    { IP: '192.0.2.11', IP6: 'autodetect', ...cannot },
    {},
    [6],
    'no IPv6 address was detected',
  ],
  [
    'both are detected, and one fails',
    { IP: 'autodetect', IP6: 'autodetect', IP6_AUTODETECTION_METHOD: 'interface=e9' },
    {},
    [4, 6],
    'give IP6 an address',
  ],
  [
    'there is no family at all',
    { IP: 'none', IP6: 'none' },
    {},
    [],
    'neither an IPv4 nor an IPv6 address (IP is "none", IP6 is "none")',
  ],
] as [string, Record<string, string>, Partial<NodeAddresses>, number[], string][])(
  'chooseAddresses refuses when %s, and says what to clear',
  async (_, env, present, clear, words) => {
    const error = await choose(env, present).then(
      () => undefined,
      (failure: unknown) => failure,
    );
    expect(error).toBeInstanceOf(AddressError);
    expect((error as AddressError).clear).toEqual(clear as never);
    expect((error as AddressError).message).toContain(words);
  },
);

test.each([
  ['IP', '2001:db8::1'],
  ['IP', 'eth0'],
  ['IP', '192.0.2.1/33'],
  ['IP6', '192.0.2.1'],
])('readAddressSettings refuses %s=%s', (variable, value) => {
  expect(() => readAddressSettings({ [variable]: value })).toThrow(`${variable} is "${value}"; allowed: an IPv`);
});

test('addressConflicts names every other node with an address of ours, whatever its length', () => {
  const node = (name: string, ipv4Address?: string, ipv6Address?: string): CalicoNode => ({
    apiVersion: 'projectcalico.org/v3',
    kind: 'Node',
    metadata: { name },
    spec: { bgp: { ...(ipv4Address && { ipv4Address }), ...(ipv6Address && { ipv6Address }) } },
  });
  const nodes = [
    node('self', '192.0.2.11/24'),
    node('same', '192.0.2.11/32'),
    node('other', '192.0.2.1/24'),
    node('six', undefined, '2001:db8:0::11/64'),
    { ...node('bare'), spec: {} },
  ];
  const ours = { ipv4: '192.0.2.11/24', ipv6: '2001:db8::11/64' };
  expect(addressConflicts('self', ours, nodes)).toEqual([
    { family: 4, address: '192.0.2.11', node: 'same' },
    { family: 6, address: '2001:db8::11', node: 'six' },
  ]);
  expect(addressConflicts('self', { ipv4: undefined, ipv6: undefined }, nodes)).toEqual([]);
});
