import { BlockAffinity, IPAMBlock, IPAMConfiguration, IPPool, IPReservation, Pod } from '@calico/api';
import { printAddr, printCidr } from '@calico/ip';
import { isIpamError, type ReleaseRequest } from '@calico/ipam';
import { type ControllerContext, controllerQueue } from '../context.ts';
import { nodeDirectory } from '../nodes/directory.ts';
import type { View } from '../view.ts';
import type { WorkQueue } from '../work-queue.ts';
import { noVms, readCluster } from './cluster-reader.ts';
import { type CollectorPlan, confirmLeak, IpamCollector, type Leak } from './collector.ts';
import { startHandleSweep } from './handle-sweep.ts';
import { ipamMetrics } from './metrics.ts';
import { type ClusterView, podFacts } from './owner-state.ts';

/** How often everything is looked at when no grace period says so; ms. */
const DEFAULT_SCAN_MS = 300_000;
/** So long changes are gathered before nodes are looked at; ms. */
const GATHER_MS = 1000;
/** Addresses that are looked at once more and released together. */
const BATCH = 500;

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
  const { stores, views, ipam, clock, log, signal } = context;
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
  const metrics = ipamMetrics(context.metrics, collector, pools.items, reservations.items);

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
      const plan = collector.collect(view, { leakGracePeriodMs, cooldownMs }, clock.now(), clock.wallTime());
      try {
        await carryOut(plan);
      } catch (err) {
        for (const leaks of plan.releases.values())
          for (const { allocation } of leaks) collector.markDirty(allocation.node);
        for (const node of plan.nodes) collector.markDirty(node);
        throw err;
      }
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

  /** Each step is tried whatever becomes of the others; rejects with the first failure. */
  async function carryOut({ releases, spareBlocks, nodes, cooled }: CollectorPlan): Promise<void> {
    const failures: unknown[] = [];
    const attempt = async (work: () => Promise<void>) => {
      if (signal.aborted) return;
      try {
        await work();
      } catch (err) {
        failures.push(err);
      }
    };
    for (const batch of batches([...releases.values()])) await attempt(() => releaseLeaks(batch));
    for (const { node, cidr, sequenceNumber } of spareBlocks) {
      await attempt(async () => {
        await ipam.releaseAffinity({ node, cidr, requireEmpty: true, sequenceNumber }).catch(unlessInUse);
        log.info({ node, block: printCidr(cidr) }, 'gave up a block that stood empty');
      });
    }
    for (const node of nodes) {
      await attempt(async () => {
        await ipam.releaseAffinity({ node, requireEmpty: true }).catch(unlessInUse);
        log.info({ node }, 'gave up the empty blocks of a node that is gone');
      });
    }
    for (const cidr of cooled) await attempt(() => ipam.freeCooled(cidr));
    if (failures.length > 0) throw failures[0];
  }

  async function releaseLeaks(handles: readonly (readonly Leak[])[]): Promise<void> {
    const anew = await readCluster(handles.flat(), stores.kubernetes, directory);
    const leaked: Leak[] = [];
    for (const leaks of handles) {
      const back = leaks.filter(leak => confirmLeak(leak, anew) === 'kept');
      for (const leak of back) collector.acquit(leak);
      if (back.length === 0) leaked.push(...leaks);
    }
    if (leaked.length === 0 || signal.aborted) return;
    const unallocated = new Set((await ipam.releaseIps(leaked.map(toRequest))).map(printAddr));
    for (const { allocation, reason } of leaked) {
      const address = printAddr(allocation.address);
      if (unallocated.has(address)) continue;
      metrics.reclaimed(allocation);
      log.info({ address, handle: allocation.handle, node: allocation.node, reason }, 'released a leaked address');
    }
  }
}

function toRequest({ allocation: { address, handle, sequenceNumber } }: Leak): ReleaseRequest {
  return { address, handle, ...(sequenceNumber === undefined ? {} : { sequenceNumber }) };
}

/** A block that is in use after all is no failure: its next change is looked at. */
function unlessInUse(err: unknown): void {
  if (!isIpamError(err, 'NotEmpty')) throw err;
}

/** Handles in batches of at most some addresses; those of one handle stay together. */
function* batches(handles: readonly (readonly Leak[])[]): Iterable<(readonly Leak[])[]> {
  let batch: (readonly Leak[])[] = [];
  let size = 0;
  for (const leaks of handles) {
    if (size > 0 && size + leaks.length > BATCH) {
      yield batch;
      batch = [];
      size = 0;
    }
    batch.push(leaks);
    size += leaks.length;
  }
  if (size > 0) yield batch;
}
