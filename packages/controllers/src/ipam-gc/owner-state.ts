import { type Pod, podToWorkloadEndpoint } from '@calico/api';
import { parseCidr, printAddr } from '@calico/ip';
import type { Allocation } from './allocation.ts';

/** What of a pod matters for its addresses. */
export interface PodFacts {
  /** The Kubernetes node; undefined until it has one. */
  readonly node: string | undefined;
  /** Reported addresses, in the form of printAddr; none until they are. */
  readonly addresses: readonly string[];
  readonly evicted: boolean;
}

/** What of a node matters for the addresses used on it. */
export interface NodeFacts {
  /** `gone`: Kubernetes has no such node. `foreign`: it is not one of Kubernetes', and nothing of it is collected. */
  readonly state: 'present' | 'gone' | 'foreign';
  /** What Kubernetes calls, or called, the node; undefined when that can't be told. */
  readonly kubernetesName?: string;
  /** Its network is being moved over from flannel. */
  readonly migrating?: boolean;
}

/** The cluster as the watches show it, or as asked for anew. */
export interface ClusterView {
  pod(namespace: string, name: string): PodFacts | undefined;
  /** By Calico's name. */
  node(name: string): NodeFacts;
  /** Whether there is such a virtual machine (or an instance without machine); undefined: it can't be told. */
  vm(namespace: string, name: string): boolean | undefined;
}

/** Whether the owner of an address still has it, and the reason in words when not. */
export type OwnerState =
  | { readonly state: 'valid' | 'tunnel' | 'unknown' }
  | { readonly state: 'invalid'; readonly reason: string };

/** What of a pod matters for its addresses. */
export function podFacts(pod: Pod): PodFacts {
  const networks = podToWorkloadEndpoint(pod)?.spec.ipNetworks ?? [];
  return {
    node: pod.spec.nodeName || undefined,
    addresses: networks.flatMap(text => {
      const parsed = parseCidr(text);
      return parsed === undefined ? [] : [printAddr(parsed.addr)];
    }),
    evicted: pod.status?.phase === 'Failed' && pod.status.reason === 'Evicted',
  };
}

/** Asks for the owners of an address: it is invalid when none of them has it. In doubt it is valid. */
export function ownerState(allocation: Allocation, view: ClusterView): OwnerState {
  const { owners, node, address } = allocation;
  if (owners.length === 0) return { state: 'unknown' };
  if (owners.some(({ kind }) => kind === 'tunnel')) return { state: 'tunnel' };
  const reasons: string[] = [];
  for (const owner of owners) {
    if (owner.kind === 'tunnel') continue;
    const reason =
      owner.kind === 'pod'
        ? whyNotOfPod(view.pod(owner.namespace, owner.name), view.node(node), printAddr(address))
        : view.vm(owner.namespace, owner.name) === false
          ? 'the virtual machine does not exist'
          : undefined;
    if (reason === undefined) return { state: 'valid' };
    reasons.push(reason);
  }
  return { state: 'invalid', reason: reasons.join('; ') };
}

function whyNotOfPod(pod: PodFacts | undefined, { kubernetesName }: NodeFacts, address: string): string | undefined {
  if (pod === undefined) return 'the pod does not exist';
  const moved = pod.node !== undefined && kubernetesName !== undefined && pod.node !== kubernetesName;
  if (moved) return `the pod is on node "${pod.node}"`;
  if (pod.evicted) return 'the pod was evicted';
  if (pod.addresses.length === 0 || pod.addresses.includes(address)) return undefined;
  return `the pod has ${pod.addresses.join(', ')}`;
}
