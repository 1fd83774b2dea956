import type { Kind, Resource } from '@calico/api';
import { applyObject } from '../apply-object.ts';
import type { CopyConfig } from '../config/run-config.ts';
import { type ControllerContext, controllerQueue } from '../context.ts';
import type { WorkQueue } from '../work-queue.ts';

/** How objects of Kubernetes are kept in etcd as objects of Calico's. Keys are `namespace/name`, or the name alone. */
export interface Copying<S extends Resource, T extends Resource> {
  readonly name: string;
  readonly from: Kind<S>;
  readonly to: Kind<T>;
  /** The original of a copy, by their keys; undefined: it is no copy, and left alone. */
  readonly originalOf: (key: string) => string | undefined;
  /** The key of the copy of an original. */
  readonly copyOf: (key: string) => string;
  /** The copy; undefined: whatever there is stays as it is. */
  readonly convert: (original: S) => T | undefined;
}

/** Keeps copies as their originals are: made, changed and taken away with them. Starts at once. */
export function startCopying<S extends Resource, T extends Resource>(
  context: ControllerContext,
  config: CopyConfig,
  { name, from, to, originalOf, copyOf, convert }: Copying<S, T>,
): WorkQueue {
  const { stores, views, log } = context;
  const originals = views.of(stores.kubernetes, from);
  const copies = views.of(stores.calico, to);
  const queue = controllerQueue(context, {
    name,
    workers: config.workers,
    resyncMs: () => config.reconcilerMs,
    keys: () => {
      const copied = [...copies.items.keys()].flatMap(key => originalOf(key) ?? []);
      return new Set([...originals.items.keys(), ...copied]);
    },
    reconcile: async key => {
      const original = originals.items.get(key);
      const desired = original && convert(original);
      if (original !== undefined && desired === undefined) return;
      const done = await applyObject(stores.calico, to, desired, copies.items.get(copyOf(key)));
      if (done !== 'same') log.info({ controller: name, object: copyOf(key), done }, 'copy brought up to date');
    },
  });
  originals.listen(key => queue.touch(key));
  copies.listen(key => {
    const original = originalOf(key);
    if (original !== undefined) queue.touch(original);
  });
  return queue;
}
