import { Pod } from '@calico/api';
import { type Client, printKey } from '@calico/datastore';
import { find, type NodeDirectory } from '../nodes/directory.ts';
import type { Leak } from './collector.ts';
import { type ClusterView, type NodeFacts, type PodFacts, podFacts } from './owner-state.ts';

/** Requests under way at once. */
const AT_ONCE = 16;

/** What the servers say now of the pods and nodes of some leaks. Rejects when one does not answer. */
export type ReadCluster = (leaks: readonly Leak[]) => Promise<ClusterView>;

/** Reads pods from the API of Kubernetes, and nodes as the directory does. */
export function readCluster(client: Pick<Client, 'get'>, directory: Pick<NodeDirectory, 'read'>): ReadCluster {
  return leaks => read(leaks, client, directory);
}

async function read(
  leaks: readonly Leak[],
  client: Pick<Client, 'get'>,
  directory: Pick<NodeDirectory, 'read'>,
): Promise<ClusterView> {
  const pods = new Map<string, PodFacts | undefined>();
  const nodes = new Map<string, NodeFacts>();
  const work: (() => Promise<void>)[] = [];
  for (const { allocation } of leaks) {
    const { node, owners } = allocation;
    if (!nodes.has(node)) {
      nodes.set(node, { state: 'foreign' });
      work.push(async () => void nodes.set(node, await directory.read(node)));
    }
    for (const owner of owners) {
      if (owner.kind !== 'pod' || pods.has(printKey(owner))) continue;
      pods.set(printKey(owner), undefined);
      work.push(async () => {
        const pod = await find(() => client.get(Pod, { namespace: owner.namespace, name: owner.name }));
        pods.set(printKey(owner), pod && podFacts(pod));
      });
    }
  }
  const next = work.values();
  const run = async () => {
    for (const one of next) await one();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, run));
  return {
    pod: (namespace, name) => pods.get(printKey({ namespace, name })),
    node: name => nodes.get(name) ?? { state: 'foreign' },
    vm: noVms,
  };
}

/** Virtual machines are not looked up yet: whether one is there can't be told, and its addresses are kept. */
export function noVms(): undefined {
  return undefined;
}
