import { BlockAffinity, IPAMBlock, IPAMConfiguration, IPPool, IPReservation, Pod } from '@calico/api';
import { type ControllerContext, controllerQueue } from '../context.ts';
import { nodeDirectory } from '../nodes/directory.ts';
import type { View } from '../view.ts';
import type { WorkQueue } from '../work-queue.ts';
import { noVms, readCluster } from './cluster-reader.ts';
import { collectGarbage } from './collect-garbage.ts';
import { IpamCollector } from './collector.ts';
import { startHandleSweep } from './handle-sweep.ts';
import { ipamMetrics } from './metrics.ts';
import { type ClusterView, podFacts } from './owner-state.ts';

/** How often everything is looked at when no grace period says so; ms. */
const DEFAULT_SCAN_MS = 300_000;
/** So long changes are gathered before nodes are looked at; ms. */
const GATHER_MS = 1000;

/** What of the configuration concerns the garbage collector. */
export interface GarbageCollectorConfig {
  /** ms; 0: nothing is released while its node is there. undefined: suspects are not even noted. */
  readonly leakGracePeriodMs: number | undefined;
}

/** Releases addresses that nobody has any more, and blocks and handles that nobody needs. Starts at once. */
export function startIpamGarbageCollector(context: ControllerContext, config: GarbageCollectorConfig): WorkQueue[] {
  const blocks = context.views.of(context.stores.calico, IPAMBlock);
  const { leakGracePeriodMs = 0 } = config;
  return [
    startCollector(context, config, blocks),
    ...(leakGracePeriodMs > 0 ? [startHandleSweep(context, blocks, leakGracePeriodMs)] : []),
  ];
}

function startCollector(
  context: ControllerContext,
  config: GarbageCollectorConfig,
  blocks: View<IPAMBlock>,
): WorkQueue {
  const { stores, views } = context;
  const { leakGracePeriodMs } = config;
  const collector = new IpamCollector();
  const directory = nodeDirectory(stores, views);
  const pods = views.keep(stores.kubernetes, Pod, podFacts);
  const settings = views.of(stores.calico, IPAMConfiguration);
  const pools = views.of(stores.calico, IPPool);
  const reservations = views.of(stores.calico, IPReservation);
  const view: ClusterView = {
    pod: (namespace, name) => pods.items.get(`${namespace}/${name}`),
    node: directory.facts,
    vm: noVms,
  };
  const { reclaimed } = ipamMetrics(context.metrics, collector, pools.items, reservations.items);
  const deps = { ...context, reclaimed, readCluster: readCluster(stores.kubernetes, directory) };

  const queue = controllerQueue(context, {
    name: 'ipam',
    gatherMs: GATHER_MS,
    resyncMs: () => (leakGracePeriodMs ? leakGracePeriodMs / 2 : DEFAULT_SCAN_MS),
    keys: () => {
      collector.markAllDirty();
      return [''];
    },
    reconcile: async () => {
      const cooldownMs = 1000 * (settings.items.get('default')?.spec.ipCooldownSeconds ?? 0);
      await collectGarbage(collector, view, { leakGracePeriodMs, cooldownMs }, deps);
    },
  });

  blocks.listen((name, block) => {
    if (block === undefined) collector.deleteBlock(name);
    else collector.setBlock(block);
    queue.touch('');
  });
  views
    .keep(stores.calico, BlockAffinity, affinity => affinity)
    .listen((name, affinity) => {
      if (affinity === undefined) collector.deleteAffinity(name);
      else collector.setAffinity(affinity);
    });
  pods.listen((_key, pod, before) => {
    if (pod !== undefined || before?.node === undefined) return;
    for (const node of directory.namesOf(before.node)) collector.markDirty(node);
    queue.touch('');
  });
  directory.onGone(() => {
    collector.markAllDirty();
    queue.touch('');
  });
  views.onSync(() => queue.touchAll());
  return queue;
}
