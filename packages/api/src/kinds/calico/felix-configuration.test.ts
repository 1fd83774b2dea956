import { expect, test } from 'bun:test';
import { untyped, validationCases } from '../../testing.ts';
import { ClusterInformation } from './cluster-information.ts';
import { FelixConfiguration } from './felix-configuration.ts';

const felix = (spec: FelixConfiguration['spec']) => (c: FelixConfiguration) => {
  c.spec = spec;
};

test.each([
  ...validationCases<FelixConfiguration>(
    FelixConfiguration,
    [
      { name: 'the example', change: () => {} },
      { name: 'words in any case', change: felix({ iptablesFilterDenyAction: 'REJECT', logSeverityScreen: 'debug' }) },
      { name: 'no words', change: felix({ chainInsertMode: '' }) },
      { name: 'spans of time', change: felix({ reportingInterval: '0s', netlinkTimeout: '1m30.5s' }) },
      {
        name: 'a configuration for some nodes',
        change: c => Object.assign(c, { metadata: { name: 'racks' }, spec: { nodeSelector: 'has(rack)' } }),
      },
      {
        name: 'ranges of ports',
        change: felix({ kubeNodePortRanges: ['30000:32767', 40000], natPortRange: '10000:20000' }),
      },
      {
        name: 'failsafe ports',
        change: felix({ failsafeInboundHostPorts: [{ protocol: 'tcp', port: 22, net: '10.0.0.0/8' }] }),
      },
    ],
    [
      {
        name: 'a word that is none',
        change: felix({ chainInsertMode: 'first' }),
        path: 'spec.chainInsertMode',
        value: 'first',
        allowed: '"Insert", "Append", in any case',
      },
      {
        name: 'a time without unit',
        change: felix({ reportingInterval: '30' }),
        path: 'spec.reportingInterval',
        value: '30',
        allowed: 'such as "90s"',
      },
      {
        name: 'a rate without unit',
        change: felix({ logActionRateLimit: '10' }),
        path: 'spec.logActionRateLimit',
        value: '10',
        allowed: '"10/minute"',
      },
      {
        name: 'an IPv6 address for IPv4',
        change: felix({ natOutgoingAddress: '::1' }),
        path: 'spec.natOutgoingAddress',
        value: '::1',
        allowed: 'an IPv4 address',
      },
      {
        name: 'an IPv4 address for IPv6',
        change: felix({ deviceRouteSourceAddressIPv6: '10.0.0.1' }),
        path: 'spec.deviceRouteSourceAddressIPv6',
        value: '10.0.0.1',
        allowed: 'an IPv6 address',
      },
      {
        name: 'a selector in the default',
        change: felix({ nodeSelector: 'all()' }),
        path: 'spec.nodeSelector',
        value: 'all()',
        allowed: 'not allowed in the configuration "default"',
      },
      {
        name: 'tables twice',
        change: felix({ routeTableRange: { min: 1, max: 2 }, routeTableRanges: [] }),
        path: 'spec.routeTableRange',
        value: { min: 1, max: 2 },
        allowed: 'not allowed together',
      },
      {
        name: 'tables beyond 250',
        change: felix({ routeTableRange: { min: 1, max: 251 } }),
        path: 'spec.routeTableRange',
        value: { min: 1, max: 251 },
        allowed: 'from 1 to 250',
      },
      {
        name: 'tables the wrong way',
        change: felix({ routeTableRanges: [{ min: 9, max: 8 }] }),
        path: 'spec.routeTableRanges[0]',
        value: { min: 9, max: 8 },
        allowed: 'not above max',
      },
      {
        name: 'a mark of 33 bits',
        change: felix({ nftablesMarkMask: 2 ** 32 }),
        path: 'spec.nftablesMarkMask',
        value: 2 ** 32,
        allowed: 'from 0 to 4294967295',
      },
      {
        name: 'text for a switch',
        change: felix({ bpfEnabled: untyped('yes') }),
        path: 'spec.bpfEnabled',
        value: 'yes',
        allowed: 'true or false',
      },
    ],
  ),
  ...validationCases<ClusterInformation>(
    ClusterInformation,
    [{ name: 'the example', change: () => {} }],
    [
      {
        name: 'another name',
        change: c => (c.metadata.name = 'mine'),
        path: 'metadata.name',
        value: 'mine',
        allowed: '"default"',
      },
      {
        name: 'a GUID with dashes',
        change: c => (c.spec.clusterGUID = 'a-b'),
        path: 'spec.clusterGUID',
        value: 'a-b',
        allowed: '32 hexadecimal digits',
      },
    ],
  ),
])('$name', ({ got, want }) => {
  expect(got()).toEqual(want);
});
