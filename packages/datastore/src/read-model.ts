import type { Resource, ResourceUpdate } from '@calico/api';
import { type Client, type DatastoreType, keyOf } from './client.ts';
import { isNotFound } from './error.ts';
import { FELIX_ETCD_SOURCES, FELIX_SOURCES, type ModelSource } from './model.ts';

/** All that Felix's calculation reads, as it is now, in the model's words. Objects that are not valid are left out. */
export async function readFelixModel(client: Client, datastore: DatastoreType): Promise<ResourceUpdate[]> {
  const sources = datastore === 'etcdv3' ? FELIX_ETCD_SOURCES : FELIX_SOURCES;
  const updates = await Promise.all(
    sources.map(async source => (await listAll(client, source)).flatMap(object => updateOf(source, object) ?? [])),
  );
  return updates.flat();
}

async function listAll(client: Client, { kind, optional }: ModelSource): Promise<readonly Resource[]> {
  try {
    return (await client.list(kind)).items;
  } catch (err) {
    if (optional === true && isNotFound(err)) return [];
    throw err;
  }
}

function updateOf(source: ModelSource, object: Resource): ResourceUpdate | undefined {
  const key = keyOf(object);
  const converted = source.convert(object, key);
  if (converted === undefined || !('resource' in converted)) return undefined;
  const { name, resource } = converted;
  const scope = source.namespaced && key.namespace !== undefined ? { namespace: key.namespace } : {};
  return { kind: source.model, name, resource, ...scope };
}
