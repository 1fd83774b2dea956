import { ClusterInformation } from '@calico/api';
import type { Ipam } from '@calico/ipam';
import type { Metrics } from '@calico/process';
import type { Stores } from './nodes/directory.ts';
import type { View, Views } from './view.ts';
import { type QueueDeps, type QueueOptions, WorkQueue } from './work-queue.ts';

/** What every controller works with. */
export interface ControllerContext extends QueueDeps {
  readonly stores: Stores;
  readonly views: Views;
  readonly ipam: Ipam;
  readonly metrics: Metrics;
  /** Calico's kinds have finalizers and conditions: they are in the group projectcalico.org/v3 of a Kubernetes API. */
  readonly finalizers: boolean;
}

/** A queue of a controller: it rests until all views are in sync, and while the datastore is locked. */
export function controllerQueue(context: ControllerContext, options: Omit<QueueOptions, 'ready'>): WorkQueue {
  const cluster = context.views.of(context.stores.calico, ClusterInformation);
  const queue = new WorkQueue({ ...options, ready: () => context.views.inSync && isUnlocked(cluster) }, context);
  context.views.onSync(() => queue.kick());
  cluster.listen(() => queue.kick());
  return queue;
}

/** The administrator has not locked the datastore: ClusterInformation says that it is ready. */
export function isUnlocked(cluster: View<ClusterInformation>): boolean {
  return cluster.items.get('default')?.spec.datastoreReady === true;
}
