import {
  BGPConfiguration,
  BGPFilter,
  BGPPeer,
  BlockAffinity,
  CalicoNode,
  FelixConfiguration,
  GlobalNetworkPolicy,
  GlobalNetworkSet,
  HostEndpoint,
  IPAMBlock,
  IPAMConfiguration,
  IPAMHandle,
  IPPool,
  IPReservation,
  type Kind,
  KubeControllersConfiguration,
  NetworkPolicy,
  NetworkSet,
  type Resource,
  StagedGlobalNetworkPolicy,
  StagedKubernetesNetworkPolicy,
  StagedNetworkPolicy,
  Tier,
} from '@calico/api';

/** Addresses and who has them: kept for the system, so they are written as they are. Handles come before blocks. */
export const IPAM_KINDS = [IPAMHandle, IPAMBlock, BlockAffinity] as unknown as readonly Kind[];

/** What is moved, in the order in which it is written: what others name comes before them. */
export const MOVED_KINDS = [
  Tier,
  IPPool,
  IPReservation,
  IPAMConfiguration,
  FelixConfiguration,
  BGPConfiguration,
  BGPFilter,
  BGPPeer,
  KubeControllersConfiguration,
  CalicoNode,
  HostEndpoint,
  GlobalNetworkSet,
  NetworkSet,
  GlobalNetworkPolicy,
  NetworkPolicy,
  StagedGlobalNetworkPolicy,
  StagedNetworkPolicy,
  StagedKubernetesNetworkPolicy,
  ...IPAM_KINDS,
] as unknown as readonly Kind[];

/** The name in front of policies that kube-controllers copy from Kubernetes, where they are read as they are. */
const COPIED_POLICY = /^knp\.default\./;

/** Whether an object is to be moved: it is no copy of an object of Kubernetes, and not one that is being deleted. */
export function isMoved({ kind, metadata, spec }: Resource & { readonly spec?: unknown }): boolean {
  if (kind === NetworkPolicy.kind && COPIED_POLICY.test(metadata.name)) return false;
  return (spec as { deleted?: boolean } | undefined)?.deleted !== true;
}
