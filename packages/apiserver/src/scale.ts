/**
 * The scale subresource of Deployments and ReplicaSets.
 * Source: Kubernetes API reference, autoscaling/v1 Scale.
 */
import type { AnyResource, Kind } from '@calico/api';
import { isJsonObject } from './json.ts';
import { badRequest } from './status.ts';

/** Whether a kind can be scaled. */
export function isScalable(kind: Kind): boolean {
  return kind.group === 'apps' && (kind.kind === 'Deployment' || kind.kind === 'ReplicaSet');
}

const part = (value: unknown, field: string): unknown => (isJsonObject(value) ? value[field] : undefined);

function printSelector(selector: unknown): string {
  const labels = part(selector, 'matchLabels');
  return isJsonObject(labels)
    ? Object.entries(labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(',')
    : '';
}

/** An object as its Scale. */
export function toScale(object: AnyResource): AnyResource {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  return {
    apiVersion: 'autoscaling/v1',
    kind: 'Scale',
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
      ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
    },
    spec: { replicas: part(object.spec, 'replicas') ?? 0 },
    status: {
      replicas: part(object.status, 'replicas') ?? 0,
      selector: printSelector(part(object.spec, 'selector')),
    },
  };
}

/** The object with the replicas of a Scale, under the Scale's resourceVersion if it has one. Throws a 400 ApiError. */
export function fromScale(object: AnyResource, scale: unknown): AnyResource {
  const replicas = part(part(scale, 'spec'), 'replicas') ?? 0;
  if (typeof replicas !== 'number' || !Number.isSafeInteger(replicas) || replicas < 0) {
    throw badRequest(`spec.replicas is ${JSON.stringify(replicas)}; allowed: a whole number, 0 or more`);
  }
  const version = part(part(scale, 'metadata'), 'resourceVersion');
  const spec = { ...(isJsonObject(object.spec) ? object.spec : {}), replicas };
  const metadata = { ...object.metadata, ...(typeof version === 'string' ? { resourceVersion: version } : {}) };
  return { ...object, metadata, spec };
}
