import {
  GlobalNetworkPolicy,
  GlobalNetworkSet,
  IPAMBlock,
  IPPool,
  type Kind,
  NetworkPolicy,
  NetworkSet,
  Node,
  Pod,
  type Resource,
} from '@calico/api';
import { type Client, isNotFound, keyOf } from '@calico/datastore';
import type { KubernetesServer } from './server.ts';

/** Namespaces that the server makes again. */
const KEPT = /^(default|kube-.*)$/;

/** Deletes every object that a test may have made, so that the next finds the store as empty as a new one. */
export async function emptyStore(server: KubernetesServer, client: Client): Promise<void> {
  await Promise.all([
    deleteAll(client, Pod),
    deleteAll(client, NetworkSet),
    deleteAll(client, NetworkPolicy),
    deleteAll(client, GlobalNetworkSet),
    deleteAll(client, GlobalNetworkPolicy),
    deleteAll(client, IPPool),
    deleteAll(client, IPAMBlock),
    deleteAll(client, Node),
  ]);
  const namespaces = '/api/v1/namespaces';
  const { items } = (await (await server.request('GET', namespaces)).json()) as { items: Resource[] };
  const made = items.filter(({ metadata }) => !KEPT.test(metadata.name));
  for (const { metadata } of made) {
    const path = `${namespaces}/${metadata.name}`;
    await server.request('DELETE', path);
    // What Kubernetes' controller manager does once a namespace is empty.
    await server.request('PUT', `${path}/finalize`, { apiVersion: 'v1', kind: 'Namespace', metadata, spec: {} });
  }
}

async function deleteAll<R extends Resource>(client: Client, kind: Kind<R>): Promise<void> {
  const { items } = await client.list(kind);
  await Promise.all(
    items.map(async item => {
      try {
        await client.delete(kind, keyOf(item), kind.kind === 'Pod' ? { gracePeriodSeconds: 0 } : undefined);
      } catch (err) {
        if (!isNotFound(err)) throw err;
      }
    }),
  );
}
