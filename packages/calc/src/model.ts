import type {
  AnyResource,
  BGPConfiguration,
  CalicoNode,
  EndpointSlice,
  GlobalNetworkPolicy,
  GlobalNetworkSet,
  HostEndpoint,
  IPAMBlock,
  IPPool,
  ModelKind,
  NetworkPolicy,
  NetworkSet,
  Profile,
  ResourceUpdate,
  Tier,
  WorkloadEndpoint,
} from '@calico/api';

export type { AnyResource };

/** The type of the resources of each kind that the calculation reads. */
interface Model {
  WorkloadEndpoint: WorkloadEndpoint;
  HostEndpoint: HostEndpoint;
  Profile: Profile;
  NetworkPolicy: NetworkPolicy;
  GlobalNetworkPolicy: GlobalNetworkPolicy;
  KubernetesNetworkPolicy: NetworkPolicy;
  KubernetesClusterNetworkPolicy: GlobalNetworkPolicy;
  StagedNetworkPolicy: NetworkPolicy;
  StagedGlobalNetworkPolicy: GlobalNetworkPolicy;
  StagedKubernetesNetworkPolicy: NetworkPolicy;
  Tier: Tier;
  NetworkSet: NetworkSet;
  GlobalNetworkSet: GlobalNetworkSet;
  IPPool: IPPool;
  IPAMBlock: IPAMBlock;
  CalicoNode: CalicoNode;
  BGPConfiguration: BGPConfiguration;
  FelixConfiguration: AnyResource;
  ClusterInformation: AnyResource;
  EndpointSlice: EndpointSlice;
}

/** Of which object an update speaks. */
export interface ResourceKey {
  readonly namespace: string | undefined;
  readonly name: string;
  /** `<namespace>/<name>`, or the name alone for what has no namespace. */
  readonly id: string;
}

/** One function per kind that the calculation reads. */
export type ModelHandlers = {
  readonly [K in keyof Model]: (key: ResourceKey, resource: Model[K] | undefined) => void;
};

/** A resource as the function of its kind takes it: here the syncer's word for the kind is believed. */
type Handler = (key: ResourceKey, resource: AnyResource | undefined) => void;

/** The handlers by kind for updates whose kind is known only when they come; kinds that nobody reads have none. */
export function byKind(handlers: ModelHandlers): ReadonlyMap<ModelKind, Handler> {
  return new Map(Object.entries(handlers) as [ModelKind, Handler][]);
}

/** The object that an update speaks of. */
export function keyOf({ namespace, name }: ResourceUpdate): ResourceKey {
  return { namespace, name, id: namespace === undefined ? name : `${namespace}/${name}` };
}
