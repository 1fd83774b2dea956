export * from './cluster-network-policy.ts';
export * from './config-map.ts';
export * from './deployment.ts';
export * from './endpoint-slice.ts';
export * from './event.ts';
export type { LabelSelector } from './label-selector.ts';
export { matchesLabelSelector, printLabelSelector } from './label-selector.ts';
export * from './lease.ts';
export * from './namespace.ts';
export {
  KubernetesNetworkPolicy,
  type KubernetesNetworkPolicyPeer,
  type KubernetesNetworkPolicySpec,
} from './network-policy.ts';
export * from './node.ts';
export * from './pod.ts';
export type { Container, ContainerPort, PodSpec } from './pod-spec.ts';
export type { ContainerStatus, PodCondition, PodStatus } from './pod-status.ts';
export type { PodTemplate } from './pod-template.ts';
export * from './replica-set.ts';
export * from './service.ts';
export * from './service-account.ts';
