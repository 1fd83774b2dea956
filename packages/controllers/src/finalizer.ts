import type { Kind, Resource } from '@calico/api';
import { type Client, isNotFound } from '@calico/datastore';

/** Adds a finalizer to an object, or takes it away; only while the object is as it was read. */
export async function withFinalizer<R extends Resource>(
  client: Client,
  kind: Kind<R>,
  object: R,
  finalizer: string,
  present: boolean,
): Promise<void> {
  const { finalizers = [] } = object.metadata;
  if (finalizers.includes(finalizer) === present) return;
  const next = present ? [...finalizers, finalizer] : finalizers.filter(one => one !== finalizer);
  try {
    await client.update(kind, { ...object, metadata: { ...object.metadata, finalizers: next } });
  } catch (err) {
    if (!isNotFound(err)) throw err;
  }
}
