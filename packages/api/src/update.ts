import type { Resource } from './resource.ts';

/** The kinds of the model that syncers emit and the calculation reads. */
export type ModelKind =
  | 'WorkloadEndpoint'
  | 'HostEndpoint'
  | 'Profile'
  | 'NetworkPolicy'
  | 'GlobalNetworkPolicy'
  | 'KubernetesNetworkPolicy'
  | 'KubernetesClusterNetworkPolicy'
  | 'StagedNetworkPolicy'
  | 'StagedGlobalNetworkPolicy'
  | 'StagedKubernetesNetworkPolicy'
  | 'Tier'
  | 'NetworkSet'
  | 'GlobalNetworkSet'
  | 'IPPool'
  | 'IPAMBlock'
  | 'BlockAffinity'
  | 'CalicoNode'
  | 'FelixConfiguration'
  | 'BGPConfiguration'
  | 'BGPFilter'
  | 'BGPPeer'
  | 'ClusterInformation'
  | 'Service'
  | 'EndpointSlice';

/**
 * The present state of one object of the model: what a syncer hands to the calculation.
 * Two updates of the same kind, namespace and name speak of the same object; the later one counts.
 */
export interface ResourceUpdate {
  readonly kind: ModelKind;
  /** Absent for cluster-scoped kinds. */
  readonly namespace?: string;
  readonly name: string;
  /** The whole object; undefined when it does not exist (any more). */
  readonly resource: Resource | undefined;
}
