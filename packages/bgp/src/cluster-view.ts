import type { BGPConfigurationSpec, BGPPeer, BlockAffinity, CalicoNode, IPPool } from '@calico/api';
import { type Addr, type Cidr, type Family, isMasked, parseAddr, parseCidr, printAddr } from '@calico/ip';
import type { Labels } from '@calico/selector';

/** The AS of nodes when nobody says otherwise: the first private one. */
const DEFAULT_AS = 64512;

export const FAMILIES: readonly Family[] = [4, 6];

/** A node as BGP sees it. */
export interface BgpNode {
  readonly name: string;
  readonly labels: Labels;
  /** Addresses in canonical text, by family. */
  readonly addresses: Readonly<Partial<Record<Family, string>>>;
  /** Effective: its own, the cluster's, or 64512. */
  readonly as: number;
  readonly clusterId: string | undefined;
  /** Where its BGP listens; undefined: 179. */
  readonly port: number | undefined;
}

/** What is known of the cluster, parsed; a value that cannot be read counts as absent. */
export interface ClusterView {
  readonly own: BgpNode;
  /** All nodes, own included, by name. */
  readonly nodes: readonly BgpNode[];
  readonly clusterAs: number;
  readonly config: BGPConfigurationSpec;
  /** The fields of `node.<own name>` that a node may have of its own. */
  readonly ownConfig: BGPConfigurationSpec;
  readonly peers: readonly BGPPeer[];
  readonly pools: readonly BgpPool[];
  /** Blocks that this node surely owns. */
  readonly blocks: readonly Cidr[];
}

export interface BgpPool {
  readonly cidr: Cidr;
  readonly encapsulation: 'none' | 'vxlan' | 'ipip';
  readonly disabled: boolean;
  readonly exported: boolean;
}

/** The objects that a view is made of, by name. */
export interface ClusterObjects {
  readonly CalicoNode: ReadonlyMap<string, CalicoNode>;
  readonly BGPConfiguration: ReadonlyMap<string, { readonly spec: BGPConfigurationSpec }>;
  readonly BGPPeer: ReadonlyMap<string, BGPPeer>;
  readonly IPPool: ReadonlyMap<string, IPPool>;
  readonly BlockAffinity: ReadonlyMap<string, BlockAffinity>;
}

/** The parsed cluster as this node sees it; undefined while the node itself is not known. */
export function viewCluster(nodeName: string, objects: ClusterObjects): ClusterView | undefined {
  const config = objects.BGPConfiguration.get('default')?.spec ?? {};
  const clusterAs = config.asNumber || DEFAULT_AS;
  const nodes = inOrder(objects.CalicoNode).map(node => {
    const nodeConfig = objects.BGPConfiguration.get(`node.${node.metadata.name}`)?.spec;
    return viewNode(node, clusterAs, nodeConfig?.listenPort ?? config.listenPort);
  });
  const own = nodes.find(node => node.name === nodeName);
  if (own === undefined) return undefined;
  return {
    own,
    nodes,
    clusterAs,
    config,
    ownConfig: objects.BGPConfiguration.get(`node.${nodeName}`)?.spec ?? {},
    peers: inOrder(objects.BGPPeer),
    pools: inOrder(objects.IPPool).flatMap(pool => viewPool(pool) ?? []),
    blocks: inOrder(objects.BlockAffinity).flatMap(affinity => ownBlock(affinity, nodeName) ?? []),
  };
}

/** By name, so that nothing depends on the order of arrival. */
function inOrder<T>(objects: ReadonlyMap<string, T>): T[] {
  return [...objects].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object);
}

function viewNode(node: CalicoNode, clusterAs: number, port: number | undefined): BgpNode {
  const { bgp } = node.spec;
  const addresses: Partial<Record<Family, string>> = {};
  for (const text of [bgp?.ipv4Address, bgp?.ipv6Address]) {
    const addr = parseCidr(text ?? '')?.addr;
    if (addr !== undefined) addresses[addr.family] = printAddr(addr);
  }
  const clusterId: Addr | undefined = parseAddr(bgp?.routeReflectorClusterID ?? '');
  return {
    name: node.metadata.name,
    labels: node.metadata.labels ?? {},
    addresses,
    as: bgp?.asNumber || clusterAs,
    clusterId: clusterId?.family === 4 ? printAddr(clusterId) : undefined,
    port,
  };
}

function viewPool({ spec }: IPPool): BgpPool | undefined {
  const cidr = parseCidr(spec.cidr);
  if (cidr === undefined || !isMasked(cidr)) return undefined;
  const on = (mode: string | undefined) => mode !== undefined && mode !== '' && mode !== 'Never';
  return {
    cidr,
    encapsulation: on(spec.vxlanMode) ? 'vxlan' : on(spec.ipipMode) ? 'ipip' : 'none',
    disabled: spec.disabled === true,
    exported: spec.disableBGPExport !== true,
  };
}

/** Claims that are pending, or on their way out, count as absent. */
function ownBlock({ spec }: BlockAffinity, nodeName: string): Cidr | undefined {
  const confirmed = (spec.state === 'confirmed' || spec.state === '') && spec.deleted !== true;
  if (!confirmed || spec.node !== nodeName || spec.type === 'virtual') return undefined;
  const cidr = parseCidr(spec.cidr);
  return cidr !== undefined && isMasked(cidr) ? cidr : undefined;
}
