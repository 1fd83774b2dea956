import { describe, expect, test } from 'bun:test';
import { CalicoNode, ClusterInformation, IPAMBlock, Node, Pod } from '@calico/api';
import { addr, parseCidr } from '@calico/ip';
import { addNodes, addressesInUse, newTestWorld, type TestWorld } from '../testing.ts';
import { startIpamGarbageCollector } from './garbage-collector.ts';
import { reservedOf } from './metrics.ts';

const MINUTE = 60_000;
const config = { leakGracePeriodMs: 15 * MINUTE };

/** The work of the garbage collector takes more turns than one advance of the clock lets pass. */
async function pass(world: TestWorld, ms: number): Promise<void> {
  for (const step of [ms, 0, 2000, 0, 2000, 0]) await world.clock.advance(step);
}

async function blocksOf({ calico }: TestWorld): Promise<(string | null | undefined)[]> {
  return (await calico.list(IPAMBlock)).items.map(({ spec }) => spec.affinity);
}

describe('the garbage collector', () => {
  test('releases the address of a pod that is gone after the grace period, and leaves the others', async () => {
    const world = await newTestWorld();
    await addNodes(world.kubernetes, 'node-1');
    const gone = await world.addPod('node-1', 'a');
    const kept = await world.addPod('node-1', 'b');
    const context = world.open();
    startIpamGarbageCollector(context, config);
    await pass(world, 0);
    await world.kubernetes.delete(Pod, { namespace: 'default', name: 'a' }, { gracePeriodSeconds: 0 });
    await pass(world, 14 * MINUTE);
    expect(await addressesInUse(world.ipam)).toBe(2);
    expect(await context.metrics.registry.metrics()).toContain(
      'ipam_allocations_gc_candidates{ippool="pool",node="node-1"} 1',
    );
    await pass(world, 16 * MINUTE);
    await expect(world.ipam.lookup(addr(gone))).rejects.toMatchObject({ code: 'NotFound' });
    expect((await world.ipam.lookup(addr(kept))).handle).toBe('net.b');
    expect(await world.ipam.check()).toEqual([]);
    const metrics = await context.metrics.registry.metrics();
    for (const line of [
      'ipam_allocations_in_use{ippool="pool",node="node-1"} 1',
      'ipam_allocations_gc_reclamations{ippool="pool",node="node-1"} 1',
      'ipam_blocks{ippool="pool",node="node-1"} 1',
      'ipam_ippool_size{ippool="pool"} 256',
      'ipam_ippool_reserved{ippool="pool"} 0',
      'ipam_allocations_per_node{node="node-1"} 1',
      'ipam_blocks_per_node{node="node-1"} 1',
    ]) {
      expect(metrics).toContain(line);
    }
    expect(context.lines.find(({ message }) => message === 'released a leaked address')?.fields).toMatchObject({
      address: gone,
      reason: 'the pod does not exist',
    });
    context.stop();
  });

  test('takes everything of a node that is gone at once, and nothing of others', async () => {
    const world = await newTestWorld();
    await addNodes(world.kubernetes, 'node-1', 'node-2');
    for (const pod of ['a', 'b']) await world.addPod('node-1', pod);
    const kept = await world.addPod('node-2', 'c');
    await world.ipam.autoAssign({
      node: 'node-1',
      nodeLabels: {},
      handle: 'vxlan-tunnel-addr-node-1',
      attributes: { node: 'node-1', type: 'vxlanTunnelAddress' },
      ipv4: 1,
      ipv6: 0,
      intendedUse: 'Tunnel',
    });
    const context = world.open();
    startIpamGarbageCollector(context, config);
    await pass(world, 0);
    for (const name of ['a', 'b'])
      await world.kubernetes.delete(Pod, { namespace: 'default', name }, { gracePeriodSeconds: 0 });
    await world.kubernetes.delete(Node, { name: 'node-1' });
    await pass(world, 0);
    expect(await blocksOf(world)).toEqual(['host:node-2']);
    expect((await world.ipam.lookup(addr(kept))).handle).toBe('net.c');
    expect(await world.ipam.check()).toEqual([]);
    context.stop();
  });

  test('rests while the datastore is locked', async () => {
    const world = await newTestWorld();
    await world.addPod('node-1', 'a');
    await world.kubernetes.delete(Pod, { namespace: 'default', name: 'a' }, { gracePeriodSeconds: 0 });
    const lock = (datastoreReady: boolean) =>
      world.calico.patch(ClusterInformation, { name: 'default' }, { spec: { datastoreReady } }, { type: 'merge' });
    await lock(false);
    const context = world.open();
    startIpamGarbageCollector(context, config);
    await pass(world, 60 * MINUTE);
    expect(await addressesInUse(world.ipam)).toBe(1);
    await lock(true);
    await pass(world, 0);
    expect(await addressesInUse(world.ipam)).toBe(0);
    context.stop();
  });

  test('does what failed again, and two at once do no harm', async () => {
    const world = await newTestWorld();
    await addNodes(world.kubernetes, 'node-2');
    const kept = await world.addPod('node-2', 'b');
    for (const pod of ['a', 'c', 'd']) {
      await world.addPod('node-1', pod);
      await world.kubernetes.delete(Pod, { namespace: 'default', name: pod }, { gracePeriodSeconds: 0 });
    }
    for (const code of ['Unavailable', 'Conflict', 'Timeout'] as const) world.calico.failNext('update', { code });
    const contexts = [world.open(), world.open()];
    for (const context of contexts) startIpamGarbageCollector(context, config);
    await pass(world, 0);
    await pass(world, 10 * MINUTE);
    expect(await blocksOf(world)).toEqual(['host:node-2']);
    expect((await world.ipam.lookup(addr(kept))).handle).toBe('net.b');
    expect(await world.ipam.check()).toEqual([]);
    for (const context of contexts) context.stop();
  });

  test('asks the server before it releases, whatever its own view says', async () => {
    const world = await newTestWorld();
    await addNodes(world.kubernetes, 'node-1');
    await world.addPod('node-1', 'a');
    const context = world.open();
    startIpamGarbageCollector(context, config);
    await pass(world, 0);
    // The view loses the pod, as one that is behind does.
    const pod = await world.kubernetes.get(Pod, { namespace: 'default', name: 'a' });
    await world.kubernetes.delete(Pod, { namespace: 'default', name: 'a' }, { gracePeriodSeconds: 0 });
    await pass(world, MINUTE);
    for (let i = 0; i < 300; i++) world.kubernetes.failNext('watch', { code: 'Unavailable' }, Pod);
    world.kubernetes.endWatches();
    const { resourceVersion: _version, uid: _uid, ...metadata } = pod.metadata;
    await world.kubernetes.create(Pod, { ...pod, metadata });
    for (let i = 0; i < 4; i++) await pass(world, 8 * MINUTE);
    expect(await addressesInUse(world.ipam)).toBe(1);
    expect(context.views.troubles).toHaveLength(1);
    context.stop();
  });

  test('knows nodes of Kubernetes by the reference in Calico’s own nodes, and leaves those without', async () => {
    const world = await newTestWorld({ separate: true });
    await addNodes(world.kubernetes, 'kube-1');
    const node = (name: string, orchRefs: NonNullable<CalicoNode['spec']['orchRefs']>): CalicoNode => ({
      apiVersion: 'projectcalico.org/v3',
      kind: 'Node',
      metadata: { name },
      spec: { orchRefs },
    });
    await world.calico.create(CalicoNode, node('one', [{ orchestrator: 'k8s', nodeName: 'kube-1' }]));
    await world.calico.create(CalicoNode, node('two', [{ orchestrator: 'k8s', nodeName: 'kube-2' }]));
    await world.calico.create(CalicoNode, node('other', []));
    for (const [name, pod] of [
      ['one', 'a'],
      ['two', 'b'],
      ['other', 'c'],
      ['nobody', 'd'],
    ] as const) {
      await world.addPod(name, pod);
      await world.kubernetes.delete(Pod, { namespace: 'default', name: pod }, { gracePeriodSeconds: 0 });
    }
    const context = world.open();
    startIpamGarbageCollector(context, config);
    await pass(world, 0);
    expect((await blocksOf(world)).sort()).toEqual(['host:one', 'host:other']);
    for (let i = 0; i < 3; i++) await pass(world, 8 * MINUTE);
    expect(await addressesInUse(world.ipam)).toBe(1);
    expect((await world.ipam.usage()).pools[0]?.blocks.find(({ allocated }) => allocated > 0)?.affinity).toBe(
      'host:other',
    );
    context.stop();
  });
});

test('reserved addresses of a pool are counted once, and those outside not at all', () => {
  const cidrs = ['10.0.0.0/30', '10.0.0.2/32', '10.0.1.0/24', '10.0.0.128/25', '192.0.2.0/24'].flatMap(
    text => parseCidr(text) ?? [],
  );
  const pool = parseCidr('10.0.0.0/24');
  expect(pool && reservedOf(pool, cidrs)).toBe(132n);
  const all = parseCidr('10.0.0.0/8');
  expect(pool && all && reservedOf(pool, [all])).toBe(256n);
});
