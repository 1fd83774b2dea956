export { clusterNetworkPolicyToPolicy } from './cluster-network-policy.ts';
export { kubernetesNetworkPolicyToPolicy, stagedKubernetesNetworkPolicyToPolicy } from './kubernetes-network-policy.ts';
export {
  type EndpointIdentity,
  type EndpointKey,
  endpointKey,
  endpointNameBySpec,
  NAME_LABEL,
  NAMESPACE_LABEL,
  NAMESPACE_LABEL_PREFIX,
  namespaceProfileName,
  ORCHESTRATOR_LABEL,
  SERVICE_ACCOUNT_LABEL,
  SERVICE_ACCOUNT_LABEL_PREFIX,
  serviceAccountProfileName,
  workloadEndpointName,
  workloadInterfaceName,
} from './names.ts';
export { calicoNodeAnnotations, nodeToCalicoNode } from './node.ts';
export {
  CONTAINER_ID_ANNOTATION,
  isPodFinished,
  POD_IP_ANNOTATION,
  POD_IPS_ANNOTATION,
  type PodConversionOptions,
  podToWorkloadEndpoint,
} from './pod.ts';
export { namespaceToProfile, serviceAccountToProfile } from './profile.ts';
export { parseQuantity } from './quantity.ts';
export { sha1Hex } from './sha1.ts';
export { convertUid } from './uid.ts';
