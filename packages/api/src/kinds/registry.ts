import type { Kind } from '../kind.ts';
import { BGPConfiguration } from './calico/bgp-configuration.ts';
import { BGPFilter } from './calico/bgp-filter.ts';
import { BGPPeer } from './calico/bgp-peer.ts';
import { BlockAffinity } from './calico/block-affinity.ts';
import { CalicoNodeStatus } from './calico/calico-node-status.ts';
import { ClusterInformation } from './calico/cluster-information.ts';
import { FelixConfiguration } from './calico/felix-configuration.ts';
import { GlobalNetworkPolicy } from './calico/global-network-policy.ts';
import { GlobalNetworkSet } from './calico/global-network-set.ts';
import { HostEndpoint } from './calico/host-endpoint.ts';
import { IPPool } from './calico/ip-pool.ts';
import { IPReservation } from './calico/ip-reservation.ts';
import { IPAMBlock } from './calico/ipam-block.ts';
import { IPAMConfiguration } from './calico/ipam-configuration.ts';
import { IPAMHandle } from './calico/ipam-handle.ts';
import { KubeControllersConfiguration } from './calico/kube-controllers-configuration.ts';
import { LiveMigration } from './calico/live-migration.ts';
import { NetworkPolicy } from './calico/network-policy.ts';
import { NetworkSet } from './calico/network-set.ts';
import { Profile } from './calico/profile.ts';
import { StagedGlobalNetworkPolicy } from './calico/staged-global-network-policy.ts';
import { StagedKubernetesNetworkPolicy } from './calico/staged-kubernetes-network-policy.ts';
import { StagedNetworkPolicy } from './calico/staged-network-policy.ts';
import { Tier } from './calico/tier.ts';
import { WorkloadEndpoint } from './calico/workload-endpoint.ts';
import { ClusterNetworkPolicy } from './kubernetes/cluster-network-policy.ts';
import { ConfigMap, Secret } from './kubernetes/config-map.ts';
import { Deployment } from './kubernetes/deployment.ts';
import { EndpointSlice } from './kubernetes/endpoint-slice.ts';
import { Event } from './kubernetes/event.ts';
import { Lease } from './kubernetes/lease.ts';
import { Namespace } from './kubernetes/namespace.ts';
import { KubernetesNetworkPolicy } from './kubernetes/network-policy.ts';
import { Node } from './kubernetes/node.ts';
import { Pod } from './kubernetes/pod.ts';
import { ReplicaSet } from './kubernetes/replica-set.ts';
import { Service } from './kubernetes/service.ts';
import { ServiceAccount } from './kubernetes/service-account.ts';

/** Every kind, Calico's first. */
export const kinds: readonly Kind[] = [
  BGPConfiguration,
  BGPFilter,
  BGPPeer,
  BlockAffinity,
  CalicoNodeStatus,
  ClusterInformation,
  FelixConfiguration,
  GlobalNetworkPolicy,
  GlobalNetworkSet,
  HostEndpoint,
  IPPool,
  IPReservation,
  IPAMBlock,
  IPAMConfiguration,
  IPAMHandle,
  KubeControllersConfiguration,
  LiveMigration,
  NetworkPolicy,
  NetworkSet,
  Profile,
  StagedGlobalNetworkPolicy,
  StagedKubernetesNetworkPolicy,
  StagedNetworkPolicy,
  Tier,
  WorkloadEndpoint,
  ClusterNetworkPolicy,
  ConfigMap,
  Secret,
  Deployment,
  EndpointSlice,
  Event,
  Lease,
  Namespace,
  KubernetesNetworkPolicy,
  Node,
  Pod,
  ReplicaSet,
  Service,
  ServiceAccount,
];

/**
 * The kind that a user means by a word in any case: kind, plural, singular, short name or calicoctl's alias, also as
 * `plural.group`. Calico's kinds go before Kubernetes' of the same name. Undefined if there is none.
 */
export function kindByName(name: string): Kind | undefined {
  const word = name.toLowerCase();
  const dot = word.indexOf('.');
  if (dot > 0) {
    const [plural, group] = [word.slice(0, dot), word.slice(dot + 1)];
    return kinds.find(k => k.group === group && (k.plural === plural || k.singular === plural));
  }
  return kinds.find(
    k => k.plural === word || k.singular === word || k.shortNames.includes(word) || k.aliases.includes(word),
  );
}

/** The kind of objects with this apiVersion and kind, exact case. */
export function kindOf(apiVersion: string, kind: string): Kind | undefined {
  return kinds.find(k => k.kind === kind && k.apiVersion === apiVersion);
}

/** The kind that a REST path names: group ('' is the core group), version and plural. */
export function kindByPlural(group: string, version: string, plural: string): Kind | undefined {
  return kinds.find(k => k.plural === plural && k.group === group && k.version === version);
}
