import {
  BGPConfiguration,
  type CalicoctlTable,
  CalicoNode,
  calicoNodeAnnotations,
  Node,
  nodeToCalicoNode,
  type Resource,
} from '@calico/api';
import { type Client, isNotFound, keyOf } from '@calico/datastore';
import { Unsupported } from '../failure.ts';
import { byDatastore, type CtlKind, type CtlMethods, printId } from './ctl-kind.ts';
import { describedKind } from './stored-kind.ts';
import { storedNodes } from './stored-nodes.ts';

const DEFAULT_AS_NUMBER = 64512;
const FROM_KUBERNETES = 'Kubernetes makes and removes its nodes';

const narrow = [{ heading: 'NAME', value: (node: Resource) => node.metadata.name }];

/** Nodes of a Kubernetes cluster: what Calico's annotations say of the Kubernetes Node. Only these and labels can be written. */
const annotated: CtlMethods = {
  list: async ({ client }) => {
    const { items, resourceVersion } = await client.list(Node);
    return { items: items.map(nodeToCalicoNode), resourceVersion };
  },
  get: async ({ client }, key) => nodeToCalicoNode(await client.get(Node, key)),
  create: (_store, resource) =>
    Promise.reject(new Unsupported('Create', printId(CalicoNode, keyOf(resource)), FROM_KUBERNETES)),
  update: async ({ client }, next) => {
    // Labels are Kubernetes' own: those that are given are set, and none is taken away.
    const { name, labels, resourceVersion } = next.metadata;
    const metadata = {
      annotations: calicoNodeAnnotations(asNode(next)),
      ...(labels === undefined ? {} : { labels }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    };
    return nodeToCalicoNode(await client.patch(Node, { name }, { metadata }, { type: 'merge' }));
  },
  delete: (_store, key) => Promise.reject(new Unsupported('Delete', printId(CalicoNode, key), FROM_KUBERNETES)),
};

/** Nodes: what Calico knows of the machines of the cluster. */
export const nodeKind: CtlKind = {
  ...describedKind(CalicoNode, { narrow, wide: wideColumns(DEFAULT_AS_NUMBER) }),
  ...byDatastore({ kubernetes: annotated, etcdv3: storedNodes }),
  wideTable: async ({ client }) => ({ narrow, wide: wideColumns(await defaultAsNumber(client)) }),
};

function asNode(resource: Resource): CalicoNode {
  const { status, ...rest } = resource;
  return { ...rest, spec: Object(rest.spec ?? {}), ...(status === undefined ? {} : { status: Object(status) }) };
}

function wideColumns(inherited: number): CalicoctlTable['wide'] {
  const bgp = (resource: Resource) => asNode(resource).spec.bgp;
  return [
    ...narrow,
    { heading: 'ASN', value: node => String(bgp(node)?.asNumber ?? `(${inherited})`) },
    { heading: 'IPV4', value: node => bgp(node)?.ipv4Address ?? '' },
    { heading: 'IPV6', value: node => bgp(node)?.ipv6Address ?? '' },
  ];
}

async function defaultAsNumber(client: Client): Promise<number> {
  try {
    const { spec } = await client.get(BGPConfiguration, { name: 'default' });
    return Number(spec.asNumber ?? DEFAULT_AS_NUMBER);
  } catch (err) {
    if (isNotFound(err)) return DEFAULT_AS_NUMBER;
    throw err;
  }
}
