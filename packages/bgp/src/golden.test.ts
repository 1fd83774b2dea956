import { describe, expect, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ResourceUpdate } from '@calico/api';
import { birdExecutable } from '@calico/bird/testing';
import fc from 'fast-check';
import { BgpModel } from './bgp-model.ts';
import { block, config, node, peer, pool } from './testing.ts';

interface Case {
  /** Of the file in testdata. */
  readonly file: string;
  readonly name: string;
  readonly in: readonly ResourceUpdate[];
}

const own = node('node1', { ipv4Address: '172.30.1.11/24' });
const dualStack = (last: number) => ({
  ipv4Address: `172.30.1.${last}/24`,
  ipv6Address: `fd30::${last}/64`,
});

const cases: Case[] = [
  {
    file: 'router',
    name: 'a rack without mesh: one router as the peer of all nodes',
    in: [
      own,
      node('node2', { ipv4Address: '172.30.1.12/24' }),
      config({ nodeToNodeMeshEnabled: false, asNumber: 64512 }),
      peer('router', { peerIP: '172.30.1.1', asNumber: 64512 }),
      pool('10.244.0.0/16'),
      block('10.244.7.0/26'),
      block('10.244.8.0/26', 'node2'),
      block('10.244.9.0/26', 'node1', 'pending'),
    ],
  },
  {
    file: 'mesh',
    name: 'a mesh of nodes with both families: the side with the smaller address dials',
    in: [
      node('node1', dualStack(11)),
      node('node2', dualStack(12)),
      node('node0', { ...dualStack(10), asNumber: 64600 }),
      node('v4-only', { ipv4Address: '172.30.1.13/24' }),
      node('reflector', { ...dualStack(14), routeReflectorClusterID: '244.0.0.1' }),
      config({ nodeMeshMaxRestartTime: '1m30s' }),
      pool('10.244.0.0/16'),
      pool('fd44::/48'),
      block('10.244.7.0/26'),
      block('fd44::700/122'),
    ],
  },
  {
    file: 'reflector',
    name: 'a route reflector: clients are reflected to, other reflectors of its cluster are not, the mesh is off here',
    in: [
      node('node1', { ...dualStack(11), routeReflectorClusterID: '244.0.0.1' }, { role: 'reflector' }),
      node('node2', { ...dualStack(12), routeReflectorClusterID: '244.0.0.1' }, { role: 'reflector' }),
      node('node3', dualStack(13)),
      peer('reflectors', { peerSelector: "role == 'reflector'" }),
      pool('10.244.0.0/16'),
    ],
  },
  {
    file: 'options',
    name: 'every option of a peer',
    in: [
      node('node1', { ipv4Address: '172.30.1.11/24', asNumber: 65001 }, { rack: '1' }),
      config({ nodeToNodeMeshEnabled: false, listenPort: 1790, bindMode: 'NodeIP', logSeverityScreen: 'Debug' }),
      peer('a-far', {
        nodeSelector: "rack == '1'",
        peerIP: '192.0.2.1:1791',
        asNumber: 65010,
        localASNumber: 65100,
        ttlSecurity: 2,
        reachableBy: '172.30.1.1',
        maxRestartTime: '30s',
        keepaliveTime: '20s',
        numAllowedLocalASNumbers: 2,
        nextHopMode: 'Self',
      }),
      peer('b-secret', {
        node: 'node1',
        peerIP: '192.0.2.2',
        asNumber: 65010,
        password: { secretKeyRef: { name: 'bgp', key: 'router' } },
        sourceAddress: 'None',
        keepOriginalNextHop: true,
        maxRestartTime: '2h',
        keepaliveTime: '5m',
      }),
      peer('c-elsewhere', { node: 'node2', peerIP: '192.0.2.3', asNumber: 65010 }),
      peer('d-without-password', {
        peerIP: '192.0.2.4',
        asNumber: 65010,
        password: { secretKeyRef: { name: 'bgp', key: 'absent' } },
      }),
      pool('10.244.0.0/16'),
    ],
  },
  {
    file: 'pools',
    name: 'pools of all kinds, communities and priorities',
    in: [
      own,
      config({
        nodeToNodeMeshEnabled: false,
        logSeverityScreen: 'Warning',
        ignoredInterfaces: ['docker0', 'wlan*'],
        ipv4NormalRoutePriority: 2048,
        communities: [{ name: 'here', value: '64512:7' }],
        prefixAdvertisements: [
          { cidr: '10.244.0.0/16', communities: ['here', '64512:1:2', 'no such name'] },
          { cidr: 'fd44::/48', communities: ['here'] },
        ],
      }),
      peer('router', { peerIP: '172.30.1.1', asNumber: 65010 }),
      pool('10.241.0.0/16', { vxlanMode: 'CrossSubnet' }),
      pool('10.242.0.0/16', { ipipMode: 'Always', vxlanMode: 'Never' }),
      pool('10.243.0.0/16', { disabled: true }),
      pool('10.244.0.0/16'),
      pool('10.245.0.0/16', { disableBGPExport: true }),
      pool('fd44::/48'),
      block('10.244.7.0/26'),
      block('10.244.9.1/32'),
    ],
  },
  {
    file: 'any-source',
    name: 'a peer that is dialled from whatever address',
    in: [
      own,
      config({ nodeToNodeMeshEnabled: false, listenPort: 1790 }),
      peer('router', { peerIP: '192.0.2.1', sourceAddress: 'None' }),
    ],
  },
  {
    file: 'felix-routes',
    name: 'pools without encapsulation that Felix routes',
    in: [own, config({ programClusterRoutes: 'Disabled' }), pool('10.244.0.0/16')],
  },
];

function modelOf(updates: readonly ResourceUpdate[]): BgpModel {
  const model = new BgpModel({
    nodeName: 'node1',
    password: (secret, key) => (secret === 'bgp' && key === 'router' ? "it's open" : undefined),
  });
  for (const update of updates) model.update(update);
  return model;
}

describe('BgpModel renders', () => {
  for (const { file, name, in: updates } of cases) {
    const path = join(import.meta.dir, '..', 'testdata', `${file}.conf`);

    test(name, () => {
      const text = modelOf(updates).render() ?? '';
      if (process.env.UPDATE_GOLDEN === '1') writeFileSync(path, text);
      expect(text).toBe(readFileSync(path, 'utf8'));
    });

    test.skipIf(birdExecutable === undefined)(`${file}.conf, which BIRD accepts`, () => {
      const check = Bun.spawnSync([birdExecutable ?? '', '-p', '-c', path], { stderr: 'pipe' });
      expect(check.stderr.toString()).toBe('');
      expect(check.exitCode).toBe(0);
    });

    test(`${file}.conf whatever the order, with repeats and detours`, () => {
      const want = modelOf(updates).render();
      const detour = fc.record({ update: fc.constantFrom(...updates), gone: fc.boolean() });
      const order = fc.shuffledSubarray([...updates], { minLength: updates.length });
      fc.assert(
        fc.property(fc.array(detour), order, (detours, ordered) => {
          const model = modelOf([]);
          for (const { update, gone } of detours) {
            model.update(gone ? { ...update, resource: undefined } : update);
            model.render();
          }
          for (const update of ordered) model.update(update);
          expect(model.render()).toBe(want);
        }),
        { numRuns: 25 },
      );
    });
  }
});

describe('BgpModel', () => {
  test('renders nothing until the node and its address are known', () => {
    const model = modelOf([config({}), node('node2', { ipv4Address: '172.30.1.12/24' })]);
    expect(model.render()).toBeUndefined();
    model.update(node('node1', {}));
    expect(model.render()).toBeUndefined();
    model.update(own);
    expect(model.render()).toContain('router id 172.30.1.11;');
    model.update({ ...own, resource: undefined });
    expect(model.render()).toBeUndefined();
  });

  test('renders a node with IPv6 alone when it is given a router id', () => {
    const v6 = node('node1', { ipv6Address: 'fd30::11/64' });
    const without = modelOf([v6]);
    expect(without.render()).toBeUndefined();
    expect(without.problems()).toEqual(['Cannot configure BGP: router id is "absent"; allowed: an IPv4 address']);
    const model = new BgpModel({ nodeName: 'node1', routerId: '1.2.3.4' });
    model.update(v6);
    expect(model.render()).toContain('router id 1.2.3.4;');
    expect(model.render()).not.toContain('ipv4');
  });

  test('says what it leaves out', () => {
    const model = modelOf([
      own,
      peer('filtered', { peerIP: '192.0.2.1', asNumber: 65010, filters: ['only-ours'] }),
      peer('workloads', { localWorkloadSelector: 'all()', asNumber: 65010 }),
      peer('secret', {
        peerIP: '192.0.2.2',
        asNumber: 65010,
        password: { secretKeyRef: { name: 'bgp', key: 'absent' } },
      }),
    ]);
    expect(model.sessions()).toEqual([]);
    expect(model.problems()).toEqual([
      'Cannot peer as BGPPeer "filtered" says: filters is ["only-ours"]; allowed: none',
      'Cannot peer as BGPPeer "workloads" says: localWorkloadSelector is "all()"; allowed: none',
      'Cannot peer as BGPPeer "secret" says: password in Secret "bgp" under "absent" is not known; allowed: text of one line without quotation marks',
    ]);
  });

  test('looks passwords up anew when told to', () => {
    let secret: string | undefined;
    const model = new BgpModel({ nodeName: 'node1', password: () => secret });
    const password = { secretKeyRef: { name: 'bgp', key: 'router' } };
    for (const update of [own, peer('router', { peerIP: '192.0.2.2', password })]) model.update(update);
    expect(model.sessions()).toEqual([]);
    secret = 'open';
    model.refresh();
    expect(model.sessions()[0]?.password).toBe('open');
    expect(model.problems()).toEqual([]);
  });
});
