import { printAddr, printCidr } from '@calico/ip';
import { type Ipam, isIpamError, type ReleaseRequest } from '@calico/ipam';
import type { Clock } from '@calico/reconcile';
import type { Log } from '../log.ts';
import type { Allocation } from './allocation.ts';
import type { ReadCluster } from './cluster-reader.ts';
import { type CollectorPlan, type CollectorSettings, confirmLeak, type IpamCollector, type Leak } from './collector.ts';
import type { ClusterView } from './owner-state.ts';

/** Addresses that are looked at once more and released together. */
const BATCH = 500;

/** What a round of the garbage collector needs of the world. */
export interface GarbageDeps {
  readonly ipam: Pick<Ipam, 'releaseIps' | 'releaseAffinity' | 'freeCooled'>;
  /** For the last look at leaks: it asks the servers, not the watches. */
  readonly readCluster: ReadCluster;
  readonly clock: Pick<Clock, 'now' | 'wallTime'>;
  readonly log: Log;
  /** Nothing more is begun after it. */
  readonly signal: AbortSignal;
  /** Called for each address that was released. */
  readonly reclaimed: (allocation: Allocation) => void;
}

/**
 * One round: what the collector finds by the view is looked at once more and released. Each step is tried whatever becomes
 * of the others; rejects with the first failure, and what failed is found again by the next round.
 */
export async function collectGarbage(
  collector: IpamCollector,
  view: ClusterView,
  settings: CollectorSettings,
  deps: GarbageDeps,
): Promise<void> {
  const plan = collector.collect(view, settings, deps.clock.now(), deps.clock.wallTime());
  try {
    await carryOut(collector, plan, deps);
  } catch (err) {
    for (const leaks of plan.releases.values())
      for (const { allocation } of leaks) collector.markDirty(allocation.node);
    for (const node of plan.nodes) collector.markDirty(node);
    throw err;
  }
}

async function carryOut(
  collector: IpamCollector,
  { releases, spareBlocks, nodes, cooled }: CollectorPlan,
  deps: GarbageDeps,
): Promise<void> {
  const { ipam, log, signal } = deps;
  const failures: unknown[] = [];
  const attempt = async (work: () => Promise<void>) => {
    if (signal.aborted) return;
    try {
      await work();
    } catch (err) {
      failures.push(err);
    }
  };
  for (const batch of batches([...releases.values()])) await attempt(() => releaseLeaks(collector, batch, deps));
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

async function releaseLeaks(
  collector: IpamCollector,
  handles: readonly (readonly Leak[])[],
  { ipam, readCluster, log, signal, reclaimed }: GarbageDeps,
): Promise<void> {
  const anew = await readCluster(handles.flat());
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
    reclaimed(allocation);
    log.info({ address, handle: allocation.handle, node: allocation.node, reason }, 'released a leaked address');
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
