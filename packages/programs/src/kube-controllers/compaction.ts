import { ClusterInformation } from '@calico/api';
import { type Client, isGone, type ReflectorDeps } from '@calico/datastore';

/** A client of etcd, whose history grows until somebody has it forget. */
export interface Compactable extends Client {
  compact(resourceVersion: string): Promise<void>;
}

/**
 * Has etcd forget, every period, what was history at the end of the one before: watches that are a little behind do not
 * notice. Two at once do no harm. Ends with the signal. @param periodMs 0: never.
 */
export async function compactEtcd(client: Compactable, periodMs: number, deps: ReflectorDeps): Promise<void> {
  const { clock, log, signal } = deps;
  if (periodMs === 0) return;
  let before: string | undefined;
  while (!signal.aborted) {
    try {
      if (before !== undefined) await client.compact(before);
      // Any list tells how far the store is.
      before = (await client.list(ClusterInformation)).resourceVersion;
    } catch (err) {
      before = undefined;
      if (!isGone(err)) log?.warn({ err }, 'etcd could not be compacted');
    }
    try {
      await clock.sleep(periodMs, signal);
    } catch {
      return;
    }
  }
}
