import type { IPPool, ResourceUpdate } from '@calico/api';

/** The cluster's pools as Felix's view shows them, for what else in the agent depends on them. */
export class PoolView {
  readonly #pools = new Map<string, IPPool>();
  #onChanged: (() => void) | undefined;

  /** The pools of the view. */
  get pools(): Iterable<IPPool> {
    return this.#pools.values();
  }

  /** Takes changes of the cluster in. */
  onUpdates(updates: readonly ResourceUpdate[]): void {
    const ofPools = updates.filter(update => update.kind === 'IPPool');
    for (const { name, resource } of ofPools) {
      if (resource === undefined) this.#pools.delete(name);
      // A syncer's updates of a kind carry that kind's type, which ResourceUpdate can't say.
      else this.#pools.set(name, resource as IPPool);
    }
    if (ofPools.length > 0) this.#onChanged?.();
  }

  /** Calls whenever a pool changes, from now on. */
  onPoolsChanged(call: () => void): void {
    this.#onChanged = call;
  }
}
