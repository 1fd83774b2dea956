import { describe, expect, test } from 'bun:test';
import type { IPPool } from '@calico/api';
import { addr, cidr } from '@calico/ip';
import { seededRandom } from '@calico/reconcile';
import { defaultPools, kubeadmPodSubnets, type PoolSituation } from './default-pools.ts';

const nothing: PoolSituation = {
  podSubnets: [],
  hostAddresses: [addr('203.0.113.5')],
  present: [],
  ipv6: false,
  random: seededRandom(1),
};

const pool = (name: string, text: string): IPPool => ({
  apiVersion: 'projectcalico.org/v3',
  kind: 'IPPool',
  metadata: { name },
  spec: { cidr: text },
});

const cidrs = (env: Record<string, string>, more: Partial<PoolSituation> = {}) =>
  defaultPools(env, { ...nothing, ...more }).map(({ spec }) => spec.cidr);

test('defaultPools gives Calico’s default pool of IPv4', () => {
  expect(defaultPools({}, nothing)).toEqual([
    expect.objectContaining({
      metadata: { name: 'default-ipv4-ippool' },
      spec: expect.objectContaining({
        cidr: '192.168.0.0/16',
        blockSize: 26,
        ipipMode: 'Never',
        vxlanMode: 'Never',
        natOutgoing: true,
        disableBGPExport: false,
        nodeSelector: 'all()',
      }),
    }),
  ]);
});

test('defaultPools gives a random unique local pool of IPv6 where the host has it', () => {
  const [, six] = defaultPools({}, { ...nothing, ipv6: true });
  expect(six?.metadata.name).toBe('default-ipv6-ippool');
  expect(six?.spec).toMatchObject({ blockSize: 122, natOutgoing: false, ipipMode: 'Never', vxlanMode: 'Never' });
  expect(six?.spec.cidr).toMatch(/^fd[0-9a-f]{2}:[0-9a-f:]+::\/48$/);
  const [, other] = defaultPools({}, { ...nothing, ipv6: true, random: seededRandom(2) });
  expect(other?.spec.cidr).not.toBe(six?.spec.cidr);
});

const host = (...texts: string[]) => ({ hostAddresses: texts.map(addr) });

describe('defaultPools chooses for IPv4', () => {
  test.each([
    ['what is said', { CALICO_IPV4POOL_CIDR: '10.244.0.0/16' }, {}, ['10.244.0.0/16']],
    ['the network of what is said', { CALICO_IPV4POOL_CIDR: '10.244.7.1/16' }, {}, ['10.244.0.0/16']],
    ['what kubeadm was told', {}, { podSubnets: [cidr('fd00::/64'), cidr('10.96.0.0/12')] }, ['10.96.0.0/12']],
    [
      'what is said before kubeadm',
      { CALICO_IPV4POOL_CIDR: '10.1.0.0/16' },
      { podSubnets: [cidr('10.96.0.0/12')] },
      ['10.1.0.0/16'],
    ],
    ['172.16 where the host is in 192.168', {}, host('192.168.7.1'), ['172.16.0.0/16']],
    ['the first free one', {}, host('192.168.7.1', '172.16.0.1', '172.17.0.1'), ['172.18.0.0/16']],
    [
      '192.168 all the same where all are taken',
      {},
      host('192.168.7.1', ...Array.from({ length: 16 }, (_, i) => `172.${16 + i}.0.1`)),
      ['192.168.0.0/16'],
    ],
    ['nothing with none', { CALICO_IPV4POOL_CIDR: 'none' }, {}, []],
    ['nothing with NO_DEFAULT_POOLS', { NO_DEFAULT_POOLS: 'True' }, {}, []],
    ['nothing where there is one', {}, { present: [pool('mine', '10.0.0.0/8')] }, []],
    ['one where there is only one of IPv6', {}, { present: [pool('mine', 'fd00::/64')] }, ['192.168.0.0/16']],
  ] as [string, Record<string, string>, Partial<PoolSituation>, string[]][])('%s', (_, env, more, expected) => {
    expect(cidrs(env, more)).toEqual(expected);
  });
});

describe('defaultPools chooses for IPv6', () => {
  const four = { CALICO_IPV4POOL_CIDR: 'none' };
  test.each([
    ['what is said', { CALICO_IPV6POOL_CIDR: 'fd00:1::/48' }, { ipv6: true }, ['fd00:1::/48']],
    [
      'what kubeadm was told',
      {},
      { ipv6: true, podSubnets: [cidr('10.0.0.0/8'), cidr('fd00:2::/56')] },
      ['fd00:2::/56'],
    ],
    ['nothing on a host without', { CALICO_IPV6POOL_CIDR: 'fd00:1::/48' }, {}, []],
    ['nothing when Felix is not to know IPv6', { FELIX_IPV6SUPPORT: 'false' }, { ipv6: true }, []],
    ['nothing with none', { CALICO_IPV6POOL_CIDR: 'none' }, { ipv6: true }, []],
    ['nothing where there is one', {}, { ipv6: true, present: [pool('mine', 'fd00::/64')] }, []],
  ] as [string, Record<string, string>, Partial<PoolSituation>, string[]][])('%s', (_, env, more, expected) => {
    expect(cidrs({ ...four, ...env }, more)).toEqual(expected);
  });
});

test.each([
  ['IPV4POOL_IPIP', 'Always', { ipipMode: 'Always' }],
  ['IPV4POOL_IPIP', 'crosssubnet', { ipipMode: 'CrossSubnet' }],
  ['IPV4POOL_IPIP', 'off', { ipipMode: 'Never' }],
  ['IPV4POOL_VXLAN', 'cross-subnet', { vxlanMode: 'CrossSubnet' }],
  ['IPV4POOL_VXLAN', 'ALWAYS', { vxlanMode: 'Always' }],
  ['IPV4POOL_VXLAN', '', { vxlanMode: 'Never' }],
  ['IPV4POOL_BLOCK_SIZE', '20', { blockSize: 20 }],
  ['IPV4POOL_BLOCK_SIZE', '', { blockSize: 26 }],
  ['IPV4POOL_NAT_OUTGOING', 'no', { natOutgoing: false }],
  ['IPV4POOL_NAT_OUTGOING', '', { natOutgoing: true }],
  ['IPV4POOL_NAT_OUTGOING', 'F', { natOutgoing: false }],
  ['IPV4POOL_DISABLE_BGP_EXPORT', 'true', { disableBGPExport: true }],
  ['IPV4POOL_DISABLE_BGP_EXPORT', '0', { disableBGPExport: false }],
  ['IPV4POOL_NODE_SELECTOR', "rack == 'a'", { nodeSelector: "rack == 'a'" }],
  ['IPV4POOL_NODE_SELECTOR', '', { nodeSelector: 'all()' }],
] as const)('CALICO_%s=%s', (variable, value, expected) => {
  expect(defaultPools({ [`CALICO_${variable}`]: value }, nothing)[0]?.spec).toMatchObject(expected);
});

test.each([
  ['VXLAN', 'Always', { vxlanMode: 'Always' }],
  ['BLOCK_SIZE', '128', { blockSize: 128 }],
  ['NAT_OUTGOING', 'yes', { natOutgoing: true }],
  ['DISABLE_BGP_EXPORT', 'yes', { disableBGPExport: true }],
  ['NODE_SELECTOR', 'has(six)', { nodeSelector: 'has(six)' }],
] as const)('CALICO_IPV6POOL_%s=%s', (field, value, expected) => {
  expect(defaultPools({ [`CALICO_IPV6POOL_${field}`]: value }, { ...nothing, ipv6: true })[1]?.spec).toMatchObject(
    expected,
  );
});

test.each([
  ['CALICO_IPV4POOL_CIDR', 'fd00::/64', 'a CIDR of IPv4, none'],
  ['CALICO_IPV4POOL_CIDR', '10.0.0.0', 'a CIDR of IPv4, none'],
  ['CALICO_IPV6POOL_CIDR', '10.0.0.0/8', 'a CIDR of IPv6, none'],
  ['CALICO_IPV4POOL_BLOCK_SIZE', '19', '20 to 32'],
  ['CALICO_IPV4POOL_BLOCK_SIZE', '26.5', '20 to 32'],
  ['CALICO_IPV6POOL_BLOCK_SIZE', '64', '116 to 128'],
  ['CALICO_IPV4POOL_IPIP', 'sometimes', 'Never, CrossSubnet, Always'],
  ['CALICO_IPV6POOL_VXLAN', 'toString', 'Never, CrossSubnet, Always'],
])('defaultPools refuses %s=%s, also where no pool would be made', (variable, value, allowed) => {
  for (const present of [[], [pool('four', '10.0.0.0/8'), pool('six', 'fd00::/64')]]) {
    expect(() => defaultPools({ [variable]: value }, { ...nothing, present })).toThrow(
      `Cannot start: ${variable} is "${value}"; allowed: ${allowed}`,
    );
  }
});

test.each([
  [
    'a selector that does not parse',
    { CALICO_IPV4POOL_NODE_SELECTOR: 'rack ==' },
    'CALICO_IPV4POOL_… make no valid pool: spec.nodeSelector',
  ],
  ['both overlays at once', { CALICO_IPV4POOL_IPIP: 'Always', CALICO_IPV4POOL_VXLAN: 'Always' }, 'make no valid pool'],
  ['a pool smaller than a block', { CALICO_IPV4POOL_CIDR: '10.0.0.0/28' }, 'make no valid pool'],
  [
    'a CIDR that NO_DEFAULT_POOLS contradicts',
    { NO_DEFAULT_POOLS: 'true', CALICO_IPV6POOL_CIDR: 'fd00::/64' },
    'CALICO_IPV6POOL_CIDR is "fd00::/64"; allowed: none beside NO_DEFAULT_POOLS=true',
  ],
])('defaultPools refuses %s', (_, env, words) => {
  expect(() => defaultPools(env as Record<string, string>, nothing)).toThrow(words);
});

test.each([
  [
    'one',
    'networking:\n  dnsDomain: cluster.local\n  podSubnet: 10.244.0.0/16\n  serviceSubnet: 10.96.0.0/12\n',
    ['10.244.0.0/16'],
  ],
  ['two', 'podSubnet: 10.244.0.0/16,fd00:244::/56\n', ['10.244.0.0/16', 'fd00:244::/56']],
  ['with blanks and quotes', 'podSubnet: "10.244.0.0/16, fd00:244::/56"', ['10.244.0.0/16', 'fd00:244::/56']],
  ['some that are none', 'podSubnet: nonsense,10.244.0.0/16', ['10.244.0.0/16']],
  ['an empty one', 'podSubnet: \nother: 10.0.0.0/8', []],
  ['none', 'networking: {}', []],
] as [string, string, string[]][])('kubeadmPodSubnets reads %s', (_, text, expected) => {
  expect(kubeadmPodSubnets({ ClusterConfiguration: text })).toEqual(expected.map(each => cidr(each)));
});
