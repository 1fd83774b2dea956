import { describe, expect, test } from 'bun:test';
import type { ResourceUpdate } from '@calico/api';
import type { RouteInfo } from './messages.ts';
import { given, gone, workload } from './testing/builders.ts';
import { NODE, play } from './testing/replay.ts';
import { SCENARIOS } from './testing/scenarios.ts';

const ROUTES = SCENARIOS.get('routes') ?? [];

/** One line a route: cidr, type, pool's way, node, node's address, flags. */
function lines(updates: readonly (ResourceUpdate | 'inSync' | 'flush')[]): string[] {
  const print = (r: RouteInfo) => {
    const flags = (['sameSubnet', 'natOutgoing', 'borrowed', 'block'] as const).filter(flag => r[flag]);
    return [r.cidr, r.type, r.poolType, r.node ?? '-', r.nodeIp ?? '-', ...flags].join(' ');
  };
  return [...play(updates).routes.values()].map(print).sort();
}

describe('routes', () => {
  test('tell where the addresses of the cluster are', () => {
    expect(lines(ROUTES)).toEqual([
      '10.0.0.0/16 pool vxlan - - natOutgoing',
      '10.0.0.0/30 localWorkload vxlan node-1 192.168.0.1 sameSubnet natOutgoing block',
      '10.0.0.0/32 localTunnel vxlan node-1 192.168.0.1 sameSubnet natOutgoing',
      '10.0.0.1/32 localWorkload vxlan node-1 192.168.0.1 sameSubnet natOutgoing',
      '10.0.0.2/32 remoteWorkload vxlan node-2 192.168.0.2 sameSubnet natOutgoing borrowed',
      '10.0.1.0/24 pool ipip - -',
      '10.0.1.0/30 remoteWorkload ipip node-2 192.168.0.2 block',
      '10.0.1.0/32 remoteTunnel ipip node-2 192.168.0.2',
      '10.0.1.2/32 localWorkload ipip node-1 192.168.0.1',
      '10.0.2.0/32 remoteWorkload vxlan node-3 192.168.1.3 natOutgoing borrowed',
      '192.168.0.1/32 localHost none node-1 192.168.0.1',
      '192.168.0.2/32 remoteHost none node-2 192.168.0.2',
      '192.168.1.3/32 remoteHost none node-3 192.168.1.3',
    ]);
  });

  test('follow the pool', () => {
    const pool = given('IPPool', 'pool', { cidr: '10.0.0.0/16', ipipMode: 'Always' });
    const changed = lines([...ROUTES, 'inSync', 'flush', pool]).filter(line => line.includes('10.0.2.0'));
    expect(changed).toEqual(['10.0.2.0/32 remoteWorkload ipip node-3 192.168.1.3 borrowed']);
    const smaller = given('IPPool', 'pool', { cidr: '10.0.0.0/24' });
    expect(lines([...ROUTES, 'inSync', 'flush', smaller]).filter(line => line.includes('10.0.2.0'))).toEqual([
      '10.0.2.0/32 remoteWorkload none node-3 192.168.1.3 borrowed',
    ]);
  });

  test('follow the node', () => {
    const moved = given('CalicoNode', NODE, { bgp: { ipv4Address: '192.168.1.1/24' } });
    const sameSubnet = lines([...ROUTES, 'inSync', 'flush', moved]).filter(line => line.includes('sameSubnet'));
    expect(sameSubnet.filter(line => line.includes('remote'))).toEqual([
      '10.0.2.0/32 remoteWorkload vxlan node-3 192.168.1.3 sameSubnet natOutgoing borrowed',
    ]);
    const without = ROUTES.filter(({ name }) => name !== 'node-2');
    expect(lines(without)).toContain('10.0.1.0/30 remoteWorkload ipip node-2 - block');
  });

  test('mark an address that a local workload took from the block of another node', () => {
    const block = given('IPAMBlock', 'b2', {
      cidr: '10.0.1.0/30',
      affinity: 'host:node-2',
      allocations: [null, null, 0, null],
      attributes: [{ secondary: { node: NODE } }],
    });
    expect(lines([...ROUTES, block])).toContain('10.0.1.2/32 localWorkload ipip node-1 192.168.0.1 borrowed');
  });

  test('leave out a block that is marked as deleted', () => {
    const spec = {
      cidr: '10.7.0.0/30',
      affinity: 'host:node-1',
      allocations: [null, null, null, null],
      attributes: [],
    };
    expect(lines([given('IPAMBlock', 'b7', spec)])).toEqual(['10.7.0.0/30 localWorkload none node-1 - block']);
    expect(lines([given('IPAMBlock', 'b7', { ...spec, deleted: true })])).toEqual([]);
  });

  test('give an address to the first node when several have it', () => {
    const nodes = ['node-b', 'node-a'].map(name => given('CalicoNode', name, { bgp: { ipv4Address: '192.0.2.1/24' } }));
    expect(lines(nodes)).toEqual(['192.0.2.1/32 remoteHost none node-a 192.0.2.1']);
  });

  test('follow a node that claimed them in two ways', () => {
    const block = given('IPAMBlock', 'b', {
      cidr: '10.0.0.0/30',
      affinity: null,
      allocations: [0, null, null, null],
      attributes: [{ secondary: { node: 'node-2' } }],
    });
    const node2 = (ipv4Address: string, tunnel: object) =>
      given('CalicoNode', 'node-2', { bgp: { ipv4Address }, ...tunnel });
    const steps = [block, node2('192.0.2.1/24', { ipv4VXLANTunnelAddr: '10.0.0.0' }), node2('192.0.2.1/24', {})];
    expect(lines([...steps, 'inSync', 'flush', node2('192.0.2.2/24', {})])[0]).toBe(
      '10.0.0.0/32 remoteWorkload none node-2 192.0.2.2 borrowed',
    );
  });

  test('go with the last of those who claimed them', () => {
    const one = workload('shop/one', NODE, ['10.9.0.1/32']);
    const two = workload('shop/two', NODE, ['10.9.0.1/32']);
    expect(lines([one, two, gone(one)])).toEqual(['10.9.0.1/32 localWorkload none node-1 -']);
    expect(lines([one, two, gone(one), gone(two)])).toEqual([]);
  });
});
