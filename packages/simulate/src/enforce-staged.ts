import type { ModelKind, Resource, ResourceUpdate } from '@calico/api';

/** What each staged kind is about. */
const ENFORCED: { readonly [kind in ModelKind]?: ModelKind } = {
  StagedNetworkPolicy: 'NetworkPolicy',
  StagedGlobalNetworkPolicy: 'GlobalNetworkPolicy',
  StagedKubernetesNetworkPolicy: 'KubernetesNetworkPolicy',
};

/**
 * The cluster as it would be with its staged policies committed: each takes the place of the policy of its name, or takes
 * it away. Those with the actions Learn and Ignore stay staged.
 */
export function enforceStaged(updates: Iterable<ResourceUpdate>): ResourceUpdate[] {
  const result = new Map<string, ResourceUpdate>();
  const keyOf = ({ kind, namespace = '', name }: ResourceUpdate): string => `${kind} ${namespace} ${name}`;
  const staged: ResourceUpdate[] = [];
  for (const update of updates) {
    if (ENFORCED[update.kind] !== undefined) staged.push(update);
    else result.set(keyOf(update), update);
  }
  for (const update of staged) {
    const kind = ENFORCED[update.kind];
    const resource = update.resource as (Resource & { readonly spec: { readonly stagedAction?: string } }) | undefined;
    if (kind === undefined || resource === undefined) continue;
    const { stagedAction = 'Set', ...spec } = resource.spec;
    const enforced: ResourceUpdate = { ...update, kind, resource: { ...resource, spec } as Resource };
    if (stagedAction === 'Delete') result.delete(keyOf(enforced));
    else if (stagedAction === 'Set') result.set(keyOf(enforced), enforced);
    else result.set(keyOf(update), update);
  }
  return [...result.values()];
}
