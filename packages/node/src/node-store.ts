import { isDeepStrictEqual } from 'node:util';
import { CalicoNode, calicoNodeAnnotations, Node, nodeToCalicoNode } from '@calico/api';
import { type Client, isAlreadyExists, isConflict, isNotFound } from '@calico/datastore';

/** What Calico knows of nodes, wherever that is kept: in annotations of Kubernetes' nodes, or in objects of their own. */
export interface NodeStore {
  /** Whether `change` makes a node that is not there; else whoever runs the cluster has to. */
  readonly createsNodes: boolean;
  /** Rejects with NotFound. */
  get(name: string): Promise<CalicoNode>;
  list(): Promise<CalicoNode[]>;
  /**
   * Writes what an edit makes of a node, as it is now; nothing when that is the same. The edit gets a copy and may be called
   * more than once. Gives the node as it then is.
   */
  change(name: string, edit: (node: CalicoNode) => CalicoNode): Promise<CalicoNode>;
}

/** How often a change is tried again when others change the node meanwhile. */
const TRIES = 20;

/** The nodes of a Kubernetes cluster. `change` rejects with NotFound for one that no kubelet has registered. */
export function kubernetesNodes(client: Client): NodeStore {
  return {
    createsNodes: false,
    get: async name => nodeToCalicoNode(await client.get(Node, { name })),
    list: async () => (await client.list(Node)).items.map(nodeToCalicoNode),
    async change(name, edit) {
      const before = nodeToCalicoNode(await client.get(Node, { name }));
      const present = calicoNodeAnnotations(before);
      const wanted = Object.entries(calicoNodeAnnotations(edit(structuredClone(before))));
      // Only what differs: other programs keep annotations of their own there.
      const changed = wanted.filter(([key, value]) => present[key] !== value);
      if (changed.length === 0) return before;
      const annotations = Object.fromEntries(changed);
      return nodeToCalicoNode(await client.patch(Node, { name }, { metadata: { annotations } }, { type: 'merge' }));
    },
  };
}

/** The nodes of a datastore that has objects for them (etcd). `change` creates one that is not there yet. */
export function storedNodes(client: Client): NodeStore {
  const find = async (name: string): Promise<CalicoNode | undefined> => {
    try {
      return await client.get(CalicoNode, { name });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  };
  return {
    createsNodes: true,
    get: name => client.get(CalicoNode, { name }),
    list: async () => (await client.list(CalicoNode)).items,
    async change(name, edit) {
      for (let tries = 1; ; tries++) {
        const before = await find(name);
        const after = edit(structuredClone(before ?? newNode(name)));
        try {
          if (before === undefined) return await client.create(CalicoNode, after);
          if (isDeepStrictEqual(after, before)) return before;
          return await client.update(CalicoNode, after);
        } catch (error) {
          if (tries === TRIES || !(isConflict(error) || isAlreadyExists(error))) throw error;
        }
      }
    },
  };
}

function newNode(name: string): CalicoNode {
  return { apiVersion: 'projectcalico.org/v3', kind: 'Node', metadata: { name }, spec: {} };
}
