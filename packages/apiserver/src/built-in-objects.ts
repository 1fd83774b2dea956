import type { KindRegistry } from './kind-registry.ts';
import { ApiError } from './status.ts';
import { INTERNAL_WRITE, type Writer } from './writer.ts';

const tier = (name: string, order: number, defaultAction: string) => ({
  resource: 'projectcalico.org/tiers',
  object: { metadata: { name }, spec: { order, defaultAction } },
});
const namespace = (name: string) => ({ resource: '/namespaces', object: { metadata: { name } } });

/** What every cluster has from the start. */
const BUILT_IN = [
  namespace('default'),
  namespace('kube-system'),
  namespace('kube-public'),
  tier('kube-admin', 1_000, 'Pass'),
  tier('default', 1_000_000, 'Deny'),
  tier('kube-baseline', 10_000_000, 'Pass'),
];

/** Makes the built-in namespaces and tiers that are not there yet; leaves those that are as they are. */
export async function ensureBuiltInObjects(writer: Writer, registry: KindRegistry): Promise<void> {
  const outcomes = await Promise.allSettled(
    BUILT_IN.map(({ resource, object }) => {
      const kind = registry.byResource(resource);
      return kind === undefined ? undefined : writer.create(kind, '', object, INTERNAL_WRITE);
    }),
  );
  for (const outcome of outcomes) {
    if (outcome.status === 'fulfilled') continue;
    if (!(outcome.reason instanceof ApiError) || outcome.reason.reason !== 'AlreadyExists') throw outcome.reason;
  }
}
