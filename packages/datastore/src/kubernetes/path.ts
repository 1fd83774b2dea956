import type { Kind } from '@calico/api';
import type { ObjectKey } from '../client.ts';
import { DatastoreError, printResource } from '../error.ts';

type KindName = Pick<Kind, 'group' | 'version' | 'kind' | 'plural' | 'namespaced'>;

/**
 * The path of a kind's collection: `/api/v1/pods`, `/apis/<group>/<version>/namespaces/<namespace>/<plural>`.
 * Source: Kubernetes documentation, "Kubernetes API Concepts", "Resource URIs".
 */
export function collectionPath(kind: KindName, namespace?: string): string {
  const root = kind.group === '' ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
  const scope = kind.namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `${root}${scope}/${kind.plural}`;
}

/** The path of one object, or of its subresource. Throws Invalid when name or namespace are missing. */
export function objectPath(kind: KindName, key: ObjectKey, op: string, subresource?: string): string {
  const resource = printResource(kind.kind, key.namespace, key.name);
  if (key.name === '') throw new DatastoreError({ code: 'Invalid', op, resource, reason: 'the name is empty' });
  if (kind.namespaced && !key.namespace) {
    throw new DatastoreError({
      code: 'Invalid',
      op,
      resource,
      reason: 'the kind is namespaced, the namespace is missing',
    });
  }
  const path = `${collectionPath(kind, key.namespace)}/${encodeURIComponent(key.name)}`;
  return subresource === undefined ? path : `${path}/${subresource}`;
}
