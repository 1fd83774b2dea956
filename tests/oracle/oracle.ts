import { type Address, readAddress } from './address.ts';
import { calicoPolicy } from './calico-policy.ts';
import { type Cluster, felixSettings, nodeAt, podAt, readCluster, type Thing } from './cluster.ts';
import { clusterNetworkPolicy } from './cluster-network-policy.ts';
import { kubernetesPolicy } from './kubernetes-policy.ts';
import type { Direction, Packet, Place, WirePacket } from './packet.ts';
import type { Observe, Policy } from './policy.ts';
import type { RawResource, TierSpec } from './resources.ts';

/** What becomes of a connection, and why. */
export interface Answer {
  readonly verdict: 'allow' | 'deny';
  /** The deciding reason in words. */
  readonly reason: string;
  /** The source pod's say, when the packet leaves a pod. */
  readonly egress?: Decision;
  /** The destination pod's say, when the packet reaches a pod and was not stopped before. */
  readonly ingress?: Decision;
}

/** What one pod's policies say about a packet in one direction. */
export interface Decision {
  readonly verdict: 'allow' | 'deny';
  readonly reason: string;
  /** The policy that decided; absent when no rule did. */
  readonly policy?: string;
  readonly action?: 'Allow' | 'Deny' | 'Tier default' | 'No policy' | 'All passed';
  readonly criteria?: readonly string[];
}

/** Answers questions about one state of the cluster. */
export interface Oracle {
  judge(packet: Packet, observe?: Observe): Answer;
}

/**
 * An oracle for the resources as they are now: Pods (with their addresses in `status`), Namespaces, ServiceAccounts,
 * Nodes, policies of all four kinds, Tiers, network sets, EndpointSlices, FelixConfigurations; other kinds are ignored,
 * staged policies among them, since they never change a verdict.
 */
export function oracleOf(resources: readonly RawResource[]): Oracle {
  const cluster = readCluster(resources);
  const policies = readPolicies(resources, cluster);
  const tiers = readTiers(resources);
  const stray = policies.find(policy => !tiers.some(tier => tier.name === policy.tier));
  if (stray !== undefined) {
    throw new Error(`Cannot read policy ${stray.name}: tier is "${stray.tier}"; allowed: a tier that exists`);
  }
  const ask = (direction: Direction, pod: Thing, packet: WirePacket, observe: Observe): Decision =>
    walkTiers(tiers, policies, direction, pod, packet, observe);
  return { judge: (packet, observe = () => {}) => judge(cluster, ask, packet, observe) };
}

type Ask = (direction: Direction, pod: Thing, packet: WirePacket, observe: Observe) => Decision;

/** A connection passes when the source's egress and the destination's ingress both allow it. */
function judge(cluster: Cluster, ask: Ask, packet: Packet, observe: Observe): Answer {
  const wire = onTheWire(cluster, packet);
  const from = podAt(cluster, wire.source);
  const to = podAt(cluster, wire.destination);
  if (from !== undefined && from === to) {
    return { verdict: 'allow', reason: `pod ${from.name} talks to itself, which never leaves the pod` };
  }

  const egress =
    from === undefined ? undefined : (tunnelled(cluster, from, wire) ?? ask('Egress', from, wire, observe));
  if (egress?.verdict === 'deny') return { verdict: 'deny', reason: egress.reason, egress };

  const toNode = nodeAt(cluster, wire.destination);
  if (from !== undefined && egress !== undefined && toNode !== undefined && toNode.name === from.node) {
    return { ...toOwnNode(cluster, from, egress), egress };
  }
  if (to === undefined) {
    const reason = egress?.reason ?? 'neither end is a pod, so no policy of a pod has a say';
    return { verdict: 'allow', reason, ...(egress === undefined ? {} : { egress }) };
  }
  const fromNode = nodeAt(cluster, wire.source);
  if (fromNode !== undefined && fromNode.name === to.node) {
    return { verdict: 'allow', reason: `node ${fromNode.name} always reaches its own pods` };
  }
  const ingress = ask('Ingress', to, wire, observe);
  const both =
    egress === undefined || ingress.verdict === 'deny' ? ingress.reason : `${egress.reason}; ${ingress.reason}`;
  return { verdict: ingress.verdict, reason: both, ...(egress === undefined ? {} : { egress }), ingress };
}

/** Pods may not send packets that look like the cluster's own tunnels, unless FelixConfiguration lets them. */
function tunnelled(cluster: Cluster, pod: Thing, packet: WirePacket): Decision | undefined {
  const settings = felixSettings(cluster, pod.node);
  const vxlan = packet.protocol === 17 && packet.destinationPort === (settings.vxlanPort ?? 4789);
  if (vxlan && settings.allowVXLANPacketsFromWorkloads !== true) {
    return { verdict: 'deny', reason: `pod ${pod.name} may not send VXLAN packets` };
  }
  if (packet.protocol === 4 && settings.allowIPIPPacketsFromWorkloads !== true) {
    return { verdict: 'deny', reason: `pod ${pod.name} may not send IP-in-IP packets` };
  }
  return undefined;
}

/** Once a pod's egress policy allows it, `defaultEndpointToHostAction` decides about its own node; Drop by default. */
function toOwnNode(cluster: Cluster, pod: Thing, egress: Decision): { verdict: 'allow' | 'deny'; reason: string } {
  const action = felixSettings(cluster, pod.node).defaultEndpointToHostAction ?? 'Drop';
  const verdict = action === 'Drop' ? 'deny' : 'allow';
  return { verdict, reason: `${egress.reason}; then to its own node: defaultEndpointToHostAction is ${action}` };
}

/** Tier by tier, the policies that govern the pod in this direction, rule by rule, until one settles the packet. */
function walkTiers(
  tiers: readonly Tier[],
  policies: readonly Policy[],
  direction: Direction,
  pod: Thing,
  packet: WirePacket,
  observe: Observe,
): Decision {
  const side = `${direction.toLowerCase()} of pod ${pod.name}`;
  observe([`direction ${direction}`, true]);
  observe([`family IPv${packet.source.family}`, true]);
  const governing = policies.filter(policy => policy.governs(pod, direction));
  if (governing.length === 0) {
    return { verdict: 'allow', action: 'No policy', reason: `${side}: no policy governs it, so all is allowed` };
  }
  for (const tier of tiers) {
    const inTier = governing.filter(policy => policy.tier === tier.name).sort(byOrder);
    if (inTier.length === 0) continue;
    const settled = firstSettled(inTier, direction, packet, observe);
    if (settled === undefined && tier.defaultAction === 'Pass') observe(['action of the tier: Pass', true]);
    if (settled?.action === 'Pass' || (settled === undefined && tier.defaultAction === 'Pass')) continue;
    if (settled === undefined) {
      observe(['action of the tier: Deny', true]);
      const reason = `${side}: tier ${tier.name} governs it and no rule matched, so its default action denies`;
      return { verdict: 'deny', action: 'Tier default', reason };
    }
    const verdict = settled.action === 'Allow' ? 'allow' : 'deny';
    const reason = `${side}: ${settled.words} says ${settled.action}`;
    return { verdict, reason, policy: settled.words, action: settled.action, criteria: settled.criteria };
  }
  return { verdict: 'allow', action: 'All passed', reason: `${side}: every tier passed it on, so it is allowed` };
}

function firstSettled(policies: readonly Policy[], direction: Direction, packet: WirePacket, observe: Observe) {
  for (const policy of policies) {
    const settled = policy.decide(direction, packet, observe);
    observe([`policy ${policy.kind}`, settled !== undefined]);
    if (settled === undefined) continue;
    observe([`action ${settled.action}`, true]);
    const where = policy.namespace === undefined ? policy.name : `${policy.namespace}/${policy.name}`;
    const words = `rule ${settled.rule} of ${policy.kind} ${where} in tier ${policy.tier}`;
    return { ...settled, words };
  }
  return undefined;
}

/** By order; equal orders by the text name/namespace/kind. */
function byOrder(a: Policy, b: Policy): number {
  if (a.order !== b.order) return a.order < b.order ? -1 : 1;
  const text = (policy: Policy): string => `${policy.name}/${policy.namespace ?? ''}/${policy.kind}`;
  return text(a) < text(b) ? -1 : 1;
}

interface Tier {
  readonly name: string;
  readonly order: number;
  readonly defaultAction: 'Deny' | 'Pass';
}

/** The tiers that every cluster has, with the values that nobody can change. */
const builtIn: readonly Tier[] = [
  { name: 'kube-admin', order: 1000, defaultAction: 'Pass' },
  { name: 'default', order: 1_000_000, defaultAction: 'Deny' },
  { name: 'kube-baseline', order: 10_000_000, defaultAction: 'Pass' },
];

function readTiers(resources: readonly RawResource[]): readonly Tier[] {
  const written = resources
    .filter(({ kind }) => kind === 'Tier')
    .map(({ metadata: { name }, spec }): Tier => {
      const { order = 1_000_000, defaultAction = 'Deny' } = (spec ?? {}) as TierSpec;
      return { name, order, defaultAction };
    })
    .filter(({ name }) => !builtIn.some(each => each.name === name));
  return [...builtIn, ...written].sort((a, b) => a.order - b.order || (a.name < b.name ? -1 : 1));
}

function readPolicies(resources: readonly RawResource[], cluster: Cluster): readonly Policy[] {
  return resources.flatMap(resource => {
    const { apiVersion, kind } = resource;
    if (kind === 'NetworkPolicy' && apiVersion === 'networking.k8s.io/v1') return [kubernetesPolicy(resource, cluster)];
    if (kind === 'NetworkPolicy' || kind === 'GlobalNetworkPolicy') return [calicoPolicy(resource, cluster)];
    return kind === 'ClusterNetworkPolicy' ? [clusterNetworkPolicy(resource, cluster)] : [];
  });
}

/** Puts addresses to the packet's ends: both of one family. */
function onTheWire(cluster: Cluster, packet: Packet): WirePacket {
  const { source, destination, ipVersion, ...rest } = packet;
  const sources = addressesOf(cluster, source);
  const destinations = addressesOf(cluster, destination);
  for (const family of ipVersion === undefined ? ([4, 6] as const) : [ipVersion]) {
    const from = sources.find(address => address.family === family);
    const to = destinations.find(address => address.family === family);
    if (from !== undefined && to !== undefined) return { ...rest, source: from, destination: to };
  }
  throw new Error(`Cannot judge packet: ${JSON.stringify(packet)} has no two addresses of one family`);
}

function addressesOf(cluster: Cluster, place: Place): Address[] {
  if ('ip' in place) return [readAddress(place.ip)];
  const pod = cluster.things.find(thing => thing.kind === 'pod' && thing.name === place.pod);
  if (pod === undefined)
    throw new Error(`Cannot judge packet: pod is "${place.pod}"; allowed: a scheduled pod of its own network`);
  return pod.blocks.map(readAddress);
}
