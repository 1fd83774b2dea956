import {
  BGPConfiguration,
  BGPPeer,
  CalicoNode,
  FelixConfiguration,
  HostEndpoint,
  type Kind,
  nodeTunnelAddresses,
  type Resource,
  WorkloadEndpoint,
} from '@calico/api';
import { type Client, ensureInitialized, isNotFound, keyOf, type ObjectKey } from '@calico/datastore';
import { parseCidr } from '@calico/ip';
import type { CtlStore } from '../store.ts';
import type { CtlMethods } from './ctl-kind.ts';
import { storedMethods } from './stored-kind.ts';

const plain = storedMethods(CalicoNode);

/** Nodes that stand in the datastore themselves, as in etcd. */
export const storedNodes: CtlMethods = {
  ...plain,
  create: async (store, resource) => {
    // In a cluster of hosts alone a node is the first thing that is made.
    const { systemClock, systemRandom } = await import('@calico/process');
    await ensureInitialized(store.client, { datastore: store.type, clock: systemClock, random: systemRandom });
    return await plain.create(store, resource);
  },
  delete: async (store, key) => {
    await removeWhatIsOnNode(store, key.name);
    await plain.delete(store, key);
  },
};

/** Everything that goes with a node, as Calico does it: endpoints and their addresses, its blocks, peers and configurations. */
async function removeWhatIsOnNode(store: CtlStore, node: string): Promise<void> {
  const { client } = store;
  const endpoints = (await client.list(WorkloadEndpoint)).items.filter(({ spec }) => spec.node === node);
  const texts = [...endpoints.flatMap(({ spec }) => spec.ipNetworks ?? []), ...(await tunnelAddresses(client, node))];
  const addresses = texts.flatMap(text => parseCidr(text)?.addr ?? []);
  const ipam = await store.openIpam();
  if (addresses.length > 0) await ipam.releaseIps(addresses.map(address => ({ address })));
  for (const endpoint of endpoints) await remove(client, WorkloadEndpoint, keyOf(endpoint));
  await ipam.releaseAffinity({ node, requireEmpty: false });
  await removeAll(client, BGPPeer, ({ spec }) => spec.node === node);
  await remove(client, FelixConfiguration, { name: `node.${node}` });
  await remove(client, BGPConfiguration, { name: `node.${node}` });
  await removeAll(client, HostEndpoint, ({ spec }) => spec.node === node);
}

async function tunnelAddresses(client: Client, name: string): Promise<string[]> {
  const { items } = await client.list(CalicoNode, { fieldSelector: `metadata.name=${name}` });
  return items.flatMap(nodeTunnelAddresses);
}

async function removeAll<R extends Resource>(
  client: Client,
  kind: Kind<R>,
  concerned: (r: R) => boolean,
): Promise<void> {
  for (const resource of (await client.list(kind)).items.filter(concerned)) await remove(client, kind, keyOf(resource));
}

async function remove<R extends Resource>(client: Client, kind: Kind<R>, key: ObjectKey): Promise<void> {
  try {
    await client.delete(kind, key);
  } catch (err) {
    if (!isNotFound(err)) throw err;
  }
}
