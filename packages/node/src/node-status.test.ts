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
  expect(nodeStatus(['BGP'], { status, sessions })).toEqual({
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
  expect(nodeStatus(['Agent'], { status, sessions })).toEqual({ agent: { birdV4: bird, birdV6: bird } });
  const gone = { state: 'NotReady' } as const;
  expect(nodeStatus(['Agent'], undefined)).toEqual({ agent: { birdV4: gone, birdV6: gone } });
});
