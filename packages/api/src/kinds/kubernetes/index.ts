export * from './namespace.ts';
export * from './node.ts';
export * from './pod.ts';
export type { Container, ContainerPort, PodSpec } from './pod-spec.ts';
export type { ContainerStatus, PodCondition, PodStatus } from './pod-status.ts';
export * from './service.ts';
