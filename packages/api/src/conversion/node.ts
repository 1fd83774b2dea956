import { parseAddr, parseCidr, printAddr, printCidr } from '@calico/ip';
import type { CalicoNode } from '../kinds/calico/calico-node.ts';
import type { Node } from '../kinds/kubernetes/node.ts';
import { parseAsNumber } from '../schema/formats.ts';

type Spec = CalicoNode['spec'];
type Bgp = NonNullable<Spec['bgp']>;
type Interfaces = NonNullable<Spec['interfaces']>;
type Addresses = NonNullable<Spec['addresses']>;

const PREFIX = 'projectcalico.org/';

/** The value that an annotation must have; undefined: it says nothing. */
type Reader = (text: string) => string | undefined;

const asCidr: Reader = text => {
  const parsed = parseCidr(text);
  return parsed && printCidr(parsed);
};
/** A tunnel's address stands without length. */
const asAddress: Reader = text => {
  const parsed = parseCidr(text)?.addr;
  return parsed && printAddr(parsed);
};
const asIpv4: Reader = text => (parseAddr(text)?.family === 4 ? text : undefined);
const asText: Reader = text => text;

/** One annotation that is one text field of the node. */
interface TextField {
  readonly annotation: string;
  readonly read: Reader;
  get(node: CalicoNode): string | undefined;
}

const BGP_IPV4: TextField = { annotation: 'IPv4Address', read: asCidr, get: n => n.spec.bgp?.ipv4Address };
const BGP_IPV6: TextField = { annotation: 'IPv6Address', read: asCidr, get: n => n.spec.bgp?.ipv6Address };
const IPIP: TextField = { annotation: 'IPv4IPIPTunnelAddr', read: asAddress, get: n => n.spec.bgp?.ipv4IPIPTunnelAddr };
const CLUSTER_ID: TextField = {
  annotation: 'RouteReflectorClusterID',
  read: asIpv4,
  get: n => n.spec.bgp?.routeReflectorClusterID,
};
const VXLAN_IPV4: TextField = {
  annotation: 'IPv4VXLANTunnelAddr',
  read: asAddress,
  get: n => n.spec.ipv4VXLANTunnelAddr,
};
const VXLAN_IPV6: TextField = {
  annotation: 'IPv6VXLANTunnelAddr',
  read: asAddress,
  get: n => n.spec.ipv6VXLANTunnelAddr,
};
const VXLAN_MAC: TextField = { annotation: 'VXLANTunnelMACAddr', read: asText, get: n => n.spec.vxlanTunnelMACAddr };
const VXLAN_MAC_V6: TextField = {
  annotation: 'VXLANTunnelMACAddrV6',
  read: asText,
  get: n => n.spec.vxlanTunnelMACAddrV6,
};
const WIREGUARD_IPV4: TextField = {
  annotation: 'IPv4WireguardInterfaceAddr',
  read: asAddress,
  get: n => n.spec.wireguard?.interfaceIPv4Address,
};
const WIREGUARD_IPV6: TextField = {
  annotation: 'IPv6WireguardInterfaceAddr',
  read: asAddress,
  get: n => n.spec.wireguard?.interfaceIPv6Address,
};
const WIREGUARD_KEY: TextField = {
  annotation: 'WireguardPublicKey',
  read: asText,
  get: n => n.status?.wireguardPublicKey,
};
const WIREGUARD_KEY_V6: TextField = {
  annotation: 'WireguardPublicKeyV6',
  read: asText,
  get: n => n.status?.wireguardPublicKeyV6,
};
const AS_NUMBER: TextField = {
  annotation: 'ASNumber',
  read: text => parseAsNumber(text)?.toString(),
  get: n => n.spec.bgp?.asNumber?.toString(),
};
const INTERFACES: TextField = {
  annotation: 'Interfaces',
  read: asText,
  get: n => (n.spec.interfaces === undefined ? undefined : JSON.stringify(n.spec.interfaces)),
};

const TEXT_FIELDS: readonly TextField[] = [
  BGP_IPV4,
  BGP_IPV6,
  AS_NUMBER,
  IPIP,
  CLUSTER_ID,
  VXLAN_IPV4,
  VXLAN_IPV6,
  VXLAN_MAC,
  VXLAN_MAC_V6,
  WIREGUARD_IPV4,
  WIREGUARD_IPV6,
  WIREGUARD_KEY,
  WIREGUARD_KEY_V6,
  INTERFACES,
];

function readInterfaces(text: string | undefined): Interfaces | undefined {
  if (text === undefined || text === '') return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(value)) return undefined;
  return value.flatMap((entry: { name?: unknown; addresses?: unknown } | null) => {
    if (typeof entry?.name !== 'string' || !Array.isArray(entry.addresses)) return [];
    const addresses = entry.addresses.filter((address): address is string => typeof address === 'string');
    return [{ name: entry.name, addresses }];
  });
}

/** Takes out what is undefined; undefined when nothing is left. */
function present<T extends object>(fields: { [K in keyof T]?: T[K] | undefined }): T | undefined {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return entries.length === 0 ? undefined : (Object.fromEntries(entries) as T);
}

function readAddresses(node: Node, bgp: Bgp | undefined): Addresses {
  const addresses: Addresses = [];
  for (const address of [bgp?.ipv4Address, bgp?.ipv6Address]) {
    if (address !== undefined) addresses.push({ address, type: 'CalicoNodeIP' });
  }
  for (const { type, address } of node.status?.addresses ?? []) {
    if (type === 'InternalIP' || type === 'ExternalIP') addresses.push({ address, type });
  }
  return addresses;
}

/**
 * What Calico knows of a node: the annotations `projectcalico.org/…` that its own programs write, with the addresses that
 * Kubernetes knows. Pure; an annotation that does not hold what it should counts as absent.
 */
export function nodeToCalicoNode(node: Node): CalicoNode {
  const annotations = node.metadata.annotations ?? {};
  const read = (field: TextField): string | undefined => {
    const text = annotations[PREFIX + field.annotation];
    return text === undefined || text === '' ? undefined : field.read(text);
  };
  const number = read(AS_NUMBER);
  const bgp = present<Bgp>({
    asNumber: number === undefined ? undefined : Number(number),
    ipv4Address: read(BGP_IPV4),
    ipv6Address: read(BGP_IPV6),
    ipv4IPIPTunnelAddr: read(IPIP),
    routeReflectorClusterID: read(CLUSTER_ID),
  });
  const podCIDRs = node.spec?.podCIDRs ?? (node.spec?.podCIDR ? [node.spec.podCIDR] : []);
  const addresses = readAddresses(node, bgp);
  const spec = present<Spec>({
    bgp,
    ipv4VXLANTunnelAddr: read(VXLAN_IPV4),
    ipv6VXLANTunnelAddr: read(VXLAN_IPV6),
    vxlanTunnelMACAddr: read(VXLAN_MAC),
    vxlanTunnelMACAddrV6: read(VXLAN_MAC_V6),
    orchRefs: [{ nodeName: node.metadata.name, orchestrator: 'k8s' }],
    wireguard: present<NonNullable<Spec['wireguard']>>({
      interfaceIPv4Address: read(WIREGUARD_IPV4),
      interfaceIPv6Address: read(WIREGUARD_IPV6),
    }),
    addresses: addresses.length === 0 ? undefined : addresses,
    interfaces: readInterfaces(read(INTERFACES)),
  });
  const status = present<NonNullable<CalicoNode['status']>>({
    wireguardPublicKey: read(WIREGUARD_KEY),
    wireguardPublicKeyV6: read(WIREGUARD_KEY_V6),
    podCIDRs: podCIDRs.length === 0 ? undefined : podCIDRs,
  });
  const { name, labels, uid, resourceVersion, creationTimestamp } = node.metadata;
  return {
    apiVersion: 'projectcalico.org/v3',
    kind: 'Node',
    metadata: { name, ...present({ labels, uid, resourceVersion, creationTimestamp }) },
    spec: spec ?? {},
    ...(status === undefined ? {} : { status }),
  };
}

/**
 * The annotations of the Kubernetes Node that say what `node` says, for a merge patch: null takes away one that must not be there.
 * The other direction of nodeToCalicoNode; annotations of other owners are not among them.
 */
export function calicoNodeAnnotations(node: CalicoNode): Record<string, string | null> {
  return Object.fromEntries(TEXT_FIELDS.map(field => [PREFIX + field.annotation, field.get(node) ?? null]));
}
