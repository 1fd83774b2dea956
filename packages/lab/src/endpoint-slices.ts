import type { EndpointSlice, Pod, Service } from '@calico/api';
import { isReady } from './deployments.ts';

/**
 * The endpoint slice of a Service: the addresses of the pods that it selects, and the ports behind its own. Undefined
 * for a Service without a selector: its endpoints are somebody else's. Sorted, so that the same state gives the same
 * slice.
 */
export function planEndpointSlice(service: Service, pods: readonly Pod[]): EndpointSlice | undefined {
  const selector = Object.entries(service.spec.selector ?? {});
  if (selector.length === 0) return undefined;
  const { name, namespace = 'default', uid = '' } = service.metadata;
  const chosen = pods
    .filter(pod => selector.every(([key, value]) => pod.metadata.labels?.[key] === value) && pod.status?.podIP)
    .sort((a, b) => a.metadata.name.localeCompare(b.metadata.name));
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${name}-ipv4`,
      namespace,
      labels: { 'kubernetes.io/service-name': name },
      ownerReferences: [{ apiVersion: 'v1', kind: 'Service', name, uid, controller: true, blockOwnerDeletion: true }],
    },
    addressType: 'IPv4',
    endpoints: chosen.map(pod => ({
      addresses: [pod.status?.podIP ?? ''],
      conditions: { ready: isReady(pod) },
      nodeName: pod.spec.nodeName ?? '',
      targetRef: { kind: 'Pod', name: pod.metadata.name, namespace },
    })),
    ports: (service.spec.ports ?? []).map(port => ({
      name: port.name ?? '',
      protocol: port.protocol ?? 'TCP',
      port: targetPort(port, chosen),
    })),
  };
}

/** A named target port is resolved on the first pod that has it. */
function targetPort(
  port: { readonly port: number; readonly targetPort?: number | string },
  pods: readonly Pod[],
): number {
  const target = port.targetPort ?? port.port;
  if (typeof target === 'number') return target;
  const named = pods.flatMap(pod => pod.spec.containers.flatMap(c => c.ports ?? [])).find(p => p.name === target);
  return named?.containerPort ?? port.port;
}
