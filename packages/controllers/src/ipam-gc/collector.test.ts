import { describe, expect, test } from 'bun:test';
import { BlockAffinity, type IPAMBlock } from '@calico/api';
import { printAddr, printCidr } from '@calico/ip';
import { randomInt, seededRandom } from '@calico/reconcile';
import { type CollectorPlan, type CollectorSettings, confirmLeak, IpamCollector } from './collector.ts';
import { podOn, TestCluster, testBlock, type Use } from './testing.ts';

const MINUTE = 60_000;
const WALL = 1_767_225_600_000;
const settings: CollectorSettings = { leakGracePeriodMs: 15 * MINUTE, cooldownMs: 0 };

function collectorOf(...blocks: IPAMBlock[]): IpamCollector {
  const collector = new IpamCollector();
  for (const block of blocks) collector.setBlock(block);
  return collector;
}

/** Looks at everything. */
function look(collector: IpamCollector, cluster: TestCluster, now: number, more: Partial<CollectorSettings> = {}) {
  collector.markAllDirty();
  return collector.collect(cluster, { ...settings, ...more }, now, WALL + now);
}

function released({ releases }: CollectorPlan): string[] {
  return [...releases.values()].flat().map(({ allocation }) => printAddr(allocation.address));
}

function suspects(collector: IpamCollector): string[] {
  return collector.suspects.map(({ address }) => printAddr(address));
}

describe('whose an address is', () => {
  /** What becomes of 10.0.0.1, in use on node "a", when it is looked at twice, long enough apart. */
  const cases: {
    name: string;
    use?: Partial<Use>;
    cluster: (cluster: TestCluster) => void;
    want: 'kept' | 'released';
  }[] = [
    { name: 'a pod that has it keeps it', cluster: c => c.run('web', 'a', ['10.0.0.1']), want: 'kept' },
    { name: 'a pod that is gone loses it', cluster: () => {}, want: 'released' },
    { name: 'a pod that is on another node now loses it', cluster: c => c.run('web', 'b', []), want: 'released' },
    { name: 'a pod that has no address yet keeps it', cluster: c => c.run('web', 'a', []), want: 'kept' },
    { name: 'a pod that has no node yet keeps it', cluster: c => c.run('web', undefined, []), want: 'kept' },
    { name: 'a pod with other addresses loses it', cluster: c => c.run('web', 'a', ['10.0.9.9']), want: 'released' },
    {
      name: 'a pod with another address beside it keeps it',
      cluster: c => c.run('web', 'a', ['fd00::1', '10.0.0.1']),
      want: 'kept',
    },
    {
      name: 'a pod that was evicted loses it',
      cluster: c => c.run('web', 'a', ['10.0.0.1'], true),
      want: 'released',
    },
    { name: 'an address of nobody known is kept', use: { attributes: { node: 'a' } }, cluster: () => {}, want: 'kept' },
    { name: 'an address without node is kept', use: { attributes: {} }, cluster: () => {}, want: 'kept' },
    {
      name: 'a tunnel of a node that is there keeps it',
      use: { attributes: { node: 'a', type: 'vxlanTunnelAddress' } },
      cluster: () => {},
      want: 'kept',
    },
    {
      name: 'what is reserved for Windows is kept',
      use: { handle: 'windows-reserved-ipam-handle', attributes: podOn('a', 'web') },
      cluster: () => {},
      want: 'kept',
    },
    { name: 'an address without handle is kept', use: { handle: '' }, cluster: () => {}, want: 'kept' },
    {
      name: 'an address of a node that is not one of Kubernetes is kept',
      cluster: c => c.nodes.set('a', { state: 'foreign' }),
      want: 'kept',
    },
    {
      name: 'a virtual machine that is there keeps it, whatever pod it runs in',
      use: { attributes: { ...podOn('a', 'launcher'), 'vmi-name': 'vm' } },
      cluster: c => c.vms.set('default/vm', true),
      want: 'kept',
    },
    {
      name: 'a virtual machine that cannot be looked up keeps it',
      use: { attributes: { ...podOn('a', 'launcher'), 'vmi-name': 'vm' } },
      cluster: () => {},
      want: 'kept',
    },
    {
      name: 'a virtual machine that is gone loses it',
      use: { attributes: { ...podOn('a', 'launcher'), 'vmi-name': 'vm' } },
      cluster: c => c.vms.set('default/vm', false),
      want: 'released',
    },
    {
      name: 'the other owner of a live migration keeps it',
      use: { alternate: podOn('a', 'other') },
      cluster: c => c.run('other', 'a', ['10.0.0.1']),
      want: 'kept',
    },
  ];
  for (const { name, use, cluster: arrange, want } of cases) {
    test(name, () => {
      const cluster = new TestCluster('a', 'b');
      arrange(cluster);
      const collector = collectorOf(testBlock(0, 'host:a', [{ at: 1, attributes: podOn('a', 'web'), ...use }]));
      expect(released(look(collector, cluster, 0))).toEqual([]);
      const plan = look(collector, cluster, 16 * MINUTE);
      expect(released(plan)).toEqual(want === 'released' ? ['10.0.0.1'] : []);
      expect(suspects(collector)).toEqual(want === 'released' ? ['10.0.0.1'] : []);
    });
  }
});

describe('when an address is released', () => {
  const leaked = () => collectorOf(testBlock(0, 'host:a', [{ at: 1, attributes: podOn('a', 'web') }]));

  test('only once the grace period has passed, counted from when it was first seen', () => {
    const collector = leaked();
    const cluster = new TestCluster('a');
    for (const [minutes, want] of [
      [3, []],
      [10, []],
      [18, []],
      [18.01, ['10.0.0.1']],
      [30, ['10.0.0.1']],
    ] as const) {
      expect(released(look(collector, cluster, minutes * MINUTE))).toEqual([...want]);
    }
  });

  test('the grace period starts anew when the owner was back in between', () => {
    const collector = leaked();
    const cluster = new TestCluster('a');
    look(collector, cluster, 0);
    cluster.run('web', 'a', ['10.0.0.1']);
    look(collector, cluster, 10 * MINUTE);
    expect(suspects(collector)).toEqual([]);
    cluster.pods.clear();
    expect(released(look(collector, cluster, 20 * MINUTE))).toEqual([]);
    expect(released(look(collector, cluster, 34 * MINUTE))).toEqual([]);
    expect(released(look(collector, cluster, 36 * MINUTE))).toEqual(['10.0.0.1']);
  });

  test('the grace period starts anew when the address was given out again', () => {
    const collector = leaked();
    const cluster = new TestCluster('a');
    look(collector, cluster, 0);
    collector.setBlock(testBlock(0, 'host:a', [{ at: 1, attributes: podOn('a', 'web'), sequence: 7 }]));
    expect(released(look(collector, cluster, 16 * MINUTE))).toEqual([]);
    expect(released(look(collector, cluster, 32 * MINUTE))).toEqual(['10.0.0.1']);
  });

  test('a grace period of 0 notes suspects and releases none; none at all does not even note them', () => {
    const collector = leaked();
    const cluster = new TestCluster('a');
    for (const now of [0, 1000 * MINUTE]) {
      expect(released(look(collector, cluster, now, { leakGracePeriodMs: 0 }))).toEqual([]);
      expect(suspects(collector)).toEqual(['10.0.0.1']);
    }
    expect(released(look(collector, cluster, 2000 * MINUTE, { leakGracePeriodMs: undefined }))).toEqual([]);
    expect(suspects(collector)).toEqual([]);
  });

  test('at once when the node is gone, also without grace period', () => {
    for (const leakGracePeriodMs of [15 * MINUTE, 0, undefined]) {
      const plan = look(leaked(), new TestCluster(), 0, { leakGracePeriodMs });
      expect(released(plan)).toEqual(['10.0.0.1']);
      expect(plan.nodes).toEqual(['a']);
    }
  });

  test('a virtual machine gets five minutes at least', () => {
    const use = { at: 1, attributes: { ...podOn('a', 'launcher'), 'vmi-name': 'vm' } };
    const collector = collectorOf(testBlock(0, 'host:a', [use]));
    const cluster = new TestCluster('a');
    cluster.vms.set('default/vm', false);
    const minute = { leakGracePeriodMs: MINUTE };
    look(collector, cluster, 0, minute);
    expect(released(look(collector, cluster, 5 * MINUTE, minute))).toEqual([]);
    expect(released(look(collector, cluster, 5 * MINUTE + 1, minute))).toEqual(['10.0.0.1']);
  });

  test('only with all other addresses of its handle, wherever they are', () => {
    const use = (at: number, pod: string) => ({ at, handle: 'net.h', attributes: podOn('a', pod) });
    const collector = collectorOf(testBlock(0, 'host:a', [use(1, 'web')]), testBlock(1, 'host:a', [use(2, 'other')]));
    const cluster = new TestCluster('a');
    cluster.run('other', 'a', ['10.0.1.2']);
    look(collector, cluster, 0);
    expect(released(look(collector, cluster, 16 * MINUTE))).toEqual([]);
    cluster.pods.clear();
    look(collector, cluster, 17 * MINUTE);
    expect(released(look(collector, cluster, 33 * MINUTE)).sort()).toEqual(['10.0.0.1', '10.0.1.2']);
  });

  test('only nodes that are dirty are looked at: those whose addresses changed, or that were named', () => {
    const collector = leaked();
    const cluster = new TestCluster();
    cluster.nodes.set('a', { state: 'present', kubernetesName: 'a' });
    const step = (now: number) => released(collector.collect(cluster, settings, now, WALL));
    expect(step(0)).toEqual([]);
    expect(suspects(collector)).toEqual(['10.0.0.1']);
    expect(step(20 * MINUTE)).toEqual([]);
    collector.markDirty('a');
    expect(step(20 * MINUTE)).toEqual(['10.0.0.1']);
    collector.setBlock(testBlock(0, 'host:a', []));
    expect(step(20 * MINUTE)).toEqual([]);
    expect(suspects(collector)).toEqual([]);
  });

  test('a node that came back gives its addresses the grace period again', () => {
    const collector = leaked();
    const cluster = new TestCluster();
    expect(released(look(collector, cluster, 0))).toEqual(['10.0.0.1']);
    cluster.nodes.set('a', { state: 'present', kubernetesName: 'a' });
    expect(released(look(collector, cluster, 1 * MINUTE))).toEqual([]);
  });
});

describe('the last look', () => {
  const leak = (plan: CollectorPlan) => {
    const [leaks = []] = [...plan.releases.values()];
    const [first] = leaks;
    if (first === undefined) throw new Error('nothing is to be released');
    return first;
  };

  test('keeps an address whose pod is there after all, and what was seen before no longer counts', () => {
    const collector = collectorOf(testBlock(0, 'host:a', [{ at: 1, attributes: podOn('a', 'web') }]));
    const cluster = new TestCluster('a');
    look(collector, cluster, 0);
    const found = leak(look(collector, cluster, 16 * MINUTE));
    const anew = new TestCluster('a');
    expect(confirmLeak(found, anew)).toBe('leaked');
    anew.run('web', 'a', []);
    expect(confirmLeak(found, anew)).toBe('kept');
    collector.acquit(found);
    expect(suspects(collector)).toEqual([]);
    expect(released(look(collector, cluster, 17 * MINUTE))).toEqual([]);
  });

  test('keeps the addresses of a node that is there after all', () => {
    const uses = [
      { at: 1, attributes: podOn('a', 'web') },
      { at: 2, attributes: { node: 'a', type: 'ipipTunnelAddress' } },
    ];
    const plan = look(collectorOf(testBlock(0, 'host:a', uses)), new TestCluster(), 0);
    const leaks = [...plan.releases.values()].flat();
    expect(leaks.map(one => confirmLeak(one, new TestCluster()))).toEqual(['leaked', 'leaked']);
    expect(leaks.map(one => confirmLeak(one, new TestCluster('a')))).toEqual(['kept', 'kept']);
  });
});

describe('a node that is gone', () => {
  const tunnel = { at: 7, handle: 'vxlan-tunnel-addr-a', attributes: { node: 'a', type: 'vxlanTunnelAddress' } };

  test('loses its tunnels and its blocks once no pod of it is left', () => {
    const collector = collectorOf(
      testBlock(0, 'host:a', [{ at: 1, attributes: podOn('a', 'web') }, tunnel]),
      testBlock(1, 'host:a', []),
    );
    const cluster = new TestCluster('b');
    cluster.run('web', 'a', ['10.0.0.1']);
    let plan = look(collector, cluster, 0);
    expect([released(plan), plan.nodes]).toEqual([[], []]);
    cluster.pods.clear();
    plan = look(collector, cluster, 1);
    expect([released(plan), plan.nodes]).toEqual([['10.0.0.1', '10.0.0.7'], ['a']]);
  });

  test('keeps everything while an address of nobody known is in use', () => {
    const unknown = { at: 3, attributes: { node: 'a' } };
    const collector = collectorOf(testBlock(0, 'host:a', [unknown, tunnel]));
    const plan = look(collector, new TestCluster(), 0);
    expect([released(plan), plan.nodes]).toEqual([[], []]);
  });

  test('loses affinities of which there is no block', () => {
    const collector = new IpamCollector();
    const affinity = { ...BlockAffinity.example(), metadata: { name: 'a-10-0-0-0-29' } };
    collector.setAffinity({ ...affinity, spec: { ...affinity.spec, node: 'a', type: 'host', cidr: '10.0.0.0/29' } });
    expect(look(collector, new TestCluster('a'), 0).nodes).toEqual([]);
    expect(look(collector, new TestCluster(), 0).nodes).toEqual(['a']);
    collector.deleteAffinity('a-10-0-0-0-29');
    expect(look(collector, new TestCluster(), 0).nodes).toEqual([]);
  });

  test('is looked at again when a block of it gets empty: another node had borrowed from it', () => {
    const collector = collectorOf(testBlock(0, 'host:a', [{ at: 1, attributes: podOn('b', 'web') }]));
    const cluster = new TestCluster('b');
    cluster.run('web', 'b', ['10.0.0.1']);
    expect(look(collector, cluster, 0)).toMatchObject({ nodes: ['a'], releases: new Map() });
    expect(collector.collect(cluster, settings, 1, WALL).nodes).toEqual([]);
    collector.setBlock(testBlock(0, 'host:a', []));
    expect(collector.collect(cluster, settings, 2, WALL).nodes).toEqual(['a']);
  });
});

describe('blocks', () => {
  const spare = ({ spareBlocks }: CollectorPlan) => spareBlocks.map(({ cidr }) => printCidr(cidr));
  const used = { at: 1, attributes: podOn('a', 'web') };
  const cluster = new TestCluster('a');
  cluster.run('web', 'a', ['10.0.0.1']);

  test('that stay empty beside another are given up after the grace period, by their sequence number', () => {
    const collector = collectorOf(testBlock(0, 'host:a', [used]), testBlock(1, 'host:a', [], 42));
    expect(spare(look(collector, cluster, 0))).toEqual([]);
    expect(spare(look(collector, cluster, 15 * MINUTE))).toEqual([]);
    expect(look(collector, cluster, 16 * MINUTE).spareBlocks).toMatchObject([{ node: 'a', sequenceNumber: 42n }]);
  });

  test('that were written in between are given the grace period anew', () => {
    const collector = collectorOf(testBlock(0, 'host:a', [used]), testBlock(1, 'host:a', [], 42));
    look(collector, cluster, 0);
    collector.setBlock(testBlock(1, 'host:a', [], 44));
    expect(spare(look(collector, cluster, 16 * MINUTE))).toEqual([]);
    expect(spare(look(collector, cluster, 32 * MINUTE))).toEqual(['10.0.1.0/29']);
  });

  const kept: { name: string; blocks: IPAMBlock[]; cluster?: TestCluster; more?: Partial<CollectorSettings> }[] = [
    { name: 'the only block of a node', blocks: [testBlock(0, 'host:a', [])] },
    {
      name: 'an empty block when nothing is collected',
      blocks: [testBlock(0, 'host:a', [used]), testBlock(1, 'host:a', [])],
      more: { leakGracePeriodMs: 0 },
    },
    {
      name: 'a block with addresses that cool',
      blocks: [testBlock(0, 'host:a', [used]), testBlock(1, 'host:a', [{ at: 0, releasedAt: '2026-01-01T00:00:00Z' }])],
      more: { cooldownMs: 600 * MINUTE },
    },
    {
      name: 'a block of the load balancer',
      blocks: [testBlock(0, 'virtual:load-balancer', []), testBlock(1, 'virtual:load-balancer', [])],
    },
    {
      name: 'blocks of a node on its way from flannel',
      blocks: [testBlock(0, 'host:m', []), testBlock(1, 'host:m', [])],
    },
  ];
  for (const { name, blocks, more } of kept) {
    test(`${name}: kept`, () => {
      const migrating = new TestCluster('a');
      migrating.run('web', 'a', ['10.0.0.1']);
      migrating.nodes.set('m', { state: 'present', kubernetesName: 'm', migrating: true });
      const collector = collectorOf(...blocks);
      look(collector, migrating, 0, more);
      expect(spare(look(collector, migrating, 100 * MINUTE, more))).toEqual([]);
    });
  }

  test('of which all are empty: one is kept', () => {
    const collector = collectorOf(...[0, 1, 2].map(i => testBlock(i, 'host:a', [])));
    look(collector, cluster, 0);
    expect(spare(look(collector, cluster, 16 * MINUTE))).toHaveLength(2);
  });

  test('with addresses that have cooled are written anew', () => {
    const cooling = { at: 0, releasedAt: new Date(WALL).toISOString() };
    const collector = collectorOf(testBlock(0, 'host:a', [used, cooling]));
    const cooled = (now: number) => look(collector, cluster, now, { cooldownMs: MINUTE }).cooled.map(printCidr);
    expect(cooled(59_999)).toEqual([]);
    expect(cooled(60_000)).toEqual(['10.0.0.0/29']);
  });
});

/** A cluster and blocks by chance: a third of the owners is missing. */
function chance(seed: number): { cluster: TestCluster; blocks: IPAMBlock[] } {
  const random = seededRandom(seed);
  const names = ['a', 'b', 'c', 'd'];
  const cluster = new TestCluster('a', 'b', 'c');
  const blocks = Array.from({ length: 6 }, (_, index) => {
    const uses = Array.from({ length: 8 }, (_, at) => at).flatMap((at): Use[] => {
      const node = names[randomInt(random, names.length)] ?? 'a';
      const pod = `pod-${index}-${at}`;
      const dice = random.next();
      if (dice < 0.3) return [];
      if (dice < 0.4) return [{ at, handle: `t.${index}.${at}`, attributes: { node, type: 'vxlanTunnelAddress' } }];
      if (dice < 0.8) cluster.run(pod, node, dice < 0.5 ? [] : [`10.0.${index}.${at}`]);
      return [{ at, handle: `net.${index}.${at >> 1}`, attributes: podOn(node, pod) }];
    });
    const owner = names[randomInt(random, names.length)];
    return testBlock(index, random.next() < 0.2 ? null : `host:${owner}`, uses);
  });
  return { cluster, blocks };
}

function plain(plan: CollectorPlan): unknown {
  return {
    released: released(plan).sort(),
    nodes: [...plan.nodes].sort(),
    cooled: plan.cooled.map(printCidr).sort(),
  };
}

test('in whatever order blocks come and go, the plan is that of a fresh start', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const { cluster, blocks } = chance(seed);
    const { blocks: others } = chance(seed + 1000);
    const fresh = collectorOf(...blocks);
    const worn = collectorOf(...blocks.toReversed(), ...others);
    worn.collect(cluster, { ...settings, leakGracePeriodMs: undefined }, 0, WALL);
    for (const { metadata } of others.slice(0, 3)) worn.deleteBlock(metadata.name);
    for (const block of [...blocks.slice(3), ...blocks.slice(0, 3)]) worn.setBlock(structuredClone(block));
    for (const now of [0, 16 * MINUTE]) {
      expect({ seed, now, plan: plain(look(worn, cluster, now)) }).toEqual({
        seed,
        now,
        plan: plain(look(fresh, cluster, now)),
      });
    }
    expect(suspects(worn).sort()).toEqual(suspects(fresh).sort());
  }
});

test('no address is ever released whose pod is there and has it, or may have it', () => {
  let count = 0;
  for (let seed = 1; seed <= 200; seed++) {
    const { cluster, blocks } = chance(seed);
    const collector = collectorOf(...blocks);
    look(collector, cluster, 0);
    const leaks = [...look(collector, cluster, 16 * MINUTE).releases.values()].flat();
    count += leaks.length;
    for (const { allocation } of leaks) {
      for (const owner of allocation.owners) {
        if (owner.kind === 'pod') expect(cluster.pod(owner.namespace, owner.name)).toBeUndefined();
        else expect(cluster.node(allocation.node).state).toBe('gone');
      }
    }
  }
  expect(count).toBeGreaterThan(500);
});
