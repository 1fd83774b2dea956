import {
  BGPConfiguration,
  BGPFilter,
  BGPPeer,
  BlockAffinity,
  CalicoNode,
  ClusterInformation,
  ClusterNetworkPolicy,
  clusterNetworkPolicyToPolicy,
  EndpointSlice,
  FelixConfiguration,
  GlobalNetworkPolicy,
  GlobalNetworkSet,
  HostEndpoint,
  IPAMBlock,
  IPPool,
  type Kind,
  KubernetesNetworkPolicy,
  kubernetesNetworkPolicyToPolicy,
  type ModelKind,
  Namespace,
  NetworkPolicy,
  NetworkSet,
  Node,
  namespaceProfileName,
  namespaceToProfile,
  nodeToCalicoNode,
  Pod,
  Profile,
  podToWorkloadEndpoint,
  printFieldError,
  type Resource,
  Service,
  ServiceAccount,
  StagedGlobalNetworkPolicy,
  StagedKubernetesNetworkPolicy,
  StagedNetworkPolicy,
  serviceAccountProfileName,
  serviceAccountToProfile,
  stagedKubernetesNetworkPolicyToPolicy,
  Tier,
  WorkloadEndpoint,
  workloadEndpointName,
} from '@calico/api';
import type { ObjectKey } from './client.ts';

/** What an object of the datastore is in the model. */
export interface Converted {
  /** Its name in the model, which may say more than the key: a pod's endpoint names the node. */
  readonly name: string;
  readonly resource: Resource;
  /** Parts that could not be expressed and were left out. */
  readonly errors?: readonly string[];
}

/** How the objects of one kind of the datastore come into the model. */
export interface ModelSource<R extends Resource = Resource> {
  readonly kind: Kind<R>;
  readonly model: ModelKind;
  /** The model's object; undefined when there is none, errors when the object is not valid and counts as absent. */
  convert(object: R, key: ObjectKey): Converted | { readonly errors: readonly string[] } | undefined;
  /**
   * Where the key does not give the model's name: what gives it beside the key, the same for many objects, and the name by both.
   * So it need not be kept of each object.
   */
  readonly named?: { by(resource: Resource): string; name(key: ObjectKey, by: string): string };
  /** Whether the model's object has a namespace. */
  readonly namespaced: boolean;
  /** The API server may not serve the kind: then there is nothing of it. */
  readonly optional?: boolean;
}

/** A kind that is in the model as it is stored, once defaults are filled in and it is found valid. */
function stored<R extends Resource>(kind: Kind<R>, model: ModelKind): ModelSource<R> {
  return converted(kind, model, (resource, { name }) => ({ name, resource }));
}

/** A kind that becomes another one in the model, once defaults are filled in and it is found valid. */
function converted<R extends Resource>(
  kind: Kind<R>,
  model: ModelKind,
  convert: ModelSource<R>['convert'],
): ModelSource<R> {
  return {
    kind,
    model,
    namespaced: kind.namespaced,
    convert: (object, key) => {
      const resource = kind.default(object);
      const errors = kind.validate(resource);
      return errors.length > 0 ? { errors: errors.map(printFieldError) } : convert(resource, key);
    },
  };
}

function optional<R extends Resource>(source: ModelSource<R>): ModelSource<R> {
  return { ...source, optional: true };
}

/** A kind of Kubernetes' own, which its API server has validated. */
function asIs<R extends Resource>(kind: Kind<R>, model: ModelKind): ModelSource<R> {
  return {
    kind,
    model,
    namespaced: kind.namespaced,
    convert: (object, { name }) => ({ name, resource: object }),
  };
}

const PODS: ModelSource<Pod> = {
  kind: Pod,
  model: 'WorkloadEndpoint',
  namespaced: true,
  convert: pod => {
    const endpoint = podToWorkloadEndpoint(pod);
    return endpoint && { name: endpoint.metadata.name, resource: endpoint };
  },
  named: {
    by: endpoint => (endpoint as WorkloadEndpoint).spec.node,
    name: ({ name }, node) => workloadEndpointName(node, name),
  },
};

const NAMESPACES: ModelSource<Namespace> = {
  kind: Namespace,
  model: 'Profile',
  namespaced: false,
  convert: (namespace, { name }) => ({ name: namespaceProfileName(name), resource: namespaceToProfile(namespace) }),
};

const SERVICE_ACCOUNTS: ModelSource<ServiceAccount> = {
  kind: ServiceAccount,
  model: 'Profile',
  namespaced: false,
  convert: (account, { name, namespace = 'default' }) => ({
    name: serviceAccountProfileName(namespace, name),
    resource: serviceAccountToProfile(account),
  }),
};

const KUBERNETES_POLICIES: ModelSource<KubernetesNetworkPolicy> = {
  kind: KubernetesNetworkPolicy,
  model: 'KubernetesNetworkPolicy',
  namespaced: true,
  convert: (object, { name }) => {
    const { policy, errors } = kubernetesNetworkPolicyToPolicy(object);
    return { name, resource: policy, ...(errors.length === 0 ? {} : { errors }) };
  },
};

const KUBERNETES_CLUSTER_POLICIES: ModelSource<ClusterNetworkPolicy> = {
  kind: ClusterNetworkPolicy,
  model: 'KubernetesClusterNetworkPolicy',
  namespaced: false,
  optional: true,
  convert: (object, { name }) => {
    const { policy, errors } = clusterNetworkPolicyToPolicy(object);
    if (policy === undefined) return { errors };
    return { name, resource: policy, ...(errors.length === 0 ? {} : { errors }) };
  },
};

const NODES: ModelSource<Node> = {
  kind: Node,
  model: 'CalicoNode',
  namespaced: false,
  convert: (node, { name }) => ({ name, resource: nodeToCalicoNode(node) }),
};

const STAGED_KUBERNETES_POLICIES = converted(
  StagedKubernetesNetworkPolicy,
  'StagedKubernetesNetworkPolicy',
  (staged, { name }) => {
    const { policy, errors } = stagedKubernetesNetworkPolicyToPolicy(staged);
    return { name, resource: policy, ...(errors.length === 0 ? {} : { errors }) };
  },
);

/** A source whose type of objects does not matter to the caller. */
function source<R extends Resource>(of: ModelSource<R>): ModelSource {
  return of as unknown as ModelSource;
}

/** What Felix's calculation reads from every datastore. */
const FELIX_COMMON: readonly ModelSource[] = [
  source(stored(ClusterInformation, 'ClusterInformation')),
  source(stored(FelixConfiguration, 'FelixConfiguration')),
  source(stored(BGPConfiguration, 'BGPConfiguration')),
  source(stored(IPPool, 'IPPool')),
  source(stored(IPAMBlock, 'IPAMBlock')),
  source(stored(Tier, 'Tier')),
  source(stored(NetworkPolicy, 'NetworkPolicy')),
  source(stored(GlobalNetworkPolicy, 'GlobalNetworkPolicy')),
  source(optional(stored(StagedNetworkPolicy, 'StagedNetworkPolicy'))),
  source(optional(stored(StagedGlobalNetworkPolicy, 'StagedGlobalNetworkPolicy'))),
  source(optional(STAGED_KUBERNETES_POLICIES)),
  source(stored(NetworkSet, 'NetworkSet')),
  source(stored(GlobalNetworkSet, 'GlobalNetworkSet')),
  source(stored(HostEndpoint, 'HostEndpoint')),
];

/** Everything that Felix's calculation reads from Kubernetes. */
export const FELIX_SOURCES: readonly ModelSource[] = [
  ...FELIX_COMMON,
  source(NODES),
  source(KUBERNETES_POLICIES),
  source(KUBERNETES_CLUSTER_POLICIES),
  source(NAMESPACES),
  source(SERVICE_ACCOUNTS),
  source(PODS),
  source(asIs(Service, 'Service')),
  source(asIs(EndpointSlice, 'EndpointSlice')),
];

/** The same from etcd, which holds Calico's kinds only: what stems from Kubernetes has been copied there by the controllers. */
export const FELIX_ETCD_SOURCES: readonly ModelSource[] = [
  ...FELIX_COMMON,
  source(stored(CalicoNode, 'CalicoNode')),
  source(stored(Profile, 'Profile')),
  source(stored(WorkloadEndpoint, 'WorkloadEndpoint')),
];

/** What the BGP configuration is made of in every datastore. */
const BGP_COMMON: readonly ModelSource[] = [
  source(stored(IPPool, 'IPPool')),
  source(stored(BlockAffinity, 'BlockAffinity')),
  source(stored(BGPConfiguration, 'BGPConfiguration')),
  source(stored(BGPPeer, 'BGPPeer')),
  source(optional(stored(BGPFilter, 'BGPFilter'))),
];

/** Everything that the BGP configuration is made of on Kubernetes. */
export const BGP_SOURCES: readonly ModelSource[] = [
  ...BGP_COMMON,
  source(NODES),
  source(asIs(Service, 'Service')),
  source(asIs(EndpointSlice, 'EndpointSlice')),
];

/** The same from etcd. */
export const BGP_ETCD_SOURCES: readonly ModelSource[] = [...BGP_COMMON, source(stored(CalicoNode, 'CalicoNode'))];
