import { type Address, blockHolds, readAddress } from './address.ts';
import { protocolNumber } from './packet.ts';
import type { EndpointSliceBody, FelixSpec, PodSpec, PodStatus, RawResource } from './resources.ts';
import type { Labels } from './selector.ts';

/**
 * Something with addresses and labels that a selector can mean: a pod, a NetworkSet or a GlobalNetworkSet.
 * A thing outside every namespace has no namespace labels, one without a service account no service account labels.
 */
export interface Thing {
  readonly kind: 'pod' | 'network set' | 'global network set';
  /** `namespace/name`, or the name alone. */
  readonly name: string;
  readonly namespace: string | undefined;
  /** What the user wrote on it. */
  readonly ownLabels: Labels;
  /** What a Calico selector sees: own labels, Calico's automatic ones, and those taken over from namespace and account. */
  readonly labels: Labels;
  readonly namespaceLabels: Labels;
  readonly serviceAccount: string | undefined;
  readonly serviceAccountLabels: Labels;
  readonly blocks: readonly string[];
  readonly ports: readonly NamedPort[];
  readonly node: string | undefined;
}

export interface NamedPort {
  readonly name: string;
  readonly port: number;
  readonly protocol: number;
}

/** A node and the addresses that are its own: from its status, and those that Calico notes in annotations. */
export interface NodeAddresses {
  readonly name: string;
  readonly addresses: readonly string[];
}

export interface Cluster {
  readonly resources: readonly RawResource[];
  readonly things: readonly Thing[];
  readonly nodes: readonly NodeAddresses[];
}

/** Reads the resources that carry addresses or labels. Nothing is remembered between calls. */
export function readCluster(resources: readonly RawResource[]): Cluster {
  const all = (kind: string): RawResource[] => resources.filter(resource => resource.kind === kind);

  /** A namespace's labels: its own, the name label of Kubernetes, and Calico's. Namespaces exist without being listed. */
  const namespaceLabels = (name: string): Labels => ({
    'kubernetes.io/metadata.name': name,
    ...all('Namespace').find(each => each.metadata.name === name)?.metadata.labels,
    'projectcalico.org/name': name,
  });

  const pod = (resource: RawResource): Thing => {
    const spec = (resource.spec ?? {}) as PodSpec;
    const namespace = namespaceOf(resource);
    const account = spec.serviceAccountName;
    const known = all('ServiceAccount').find(each => each.metadata.name === account && namespaceOf(each) === namespace);
    const accountLabels: Labels =
      known === undefined ? {} : { ...known.metadata.labels, 'projectcalico.org/name': known.metadata.name };
    const ownLabels = resource.metadata.labels ?? {};
    return {
      kind: 'pod',
      name: `${namespace}/${resource.metadata.name}`,
      namespace,
      ownLabels,
      labels: {
        ...withoutInherited(ownLabels),
        ...prefixed('pcns.', namespaceLabels(namespace)),
        ...prefixed('pcsa.', accountLabels),
        'projectcalico.org/namespace': namespace,
        'projectcalico.org/orchestrator': 'k8s',
        ...(account === undefined ? {} : { 'projectcalico.org/serviceaccount': account }),
      },
      namespaceLabels: namespaceLabels(namespace),
      serviceAccount: account,
      serviceAccountLabels: accountLabels,
      blocks: addressesOfPod(resource),
      ports: [...(spec.containers ?? []), ...(spec.initContainers ?? [])].flatMap(container =>
        (container.ports ?? []).flatMap(({ name, containerPort, protocol }) =>
          name === undefined ? [] : [{ name, port: containerPort, protocol: protocolNumber(protocol ?? 'TCP') }],
        ),
      ),
      node: spec.nodeName,
    };
  };

  const networkSet = (resource: RawResource): Thing => {
    const namespace = resource.kind === 'NetworkSet' ? namespaceOf(resource) : undefined;
    const ownLabels = resource.metadata.labels ?? {};
    const inherited = namespace === undefined ? {} : namespaceLabels(namespace);
    return {
      kind: namespace === undefined ? 'global network set' : 'network set',
      name: namespace === undefined ? resource.metadata.name : `${namespace}/${resource.metadata.name}`,
      namespace,
      ownLabels,
      labels: {
        ...ownLabels,
        ...prefixed('pcns.', inherited),
        ...(namespace === undefined ? {} : { 'projectcalico.org/namespace': namespace }),
      },
      namespaceLabels: inherited,
      serviceAccount: undefined,
      serviceAccountLabels: {},
      blocks: (resource.spec as { nets?: readonly string[] } | undefined)?.nets ?? [],
      ports: [],
      node: undefined,
    };
  };

  return {
    resources,
    things: [
      ...all('Pod').filter(isEndpoint).map(pod),
      ...all('NetworkSet').map(networkSet),
      ...all('GlobalNetworkSet').map(networkSet),
    ],
    nodes: all('Node').map(node => ({ name: node.metadata.name, addresses: addressesOfNode(node) })),
  };
}

/** The namespace a namespaced resource is in; Kubernetes puts it into `default` when none is named. */
export function namespaceOf(resource: RawResource): string {
  return resource.metadata.namespace ?? 'default';
}

/** Every pod and network set that has this address, alone or within one of its blocks. */
export function thingsAt(cluster: Cluster, address: Address): Thing[] {
  return cluster.things.filter(thing => thing.blocks.some(block => blockHolds(block, address)));
}

/** The pod that has this address. */
export function podAt(cluster: Cluster, address: Address): Thing | undefined {
  return thingsAt(cluster, address).find(thing => thing.kind === 'pod');
}

/** The node that has this address. */
export function nodeAt(cluster: Cluster, address: Address): NodeAddresses | undefined {
  return cluster.nodes.find(node => node.addresses.some(own => readAddress(own).bits === address.bits));
}

/** All (address, port, protocol) behind a Service, by its EndpointSlices; ready or not. */
export function serviceEndpoints(
  cluster: Cluster,
  namespace: string,
  service: string,
): { addresses: readonly string[]; ports: readonly { port: number; protocol: number }[] }[] {
  return cluster.resources
    .filter(each => each.kind === 'EndpointSlice' && namespaceOf(each) === namespace)
    .filter(each => each.metadata.labels?.['kubernetes.io/service-name'] === service)
    .map(each => each as RawResource & EndpointSliceBody)
    .map(slice => ({
      addresses: (slice.endpoints ?? []).flatMap(endpoint => endpoint.addresses ?? []),
      ports: (slice.ports ?? []).flatMap(({ port, protocol }) =>
        port === undefined ? [] : [{ port, protocol: protocolNumber(protocol ?? 'TCP') }],
      ),
    }));
}

/** Felix's settings on a node: those of `node.<name>` win over `default`. */
export function felixSettings(cluster: Cluster, node: string | undefined): FelixSpec {
  const named = (name: string): FelixSpec =>
    (cluster.resources.find(each => each.kind === 'FelixConfiguration' && each.metadata.name === name)?.spec ??
      {}) as FelixSpec;
  return { ...named('default'), ...named(`node.${node}`) };
}

/** A pod is an endpoint of its own when it has its own network, a node, and has not finished. */
function isEndpoint(pod: RawResource): boolean {
  const spec = (pod.spec ?? {}) as PodSpec;
  const phase = (pod.status as PodStatus | undefined)?.phase ?? '';
  return spec.hostNetwork !== true && spec.nodeName !== undefined && !['Failed', 'Succeeded'].includes(phase);
}

function addressesOfPod(pod: RawResource): string[] {
  const status = (pod.status ?? {}) as PodStatus;
  if (status.podIPs !== undefined && status.podIPs.length > 0) return status.podIPs.map(({ ip }) => ip);
  return status.podIP === undefined || status.podIP === '' ? [] : [status.podIP];
}

function addressesOfNode(node: RawResource): string[] {
  const status = (node.status ?? {}) as { addresses?: readonly { type: string; address: string }[] };
  const fromStatus = (status.addresses ?? [])
    .filter(({ type }) => type === 'InternalIP' || type === 'ExternalIP')
    .map(({ address }) => address);
  const fromAnnotations = Object.entries(node.metadata.annotations ?? {})
    .filter(([key]) =>
      /^projectcalico\.org\/IPv[46](Address|IPIPTunnelAddr|VXLANTunnelAddr|WireguardInterfaceAddr)$/.test(key),
    )
    .map(([, value]) => value.split('/')[0] ?? '');
  return [...fromStatus, ...fromAnnotations];
}

/** Labels with these prefixes are Calico's to give; a pod cannot claim them. */
function withoutInherited(labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([key]) => !/^pc(ns|sa)\./.test(key)));
}

function prefixed(prefix: string, labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).map(([key, value]) => [prefix + key, value]));
}
