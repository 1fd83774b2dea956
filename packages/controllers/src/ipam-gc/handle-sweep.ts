import { type IPAMBlock, IPAMHandle } from '@calico/api';
import { allocationsOf } from '@calico/ipam';
import { type ControllerContext, controllerQueue } from '../context.ts';
import type { View } from '../view.ts';
import type { WorkQueue } from '../work-queue.ts';

/** A handle, and the version in which it was seen to count too many. */
export type Overcounting = ReadonlyMap<string, string>;

/**
 * Handles that count more addresses than their blocks have for them, by ID: somebody died between the writes of block and
 * handle, or is between them at this moment. Pure.
 */
export function overcounting(handles: readonly IPAMHandle[], blocks: Iterable<IPAMBlock>): Overcounting {
  const has = new Map<string, number>();
  for (const block of blocks) {
    for (const { state } of allocationsOf(block)) {
      if (state.state !== 'allocated' || state.handle === undefined) continue;
      const key = `${state.handle.toLowerCase()} ${block.spec.cidr}`;
      has.set(key, (has.get(key) ?? 0) + 1);
    }
  }
  const found = new Map<string, string>();
  for (const { metadata, spec } of handles) {
    const counts = Object.entries(spec.block ?? {});
    const over = counts.some(([cidr, count]) => count > (has.get(`${spec.handleID.toLowerCase()} ${cidr}`) ?? 0));
    if (over || counts.length === 0) found.set(spec.handleID, metadata.resourceVersion ?? '');
  }
  return found;
}

/** Finds the handles that no write under way explains: they count as many too many as a look before. Pure. */
export class HandleSweep {
  #before: Overcounting = new Map();

  /** One look; gives the IDs of handles to be settled. Looks are a grace period apart. */
  look(handles: readonly IPAMHandle[], blocks: Iterable<IPAMBlock>): string[] {
    const now = overcounting(handles, blocks);
    const stale = [...now].filter(([id, version]) => this.#before.get(id) === version).map(([id]) => id);
    this.#before = now;
    return stale;
  }
}

/**
 * Settles the handles that have counted too many since the last look, a grace period ago: what a crash between two writes
 * leaves, and nobody would find again once the pod is gone.
 */
export function startHandleSweep(context: ControllerContext, blocks: View<IPAMBlock>, periodMs: number): WorkQueue {
  const { stores, ipam, log } = context;
  const sweep = new HandleSweep();
  const queue = controllerQueue(context, {
    name: 'ipam handles',
    resyncMs: () => periodMs,
    keys: () => [''],
    reconcile: async () => {
      const { items } = await stores.calico.list(IPAMHandle);
      for (const handle of sweep.look(items, blocks.items.values())) {
        if (context.signal.aborted) return;
        await ipam.settleHandle(handle);
        log.info({ handle }, 'settled a handle that counted addresses which are released');
      }
    },
  });
  return queue;
}
