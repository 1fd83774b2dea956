import { CalicoNode, Node } from '@calico/api';
import { type Client, isNotFound } from '@calico/datastore';
import type { NodeFacts } from '../ipam-gc/owner-state.ts';
import type { View, Views } from '../view.ts';

/** Where the controllers read and write. */
export interface Stores {
  /** Calico's kinds. */
  readonly calico: Client;
  /** Kubernetes' kinds; the same client when Calico's are there too. */
  readonly kubernetes: Client;
}

/** Calico's kinds are in a store of their own: etcd. */
export function isSeparate({ calico, kubernetes }: Stores): boolean {
  return calico !== kubernetes;
}

/** While a node has this label its network is being moved over from flannel. */
const MIGRATION_LABEL = 'projectcalico.org/node-network-during-migration';

/** Which nodes there are: Calico's names for them, and Kubernetes'. */
export interface NodeDirectory {
  /** By Calico's name, as the watches show it. */
  facts(name: string): NodeFacts;
  /** The same, asked of the servers. */
  read(name: string): Promise<NodeFacts>;
  /** Calico's names for a node of Kubernetes. */
  namesOf(kubernetesName: string): string[];
  /** Calls when a node is gone from either store. */
  onGone(call: () => void): void;
}

/** The name by which Kubernetes knows a node of Calico's; undefined: it does not. */
export function kubernetesNameOf({ spec }: CalicoNode): string | undefined {
  return spec?.orchRefs?.find(({ orchestrator }) => orchestrator === 'k8s')?.nodeName || undefined;
}

/** The nodes of the stores. */
export function nodeDirectory(stores: Stores, views: Views): NodeDirectory {
  const nodes = views.of(stores.kubernetes, Node);
  return isSeparate(stores)
    ? separateNodes(stores, nodes, views.of(stores.calico, CalicoNode))
    : sameNodes(stores, nodes);
}

function factsOf(kubernetesName: string, node: Node | undefined): NodeFacts {
  if (node === undefined) return { state: 'gone', kubernetesName };
  const migrating = node.metadata.labels?.[MIGRATION_LABEL] !== undefined;
  return { state: 'present', kubernetesName, migrating };
}

function onGone(view: View<unknown>, call: () => void): void {
  view.listen((_key, value) => {
    if (value === undefined) call();
  });
}

/** Kubernetes' nodes are Calico's. */
function sameNodes({ kubernetes }: Stores, nodes: View<Node>): NodeDirectory {
  return {
    facts: name => factsOf(name, nodes.items.get(name)),
    read: async name => factsOf(name, await find(() => kubernetes.get(Node, { name }))),
    namesOf: name => [name],
    onGone: call => onGone(nodes, call),
  };
}

function separateNodes(stores: Stores, nodes: View<Node>, calicoNodes: View<CalicoNode>): NodeDirectory {
  const known = new Map<string, Set<string>>();
  calicoNodes.listen((name, node, before) => {
    const [was, is] = [before, node].map(one => one && kubernetesNameOf(one));
    if (was !== undefined) known.get(was)?.delete(name);
    if (is !== undefined) known.set(is, (known.get(is) ?? new Set()).add(name));
  });
  return {
    facts: name => {
      const node = calicoNodes.items.get(name);
      if (node === undefined) return { state: 'gone' };
      const kubernetesName = kubernetesNameOf(node);
      if (kubernetesName === undefined) return { state: 'foreign' };
      return factsOf(kubernetesName, nodes.items.get(kubernetesName));
    },
    read: async name => {
      const node = await find(() => stores.calico.get(CalicoNode, { name }));
      if (node === undefined) return { state: 'gone' };
      const kubernetesName = kubernetesNameOf(node);
      if (kubernetesName === undefined) return { state: 'foreign' };
      return factsOf(kubernetesName, await find(() => stores.kubernetes.get(Node, { name: kubernetesName })));
    },
    namesOf: kubernetesName => [...(known.get(kubernetesName) ?? [])],
    onGone: call => {
      onGone(nodes, call);
      onGone(calicoNodes, call);
    },
  };
}

/** What a get gives; undefined when there is no such object. */
export async function find<R>(get: () => Promise<R>): Promise<R | undefined> {
  try {
    return await get();
  } catch (err) {
    if (isNotFound(err)) return undefined;
    throw err;
  }
}
