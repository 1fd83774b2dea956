import { expect, test } from 'bun:test';
import { untyped, validationCases } from '../../testing.ts';
import { BGPConfiguration } from './bgp-configuration.ts';
import { BGPPeer } from './bgp-peer.ts';
import { parsePeerAddress } from './bgp-peer-rules.ts';

const bgp = (spec: BGPConfiguration['spec']) => (c: BGPConfiguration) => {
  c.spec = spec;
};
const peer = (spec: BGPPeer['spec']) => (p: BGPPeer) => {
  p.spec = spec;
};

test.each([
  ...validationCases<BGPConfiguration>(
    BGPConfiguration,
    [
      { name: 'the example', change: () => {} },
      { name: 'an AS number as text', change: bgp({ asNumber: untyped('64512') }) },
      { name: 'an AS number in two parts', change: bgp({ asNumber: untyped('1.10') }) },
      {
        name: 'a configuration of one node',
        change: c => Object.assign(c, { metadata: { name: 'node.node-1' }, spec: { listenPort: 1790 } }),
      },
      { name: 'patterns of interfaces', change: bgp({ ignoredInterfaces: ['docker*', 'eth0'] }) },
    ],
    [
      {
        name: 'an AS number too large',
        change: bgp({ asNumber: 2 ** 32 }),
        path: 'spec.asNumber',
        value: 2 ** 32,
        allowed: 'from 0 to 4294967295',
      },
      {
        name: 'an AS number in words',
        change: bgp({ asNumber: untyped('mine') }),
        path: 'spec.asNumber',
        value: 'mine',
        allowed: 'a whole number',
      },
      {
        name: 'another name',
        change: c => Object.assign(c, { metadata: { name: 'mine' }, spec: {} }),
        path: 'metadata.name',
        value: 'mine',
        allowed: '"default" or "node.',
      },
      {
        name: 'the mesh of one node',
        change: c => Object.assign(c, { metadata: { name: 'node.a' }, spec: { nodeToNodeMeshEnabled: true } }),
        path: 'spec.nodeToNodeMeshEnabled',
        value: true,
        allowed: 'only in the configuration "default"',
      },
      {
        name: 'a restart time of no mesh',
        change: bgp({ nodeToNodeMeshEnabled: false, nodeMeshMaxRestartTime: '90s' }),
        path: 'spec.nodeMeshMaxRestartTime',
        value: '90s',
        allowed: 'not allowed when nodeToNodeMeshEnabled is false',
      },
      {
        name: 'communities for nothing',
        change: bgp({ communities: [{ name: 'a', value: '1:2' }] }),
        path: 'spec.prefixAdvertisements',
        allowed: 'at least one prefix',
      },
      {
        name: 'a community of 17 bits',
        change: bgp({ prefixAdvertisements: [{ cidr: '10.0.0.0/8', communities: ['65536:1'] }] }),
        path: 'spec.prefixAdvertisements[0].communities[0]',
        value: '65536:1',
        allowed: 'numbers to 65535',
      },
      {
        name: 'a community that has no name',
        change: bgp({ prefixAdvertisements: [{ cidr: '10.0.0.0/8', communities: ['blue'] }] }),
        path: 'spec.prefixAdvertisements[0].communities[0]',
        value: 'blue',
        allowed: 'a name in spec.communities',
      },
      {
        name: 'all interfaces',
        change: bgp({ ignoredInterfaces: ['*'] }),
        path: 'spec.ignoredInterfaces[0]',
        value: '*',
        allowed: 'not alone',
      },
      { name: 'port 0', change: bgp({ listenPort: 0 }), path: 'spec.listenPort', value: 0, allowed: 'from 1 to 65535' },
    ],
  ),
  ...validationCases<BGPPeer>(
    BGPPeer,
    [
      { name: 'the example', change: () => {} },
      { name: 'a port', change: peer({ peerIP: '[2001:db8::1]:1790', asNumber: 1, reachableBy: 'fd00::1' }) },
      { name: 'nodes as peers', change: peer({ node: 'a', peerSelector: 'has(rr)' }) },
      { name: 'workloads as peers', change: peer({ localWorkloadSelector: 'has(vm)', asNumber: 65000 }) },
      { name: 'empty fields', change: peer({ node: '', nodeSelector: 'all()', peerIP: '10.0.0.1', peerSelector: '' }) },
    ],
    [
      {
        name: 'a node and a selector',
        change: peer({ node: 'a', nodeSelector: 'all()' }),
        path: 'spec.nodeSelector',
        value: 'all()',
        allowed: 'together with node',
      },
      {
        name: 'an address and a selector',
        change: peer({ peerIP: '10.0.0.1', peerSelector: 'all()' }),
        path: 'spec.peerSelector',
        value: 'all()',
        allowed: 'together with peerIP',
      },
      {
        name: 'an AS number of nodes',
        change: peer({ peerSelector: 'all()', asNumber: 1 }),
        path: 'spec.asNumber',
        value: 1,
        allowed: 'together with peerSelector',
      },
      {
        name: 'a name as address',
        change: peer({ peerIP: 'router' }),
        path: 'spec.peerIP',
        value: 'router',
        allowed: '"[address]:port"',
      },
      {
        name: 'workloads at an address',
        change: peer({ localWorkloadSelector: 'all()', peerIP: '10.0.0.1', asNumber: 1 }),
        path: 'spec.peerIP',
        value: '10.0.0.1',
        allowed: 'together with localWorkloadSelector',
      },
      {
        name: 'workloads of no AS',
        change: peer({ localWorkloadSelector: 'all()' }),
        path: 'spec.asNumber',
        allowed: 'the AS number of the workloads',
      },
      {
        name: 'a gateway to nowhere',
        change: peer({ reachableBy: '10.0.0.1' }),
        path: 'spec.peerIP',
        allowed: 'as reachableBy is given',
      },
      {
        name: 'a gateway of the other family',
        change: peer({ peerIP: 'fd00::1', reachableBy: '10.0.0.1' }),
        path: 'spec.reachableBy',
        value: '10.0.0.1',
        allowed: 'must be IPv6',
      },
      {
        name: 'a gateway in words',
        change: peer({ peerIP: 'fd00::1', reachableBy: 'gw' }),
        path: 'spec.reachableBy',
        value: 'gw',
        allowed: 'an IP address',
      },
      {
        name: 'two ways to say Keep',
        change: peer({ keepOriginalNextHop: true, nextHopMode: 'Keep' }),
        path: 'spec.nextHopMode',
        value: 'Keep',
        allowed: 'together with keepOriginalNextHop',
      },
      {
        name: '256 hops',
        change: peer({ ttlSecurity: 256 }),
        path: 'spec.ttlSecurity',
        value: 256,
        allowed: 'from 0 to 255',
      },
    ],
  ),
])('$name', ({ got, want }) => {
  expect(got()).toEqual(want);
});

test.each([
  { text: '192.0.2.1', port: undefined },
  { text: '192.0.2.1:179', port: 179 },
  { text: '2001:db8::1', port: undefined },
  { text: '[2001:db8::1]:179', port: 179 },
])('parsePeerAddress reads $text', ({ text, port }) => {
  expect(parsePeerAddress(text)?.port).toBe(port);
});

test.each(['', 'a', '192.0.2.1:0', '192.0.2.1:65536', '[192.0.2.1]:179', '[2001:db8::1]', ':179'])(
  'parsePeerAddress refuses "%s"',
  text => {
    expect(parsePeerAddress(text)).toBeUndefined();
  },
);

test('AS numbers written as text become numbers', () => {
  const config = BGPConfiguration.default({ ...BGPConfiguration.example(), spec: { asNumber: untyped('1.10') } });
  expect(config.spec.asNumber).toBe(65546);
});

test('AS numbers written as text become numbers', () => {
  const config = BGPConfiguration.default({ ...BGPConfiguration.example(), spec: { asNumber: untyped('1.10') } });
  expect(config.spec.asNumber).toBe(65546);
});
