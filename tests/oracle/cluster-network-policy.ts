import { blockHolds } from './address.ts';
import { type Cluster, podAt, type Thing } from './cluster.ts';
import { labelsFit } from './label-selector.ts';
import { type Direction, portAt, protocolNumber, type WirePacket } from './packet.ts';
import type { Criterion, Policy } from './policy.ts';
import type { ClusterPeer, ClusterPodSelector, ClusterPolicySpec, ClusterPort, RawResource } from './resources.ts';

const actions = { Accept: 'Allow', Deny: 'Deny', Pass: 'Pass' } as const;

/**
 * policy.networking.k8s.io ClusterNetworkPolicy in Kubernetes' own terms (network-policy-api.sigs.k8s.io): the first rule
 * that matches settles the packet within its tier, and a packet that none matches goes on as if passed. The tier Admin
 * comes before NetworkPolicies, Baseline after them; Calico has tiers of its own for both.
 */
export function clusterNetworkPolicy(resource: RawResource, cluster: Cluster): Policy {
  const spec = resource.spec as ClusterPolicySpec;
  const rulesOf = (direction: Direction) =>
    direction === 'Ingress'
      ? (spec.ingress ?? []).map(({ from, ...rule }) => ({ ...rule, peers: from }))
      : (spec.egress ?? []).map(({ to, ...rule }) => ({ ...rule, peers: to }));
  return {
    kind: 'KubernetesClusterNetworkPolicy',
    namespace: undefined,
    name: resource.metadata.name,
    tier: spec.tier === 'Admin' ? 'kube-admin' : 'kube-baseline',
    order: spec.priority,
    governs: (pod, direction) => rulesOf(direction).length > 0 && isMeant(spec.subject, pod),
    decide: (direction, packet, observe) => {
      for (const [index, { action, peers, protocols }] of rulesOf(direction).entries()) {
        const criteria: Criterion[] = [];
        const peer = peers.some(each => isPeer(each, direction, packet, cluster));
        for (const shape of new Set(peers.flatMap(each => Object.keys(each)))) {
          criteria.push([`cluster peer (${shape})`, peer]);
        }
        const port = (protocols ?? []).some(each => isPort(each, packet, cluster));
        for (const shape of new Set((protocols ?? []).map(portShape))) criteria.push([`cluster port (${shape})`, port]);
        criteria.forEach(observe);
        if (criteria.every(([, held]) => held)) {
          return { action: actions[action], rule: index, criteria: criteria.map(([field]) => field) };
        }
      }
      return undefined;
    },
  };
}

/** Every pod of the namespaces, or pods by their labels in namespaces by theirs; an absent selector fits all. */
function isMeant({ namespaces, pods }: ClusterPodSelector, pod: Thing): boolean {
  if (namespaces !== undefined) return labelsFit(namespaces, pod.namespaceLabels);
  return (
    pods !== undefined &&
    labelsFit(pods.namespaceSelector ?? {}, pod.namespaceLabels) &&
    labelsFit(pods.podSelector, pod.ownLabels)
  );
}

/** The other end: pods, or for egress any address in one of the networks, be it a pod's. */
function isPeer(peer: ClusterPeer, direction: Direction, packet: WirePacket, cluster: Cluster): boolean {
  const address = direction === 'Ingress' ? packet.source : packet.destination;
  if (peer.networks !== undefined) return peer.networks.some(network => blockHolds(network, address));
  const pod = podAt(cluster, address);
  return pod !== undefined && isMeant(peer, pod);
}

/** The destination's port: by number, range, or the name that the destination pod gives to one of any protocol. */
function isPort(port: ClusterPort, packet: WirePacket, cluster: Cluster): boolean {
  const actual = portAt('destination', packet);
  if (actual === undefined) return false;
  if (port.destinationNamedPort !== undefined) {
    const named = podAt(cluster, packet.destination)?.ports ?? [];
    return named.some(
      each => each.name === port.destinationNamedPort && each.port === actual && each.protocol === packet.protocol,
    );
  }
  return (['tcp', 'udp', 'sctp'] as const).some(name => {
    const wanted = port[name]?.destinationPort;
    if (wanted === undefined || protocolNumber(name.toUpperCase()) !== packet.protocol) return false;
    return wanted.range === undefined
      ? wanted.number === actual
      : wanted.range.start <= actual && actual <= wanted.range.end;
  });
}

function portShape({ destinationNamedPort, tcp, udp, sctp }: ClusterPort): string {
  if (destinationNamedPort !== undefined) return 'name';
  return (tcp ?? udp ?? sctp)?.destinationPort.range === undefined ? 'number' : 'range';
}
