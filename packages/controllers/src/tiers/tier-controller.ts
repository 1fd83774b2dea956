import {
  GlobalNetworkPolicy,
  type Kind,
  NetworkPolicy,
  type Resource,
  StagedGlobalNetworkPolicy,
  StagedNetworkPolicy,
  Tier,
} from '@calico/api';
import { type ControllerContext, controllerQueue } from '../context.ts';
import { withFinalizer } from '../finalizer.ts';
import type { View } from '../view.ts';
import type { WorkQueue } from '../work-queue.ts';

const FINALIZER = 'projectcalico.org/tier-controller';
/** How often all tiers are looked at; ms. */
const RESYNC_MS = 300_000;

/** What of a policy matters here. */
type PolicyOfTier = Resource<{ tier?: string }>;

const POLICY_KINDS = [NetworkPolicy, GlobalNetworkPolicy, StagedNetworkPolicy, StagedGlobalNetworkPolicy];

/** Holds a tier that is deleted until the last of its policies is gone: else they would apply nowhere. */
export function startTierController(context: ControllerContext): WorkQueue {
  const { stores, views, log } = context;
  const tiers = views.of(stores.calico, Tier);
  const policies: View<string>[] = POLICY_KINDS.map(kind =>
    views.keep(stores.calico, kind as unknown as Kind<PolicyOfTier>, ({ spec }) => spec.tier || 'default'),
  );
  const queue = controllerQueue(context, {
    name: 'tier',
    resyncMs: () => RESYNC_MS,
    keys: () => tiers.items.keys(),
    reconcile: async name => {
      const tier = tiers.items.get(name);
      if (tier === undefined) return;
      if (tier.metadata.deletionTimestamp === undefined) {
        await withFinalizer(stores.calico, Tier, tier, FINALIZER, true);
        return;
      }
      const used = policies.some(view => [...view.items.values()].includes(name));
      if (used || !tier.metadata.finalizers?.includes(FINALIZER)) return;
      await withFinalizer(stores.calico, Tier, tier, FINALIZER, false);
      log.info({ tier: name }, 'a tier that was deleted has no policy left');
    },
  });
  tiers.listen(name => queue.touch(name));
  for (const view of policies) {
    view.listen((_key, tier, before) => {
      if (before !== undefined && before !== tier) queue.touch(before);
    });
  }
  return queue;
}
