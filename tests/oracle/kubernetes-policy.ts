import { blockHolds } from './address.ts';
import { type Cluster, namespaceOf, podAt } from './cluster.ts';
import { labelsFit } from './label-selector.ts';
import { type Direction, portAt, protocolNumber, type WirePacket } from './packet.ts';
import type { Criterion, Policy } from './policy.ts';
import type { KubernetesPolicySpec, KubernetesPort, Peer, RawResource } from './resources.ts';

/**
 * networking.k8s.io/v1 NetworkPolicy in Kubernetes' own terms (Kubernetes documentation, "Network Policies"): it only
 * ever allows; that it governs a pod isolates the pod, which is the end of Calico's tier `default`, where it sits at
 * order 1000.
 */
export function kubernetesPolicy(resource: RawResource, cluster: Cluster): Policy {
  const spec = (resource.spec ?? {}) as KubernetesPolicySpec;
  const namespace = namespaceOf(resource);
  return {
    kind: 'KubernetesNetworkPolicy',
    namespace,
    name: resource.metadata.name,
    tier: 'default',
    order: 1000,
    governs: (pod, direction) =>
      policyTypes(spec).includes(direction) &&
      pod.namespace === namespace &&
      labelsFit(spec.podSelector ?? {}, pod.ownLabels),
    decide: (direction, packet, observe) => {
      const rules =
        direction === 'Ingress'
          ? (spec.ingress ?? []).map(({ from, ports }) => ({ peers: from ?? [], ports: ports ?? [] }))
          : (spec.egress ?? []).map(({ to, ports }) => ({ peers: to ?? [], ports: ports ?? [] }));
      for (const [index, { peers, ports }] of rules.entries()) {
        const criteria: Criterion[] = [];
        const peer = peers.find(each => isPeer(each, direction, namespace, packet, cluster));
        const port = ports.find(each => isPort(each, packet, cluster));
        for (const shape of new Set(peers.map(peerShape))) criteria.push([`peer (${shape})`, peer !== undefined]);
        for (const shape of new Set(ports.map(portShape))) criteria.push([`port (${shape})`, port !== undefined]);
        criteria.forEach(observe);
        if (criteria.every(([, held]) => held)) {
          return { action: 'Allow', rule: index, criteria: criteria.map(([field]) => field) };
        }
      }
      return undefined;
    },
  };
}

/** Without `policyTypes`: Ingress always, and Egress when the policy has egress rules. */
function policyTypes(spec: KubernetesPolicySpec): readonly Direction[] {
  if (spec.policyTypes !== undefined && spec.policyTypes.length > 0) return spec.policyTypes;
  return (spec.egress ?? []).length > 0 ? ['Ingress', 'Egress'] : ['Ingress'];
}

/** The other end of the connection: an address block less its exceptions, or pods by their labels and namespace. */
function isPeer(peer: Peer, direction: Direction, namespace: string, packet: WirePacket, cluster: Cluster): boolean {
  const address = direction === 'Ingress' ? packet.source : packet.destination;
  if (peer.ipBlock !== undefined) {
    const { cidr, except = [] } = peer.ipBlock;
    return blockHolds(cidr, address) && !except.some(hole => blockHolds(hole, address));
  }
  const pod = podAt(cluster, address);
  if (pod === undefined) return false;
  const rightNamespace =
    peer.namespaceSelector === undefined
      ? pod.namespace === namespace
      : labelsFit(peer.namespaceSelector, pod.namespaceLabels);
  return rightNamespace && labelsFit(peer.podSelector ?? {}, pod.ownLabels);
}

/** The port at the destination: by number, range, or the name that the destination pod gives it. TCP unless said. */
function isPort({ protocol = 'TCP', port, endPort }: KubernetesPort, packet: WirePacket, cluster: Cluster): boolean {
  if (protocolNumber(protocol) !== packet.protocol) return false;
  if (port === undefined) return true;
  const actual = portAt('destination', packet);
  if (actual === undefined) return false;
  if (typeof port === 'number') return port <= actual && actual <= (endPort ?? port);
  const named = podAt(cluster, packet.destination)?.ports ?? [];
  return named.some(each => each.name === port && each.port === actual && each.protocol === packet.protocol);
}

function peerShape(peer: Peer): string {
  if (peer.ipBlock !== undefined) return (peer.ipBlock.except ?? []).length > 0 ? 'ipBlock with except' : 'ipBlock';
  return peer.namespaceSelector === undefined ? 'podSelector' : 'namespaceSelector';
}

function portShape({ port, endPort }: KubernetesPort): string {
  if (port === undefined) return 'protocol only';
  if (typeof port === 'string') return 'name';
  return endPort === undefined ? 'number' : 'range';
}
