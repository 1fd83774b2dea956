import { isDeepStrictEqual } from 'node:util';
import type { Kind, Resource } from '@calico/api';
import { type Client, isNotFound, keyOf } from '@calico/datastore';

/**
 * Makes an object that belongs to a controller as it should be: creates, replaces or deletes it, and writes nothing when labels,
 * annotations and spec are so already. `desired` undefined: it should not be. Rejects with Conflict when somebody was
 * faster; the next try sees what they wrote.
 */
export async function applyObject<R extends Resource>(
  client: Client,
  kind: Kind<R>,
  desired: R | undefined,
  actual: R | undefined,
): Promise<'created' | 'changed' | 'deleted' | 'same'> {
  if (desired === undefined) {
    if (actual === undefined) return 'same';
    const { uid } = actual.metadata;
    try {
      await client.delete(kind, keyOf(actual), uid === undefined ? {} : { uid });
    } catch (err) {
      if (!isNotFound(err)) throw err;
    }
    return 'deleted';
  }
  if (actual === undefined) {
    await client.create(kind, desired);
    return 'created';
  }
  const { labels = {}, annotations = {} } = desired.metadata;
  const next = { ...actual, metadata: { ...actual.metadata, labels, annotations }, spec: desired.spec };
  if (isDeepStrictEqual(essence(kind, next), essence(kind, actual))) return 'same';
  await client.update(kind, next);
  return 'changed';
}

function essence<R extends Resource>(kind: Kind<R>, object: R): unknown {
  const { metadata, spec } = kind.default(structuredClone(object));
  return [metadata.labels ?? {}, metadata.annotations ?? {}, spec];
}
