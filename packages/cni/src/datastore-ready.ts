import { ClusterInformation } from '@calico/api';
import { type Client, isNotFound } from '@calico/datastore';

/** Whether the datastore may be changed: ClusterInformation does not say that it is locked. Rejects with DatastoreError. */
export async function readDatastoreReady(client: Pick<Client, 'get'>): Promise<boolean> {
  const cluster = await client.get(ClusterInformation, { name: 'default' }).catch((error: unknown) => {
    if (!isNotFound(error)) throw error;
  });
  return cluster?.spec.datastoreReady !== false;
}
