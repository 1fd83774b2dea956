import { workloadEndpointName, workloadInterfaceName } from '@calico/api';
import type { PodName } from './container-args.ts';

/** Whom an interface is made for, by the names that everybody computes for it. */
export interface Workload {
  /** `k8s` for pods, `cni` for containers outside of Kubernetes. */
  readonly orchestrator: 'k8s' | 'cni';
  /** The pod, or undefined for a container outside of Kubernetes. */
  readonly pod: PodName | undefined;
  /** Of the endpoint; `default` outside of Kubernetes. */
  readonly namespace: string;
  /** The node's end of the interface. */
  readonly hostName: string;
  /** How people know it: `namespace/pod`, or the container. */
  readonly title: string;
}

/** How many characters of a container's name its host interface bears. */
const CONTAINER_DIGITS = 11;

/** The workload of a container; without a pod it is one outside of Kubernetes. */
export function workloadOf(pod: PodName | undefined, containerId: string): Workload {
  if (pod === undefined) {
    const hostName = `cali${containerId.slice(0, CONTAINER_DIGITS)}`;
    return { orchestrator: 'cni', pod, namespace: 'default', hostName, title: `container ${containerId}` };
  }
  const { namespace, name } = pod;
  const hostName = workloadInterfaceName(namespace, name);
  return { orchestrator: 'k8s', pod, namespace, hostName, title: `pod ${namespace}/${name}` };
}

/**
 * The name of a workload's endpoint: `<node>-k8s-<pod>-<interface>`, or `<node>-cni-<container>-<interface>`, the dashes
 * within each segment doubled.
 */
export function endpointName({ pod }: Workload, node: string, containerId: string, ifname: string): string {
  if (pod !== undefined) return workloadEndpointName(node, pod.name);
  return [node, 'cni', containerId, ifname].map(segment => segment.replaceAll('-', '--')).join('-');
}
