import { IPAMBlock, IPPool } from '@calico/api';
import { isNotFound } from '@calico/datastore';
import { cidrsOverlap, parseCidr } from '@calico/ip';
import { blockCidr } from '@calico/ipam';
import { type ControllerContext, controllerQueue } from '../context.ts';
import { withFinalizer } from '../finalizer.ts';
import type { WorkQueue } from '../work-queue.ts';
import { ALLOCATABLE, allocatableOf, allocatablePools } from './conditions.ts';

const FINALIZER = 'projectcalico.org/ippool-finalizer';
/** How often all pools are looked at; ms. */
const RESYNC_MS = 300_000;

/** Says of each pool whether it gives out addresses; holds one that is deleted until its last block is gone. */
export function startPoolController(context: ControllerContext): WorkQueue {
  const { stores, views, ipam, clock, log } = context;
  const pools = views.of(stores.calico, IPPool);
  const blocks = views.of(stores.calico, IPAMBlock);
  const queue = controllerQueue(context, {
    name: 'ippool',
    gatherMs: 50,
    resyncMs: () => RESYNC_MS,
    keys: () => pools.items.keys(),
    reconcile: async name => {
      const pool = pools.items.get(name);
      if (pool === undefined) return;
      // The write of the condition comes back as a change.
      if (await writeCondition(pool)) return;
      if (pool.metadata.deletionTimestamp !== undefined) await end(pool);
      else if (allocatablePools(pools.items.values()).get(name)?.status === 'True') {
        await withFinalizer(stores.calico, IPPool, pool, FINALIZER, true);
      }
    },
  });

  /** Gives whether it had to be written. */
  async function writeCondition(pool: IPPool): Promise<boolean> {
    const wanted = allocatablePools(pools.items.values()).get(pool.metadata.name);
    const present = allocatableOf(pool);
    if (wanted === undefined) return false;
    const same = (['status', 'reason', 'message'] as const).every(field => present?.[field] === wanted[field]);
    if (same) return false;
    const lastTransitionTime =
      present?.status === wanted.status
        ? present.lastTransitionTime
        : `${new Date(clock.wallTime()).toISOString().slice(0, 19)}Z`;
    const others = (pool.status?.conditions ?? []).filter(({ type }) => type !== ALLOCATABLE);
    const conditions = [...others, { type: ALLOCATABLE, lastTransitionTime, ...wanted }];
    try {
      await stores.calico.updateStatus(IPPool, { ...pool, status: { ...pool.status, conditions } });
      log.info({ pool: pool.metadata.name, ...wanted }, 'whether a pool gives out addresses has changed');
    } catch (err) {
      if (!isNotFound(err)) throw err;
    }
    return true;
  }

  /** Blocks without addresses go at once, the others with their last address; then the pool may. */
  async function end(pool: IPPool): Promise<void> {
    const cidr = parseCidr(pool.spec.cidr);
    if (cidr === undefined || !pool.metadata.finalizers?.includes(FINALIZER)) return;
    await ipam.releasePoolAffinities(cidr);
    const { items } = await stores.calico.list(IPAMBlock);
    if (items.some(block => cidrsOverlap(blockCidr(block), cidr))) return;
    await withFinalizer(stores.calico, IPPool, pool, FINALIZER, false);
    log.info({ pool: pool.metadata.name }, 'a pool that was deleted has no block left');
  }

  // One pool's change may be what another waited for.
  pools.listen(() => queue.touchAll());
  blocks.listen((_key, block) => {
    if (block !== undefined) return;
    for (const [name, { metadata }] of pools.items) if (metadata.deletionTimestamp !== undefined) queue.touch(name);
  });
  return queue;
}
