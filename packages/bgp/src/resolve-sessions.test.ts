import { describe, expect, test } from 'bun:test';
import type { ResourceUpdate } from '@calico/api';
import { BgpModel } from './bgp-model.ts';
import { isInternal, type Session } from './session.ts';
import { config, node, peer } from './testing.ts';

/** One line for each session: name, who dials, AS numbers, what is out of the ordinary. */
function print(session: Session): string {
  const { name, neighbour, local, passive, clusterId, nextHop } = session;
  return [
    name,
    `${local.as}→${neighbour.as}`,
    neighbour.port === undefined ? [] : `port ${neighbour.port}`,
    passive ? 'waits' : 'dials',
    clusterId === undefined ? [] : `reflects ${clusterId}`,
    nextHop === 'auto' ? [] : `next hop ${nextHop}`,
  ]
    .flat()
    .join(' ');
}

const noMesh = config({ nodeToNodeMeshEnabled: false });
const n = (last: number, more: object = {}, labels: Record<string, string> = {}) =>
  node(`node${last}`, { ipv4Address: `172.30.1.${last}/24`, ...more }, labels);

const cases: { name: string; in: ResourceUpdate[]; want: string[] }[] = [
  {
    name: 'the mesh is on by default; of two nodes the one with the smaller address, as text, dials',
    in: [n(5), n(11), n(12)],
    // '172.30.1.5' is the largest.
    want: ['Mesh_172_30_1_11 64512→64512 dials', 'Mesh_172_30_1_12 64512→64512 dials'],
  },
  {
    name: "a node without AS number has the cluster's",
    in: [n(5), n(6, { asNumber: 65006 }), n(7), config({ asNumber: 65000 })],
    want: ['Mesh_172_30_1_6 65000→65006 waits', 'Mesh_172_30_1_7 65000→65000 waits'],
  },
  {
    name: "neighbours listen where their own configuration, else the cluster's, says",
    in: [n(5), n(6), n(7), config({ listenPort: 1790 }), config({ listenPort: 1791 }, 'node.node6')],
    want: ['Mesh_172_30_1_6 64512→64512 port 1791 waits', 'Mesh_172_30_1_7 64512→64512 port 1790 waits'],
  },
  {
    name: 'reflectors take no part in the mesh',
    in: [n(5, { routeReflectorClusterID: '1.0.0.1' }), n(6)],
    want: [],
  },
  {
    name: 'a peer of all nodes that is a node itself: the smaller address dials, and nobody peers with himself',
    in: [n(5), n(6), noMesh, peer('self', { peerIP: '172.30.1.5' }), peer('six', { peerIP: '172.30.1.6' })],
    want: ['Global_172_30_1_6 64512→64512 waits'],
  },
  {
    name: "a router is dialled, with the AS that is given, else the cluster's",
    in: [
      n(5, { asNumber: 65005 }),
      noMesh,
      peer('a', { peerIP: '192.0.2.1', asNumber: 65010 }),
      peer('b', { peerIP: '192.0.2.2' }),
    ],
    want: ['Global_192_0_2_1 65005→65010 dials', 'Global_192_0_2_2 65005→64512 dials'],
  },
  {
    name: 'a port of the peer stands in the name',
    in: [n(5), noMesh, peer('a', { peerIP: '192.0.2.1:1790', asNumber: 65010 })],
    want: ['Global_192_0_2_1_port_1790 64512→65010 port 1790 dials'],
  },
  {
    name: 'a peer of all nodes hides the same peer of this node',
    in: [
      n(5),
      noMesh,
      peer('a', { node: 'node5', peerIP: '192.0.2.1', asNumber: 1 }),
      peer('b', { peerIP: '192.0.2.1', asNumber: 2 }),
    ],
    want: ['Global_192_0_2_1 64512→2 dials'],
  },
  {
    name: 'peers of other nodes are none of ours',
    in: [
      n(5, {}, { rack: '1' }),
      noMesh,
      peer('a', { node: 'node6', peerIP: '192.0.2.1' }),
      peer('b', { nodeSelector: "rack == '2'", peerIP: '192.0.2.2' }),
      peer('c', { nodeSelector: "rack == '1'", peerIP: '192.0.2.3' }),
      peer('d', { nodeSelector: 'broken ==', peerIP: '192.0.2.4' }),
    ],
    want: ['Node_192_0_2_3 64512→64512 dials'],
  },
  {
    name: 'the remote side peers back by itself',
    in: [
      n(5, {}, { top: 'yes' }),
      n(6),
      n(7),
      noMesh,
      peer('a', { nodeSelector: '!has(top)', peerSelector: 'has(top)' }),
    ],
    want: ['Node_172_30_1_6 64512→64512 dials', 'Node_172_30_1_7 64512→64512 dials'],
  },
  {
    name: 'also where it is named by address and AS',
    in: [n(5), n(6), noMesh, peer('a', { node: 'node6', peerIP: '172.30.1.5', localASNumber: 65006 })],
    want: ['Node_172_30_1_6 64512→65006 dials'],
  },
  {
    name: 'not where that is left to the operator',
    in: [n(5), n(6), noMesh, peer('a', { node: 'node6', peerIP: '172.30.1.5', reversePeering: 'Manual' })],
    want: [],
  },
  {
    name: 'an explicit peer takes the place of the mesh with the same node',
    in: [n(5), n(6), n(7), peer('b', { node: 'node5', peerIP: '172.30.1.6' })],
    want: ['Mesh_172_30_1_7 64512→64512 waits', 'Node_172_30_1_6 64512→64512 dials'],
  },
  {
    name: 'a reflector reflects to neighbours of its AS outside of its cluster',
    in: [
      n(5, { routeReflectorClusterID: '1.0.0.1' }, { r: '1' }),
      n(6, { routeReflectorClusterID: '1.0.0.1' }, { r: '1' }),
      n(7, { routeReflectorClusterID: '1.0.0.2' }, { r: '1' }),
      n(8, { asNumber: 65008 }, { r: '1' }),
      peer('a', { peerSelector: 'has(r)' }),
      peer('router', { peerIP: '192.0.2.1' }),
    ],
    want: [
      'Global_172_30_1_6 64512→64512 waits',
      'Global_172_30_1_7 64512→64512 waits reflects 1.0.0.1',
      'Global_172_30_1_8 64512→65008 waits',
      'Global_192_0_2_1 64512→64512 dials reflects 1.0.0.1',
    ],
  },
  {
    name: 'the old field for next hops speaks of external peers only',
    in: [
      n(5),
      noMesh,
      peer('a', { peerIP: '192.0.2.1', keepOriginalNextHop: true }),
      peer('b', { peerIP: '192.0.2.2', asNumber: 65010, keepOriginalNextHop: true }),
      peer('c', { peerIP: '192.0.2.3', nextHopMode: 'Keep' }),
    ],
    want: [
      'Global_192_0_2_1 64512→64512 dials',
      'Global_192_0_2_2 64512→65010 dials next hop keep',
      'Global_192_0_2_3 64512→64512 dials next hop keep',
    ],
  },
];

describe('sessions', () => {
  for (const { name, in: updates, want } of cases) {
    test(name, () => {
      const model = new BgpModel({ nodeName: 'node5' });
      for (const update of updates) model.update(update);
      expect(model.sessions().map(print)).toEqual(want);
    });
  }

  test('between two nodes of a mesh come in pairs: one dials, one waits', () => {
    const updates = [n(5), n(11), n(12), n(100)];
    const dialled = new Map<string, number>();
    for (const own of [5, 11, 12, 100]) {
      const model = new BgpModel({ nodeName: `node${own}` });
      for (const update of updates) model.update(update);
      for (const session of model.sessions()) {
        const pair = [`172.30.1.${own}`, session.neighbour.address].sort().join(' ');
        dialled.set(pair, (dialled.get(pair) ?? 0) + (session.passive ? 0 : 1));
      }
    }
    expect([...dialled.values()]).toEqual([1, 1, 1, 1, 1, 1]);
  });

  test('are internal when both ends are of one AS', () => {
    const model = new BgpModel({ nodeName: 'node5' });
    for (const update of [n(5), n(6), n(7, { asNumber: 65007 })]) model.update(update);
    expect(model.sessions().map(isInternal)).toEqual([true, false]);
  });
});
