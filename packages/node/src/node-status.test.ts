import { expect, test } from 'bun:test';
import type { BgpSessionState, BirdStatus } from '@calico/bird';
import { nodeStatus } from './node-status.ts';

const status: BirdStatus = {
  version: '2.0.12',
  routerId: '192.0.2.11',
  currentTime: '2026-01-01 00:02:00',
  lastReboot: '2026-01-01 00:00:00',
  lastReconfiguration: '2026-01-01 00:01:00',
  recovering: false,
  message: 'Daemon is up and running',
};

const session = (name: string, neighbourAddress: string, bgpState: string): BgpSessionState => ({
  name,
  neighbourAddress,
  bgpState,
  proto: 'BGP',
  table: '---',
  state: 'up',
  since: '2026-01-01 00:00:30',
  info: bgpState,
  neighbourAs: 64512,
  lastError: undefined,
  routes: undefined,
});

const sessions = [
  session('Mesh_192_0_2_12', '192.0.2.12', 'Established'),
  session('Global_192_0_2_1', '192.0.2.1', 'Active'),
  session('Node_fe80__1', 'fe80::1%eth0', 'Passive'),
  session('mine', '192.0.2.99', 'Established'),
];

test('nodeStatus counts and lists the sessions of each family', () => {
  const since = '2026-01-01 00:00:30';
  expect(nodeStatus(['BGP'], { status, sessions, routes: [] })).toEqual({
    bgp: {
      numberEstablishedV4: 1,
      numberNotEstablishedV4: 1,
      numberEstablishedV6: 0,
      numberNotEstablishedV6: 1,
      peersV4: [
        { peerIP: '192.0.2.12', type: 'NodeMesh', state: 'Established', since },
        { peerIP: '192.0.2.1', type: 'GlobalPeer', state: 'Active', since },
      ],
      peersV6: [{ peerIP: 'fe80::1%eth0', type: 'NodePeer', state: 'Idle', since }],
    },
  });
});

test('nodeStatus says how BIRD stands, and that it does not', () => {
  const bird = {
    state: 'Ready',
    version: '2.0.12',
    routerID: '192.0.2.11',
    lastBootTime: '2026-01-01 00:00:00',
    lastReconfigurationTime: '2026-01-01 00:01:00',
  } as const;
  expect(nodeStatus(['Agent'], { status, sessions, routes: [] })).toEqual({ agent: { birdV4: bird, birdV6: bird } });
  const gone = { state: 'NotReady' } as const;
  expect(nodeStatus(['Agent'], undefined)).toEqual({ agent: { birdV4: gone, birdV6: gone } });
});

test('nodeStatus lists the routes of each family, with what told them', () => {
  const hop = { gateway: '192.0.2.12', interfaceName: 'eth0' };
  const route = { kind: 'unicast', primary: true, nexthops: [hop] };
  const routes = [
    { ...route, destination: '10.65.0.0/26', from: 'Mesh_192_0_2_12' },
    { ...route, destination: '10.65.0.0/26', from: 'Global_192_0_2_1', primary: false },
    {
      ...route,
      destination: '192.0.2.0/24',
      from: 'direct1',
      nexthops: [{ gateway: undefined, interfaceName: 'eth0' }],
    },
    { ...route, destination: '10.66.0.0/26', from: 'static1', kind: 'blackhole', nexthops: [] },
    { ...route, destination: 'fd00::/64', from: 'kernel2', nexthops: [] },
    { ...route, destination: '10.99.0.0/24', from: 'mine' },
  ];
  expect(nodeStatus(['Routes'], { status, sessions, routes })).toEqual({
    routes: {
      routesV4: [
        {
          type: 'FIB',
          destination: '10.65.0.0/26',
          gateway: '192.0.2.12',
          interface: 'eth0',
          learnedFrom: { sourceType: 'NodeMesh', peerIP: '192.0.2.12' },
        },
        {
          type: 'RIB',
          destination: '10.65.0.0/26',
          gateway: '192.0.2.12',
          interface: 'eth0',
          learnedFrom: { sourceType: 'BGPPeer', peerIP: '192.0.2.1' },
        },
        {
          type: 'FIB',
          destination: '192.0.2.0/24',
          gateway: 'N/A',
          interface: 'eth0',
          learnedFrom: { sourceType: 'Direct' },
        },
        {
          type: 'FIB',
          destination: '10.66.0.0/26',
          gateway: 'N/A',
          interface: 'blackhole',
          learnedFrom: { sourceType: 'Static' },
        },
      ],
      routesV6: [
        {
          type: 'FIB',
          destination: 'fd00::/64',
          gateway: 'N/A',
          interface: 'unicast',
          learnedFrom: { sourceType: 'Kernel' },
        },
      ],
    },
  });
  expect(nodeStatus(['Routes'], undefined)).toEqual({});
});
