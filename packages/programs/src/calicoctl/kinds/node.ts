import {
  BGPConfiguration,
  type CalicoctlTable,
  type CalicoNode,
  calicoNodeAnnotations,
  isDnsSubdomain,
  Node,
  nodeToCalicoNode,
  printFieldError,
  type Resource,
} from '@calico/api';
import { type Client, isNotFound, keyOf } from '@calico/datastore';
import { Unsupported } from '../failure.ts';
import { type CtlKind, printId } from './ctl-kind.ts';

const DEFAULT_AS_NUMBER = 64512;
const FROM_KUBERNETES = 'Kubernetes makes and removes its nodes';

/** The fields of a node, as far as they go down. `true`: whatever stands below. */
type Fields = { readonly [name: string]: Fields | true };
const FIELDS: Fields = {
  apiVersion: true,
  kind: true,
  metadata: true,
  spec: {
    bgp: {
      asNumber: true,
      ipv4Address: true,
      ipv6Address: true,
      ipv4IPIPTunnelAddr: true,
      routeReflectorClusterID: true,
    },
    ipv4VXLANTunnelAddr: true,
    ipv6VXLANTunnelAddr: true,
    vxlanTunnelMACAddr: true,
    vxlanTunnelMACAddrV6: true,
    orchRefs: true,
    wireguard: { interfaceIPv4Address: true, interfaceIPv6Address: true },
    addresses: true,
    interfaces: true,
  },
  status: true,
};

function asNode(resource: Resource): CalicoNode {
  const { status, ...rest } = resource;
  return { ...rest, spec: Object(rest.spec ?? {}), ...(status === undefined ? {} : { status: Object(status) }) };
}

/** Nodes: what Calico's annotations say of the Kubernetes Node. Only these and labels can be written. */
export const nodeKind: CtlKind = {
  kind: 'Node',
  apiVersion: 'projectcalico.org/v3',
  plural: 'nodes',
  namespaced: false,
  aliases: ['node', 'nodes', 'no', 'nos'],
  table: { narrow: [{ heading: 'NAME', value: node => node.metadata.name }], wide: wideColumns(DEFAULT_AS_NUMBER) },
  wideTable: async client => {
    const inherited = await defaultAsNumber(client);
    return { narrow: nodeKind.table.narrow, wide: wideColumns(inherited) };
  },
  list: async client => {
    const { items, resourceVersion } = await client.list(Node);
    return { items: items.map(nodeToCalicoNode), resourceVersion };
  },
  get: async (client, key) => nodeToCalicoNode(await client.get(Node, key)),
  create: (_client, resource) =>
    Promise.reject(new Unsupported('Create', printId(nodeKind, keyOf(resource)), FROM_KUBERNETES)),
  update: async (client, next) => {
    // Labels are Kubernetes' own: those that are given are set, and none is taken away.
    const { name, labels, resourceVersion } = next.metadata;
    const metadata = {
      annotations: calicoNodeAnnotations(asNode(next)),
      ...(labels === undefined ? {} : { labels }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    };
    return nodeToCalicoNode(await client.patch(Node, { name }, { metadata }, { type: 'merge' }));
  },
  delete: (_client, key) => Promise.reject(new Unsupported('Delete', printId(nodeKind, key), FROM_KUBERNETES)),
  unknownFields: value => unknownIn(FIELDS, value, ''),
  faults: resource => {
    const { name } = resource.metadata;
    if (!isDnsSubdomain(name)) {
      const message = 'must be the name of a Kubernetes node';
      return [printFieldError({ code: 'Invalid', path: 'metadata.name', value: name, message })];
    }
    return changedBack(asNode(resource));
  },
};

function wideColumns(inherited: number): CalicoctlTable['wide'] {
  const bgp = (resource: Resource) => asNode(resource).spec.bgp;
  return [
    { heading: 'NAME', value: node => node.metadata.name },
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

function unknownIn(fields: Fields, value: unknown, path: string): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, part]) => {
    const inner = fields[name];
    const at = path === '' ? name : `${path}.${name}`;
    if (inner === undefined) return [at];
    return inner === true ? [] : unknownIn(inner, part, at);
  });
}

/** A value that does not survive the way into annotations and back is not what the field takes. */
function changedBack(node: CalicoNode): string[] {
  const annotations: Record<string, string> = {};
  for (const [key, text] of Object.entries(calicoNodeAnnotations(node))) if (text !== null) annotations[key] = text;
  const stored = nodeToCalicoNode({
    apiVersion: Node.apiVersion,
    kind: Node.kind,
    metadata: { name: node.metadata.name, annotations },
    spec: {},
  });
  const fields: readonly { readonly path: string; of(node: CalicoNode): unknown; readonly allowed: string }[] = [
    { path: 'spec.bgp.asNumber', of: n => n.spec.bgp?.asNumber, allowed: 'a number of 1 to 4294967295' },
    {
      path: 'spec.bgp.ipv4Address',
      of: n => n.spec.bgp?.ipv4Address,
      allowed: 'an address with the length of its network',
    },
    {
      path: 'spec.bgp.ipv6Address',
      of: n => n.spec.bgp?.ipv6Address,
      allowed: 'an address with the length of its network',
    },
    { path: 'spec.bgp.ipv4IPIPTunnelAddr', of: n => n.spec.bgp?.ipv4IPIPTunnelAddr, allowed: 'an address' },
    {
      path: 'spec.bgp.routeReflectorClusterID',
      of: n => n.spec.bgp?.routeReflectorClusterID,
      allowed: 'an IPv4 address',
    },
    { path: 'spec.ipv4VXLANTunnelAddr', of: n => n.spec.ipv4VXLANTunnelAddr, allowed: 'an address' },
    { path: 'spec.ipv6VXLANTunnelAddr', of: n => n.spec.ipv6VXLANTunnelAddr, allowed: 'an address' },
  ];
  return fields.flatMap(({ path, of, allowed }) => {
    const value = of(node);
    if (value === undefined || of(stored) !== undefined) return [];
    return [printFieldError({ code: 'Invalid', path, value, message: `must be ${allowed}` })];
  });
}
