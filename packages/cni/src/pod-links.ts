import type { Kernel, Link } from '@calico/kernel';
import type { LinkTrash } from './link-trash.ts';

/** What the names of all pods' host ends begin with. */
const HOST_PREFIX = 'cali';

/** The host's end of an interface in a pod's namespace, or undefined when it is no veth that leads to this node. */
function hostEndOf(hostKernel: Kernel, podKernel: Kernel, name: string): Link | undefined {
  const pod = podKernel.link(name);
  if (pod?.kind !== 'veth' || pod.parent === undefined || pod.peerNamespaceId === undefined) return undefined;
  const host = hostKernel.link(pod.parent);
  return host?.kind === 'veth' && host.parent === pod.index && host.name.startsWith(HOST_PREFIX) ? host : undefined;
}

/**
 * Makes the pod's interface name free: an interface of ours that has it goes, with its other end. One that is not ours
 * stays, and its name taken. Throws KernelError.
 */
export function removePodEnd(hostKernel: Kernel, podKernel: Kernel, name: string, trash: LinkTrash): void {
  const host = hostEndOf(hostKernel, podKernel, name);
  if (host !== undefined) trash.remove(host);
}

/** The host's interface of this name goes, with its other end. Throws KernelError. */
export function removeHostEnd(hostKernel: Kernel, name: string, trash: LinkTrash): void {
  const host = hostKernel.link(name);
  if (host !== undefined) trash.remove(host);
}

/** The same a moment later, for the interface whose host end bears this mark or none. Throws KernelError. */
export function discardPodEnd(
  hostKernel: Kernel,
  podKernel: Kernel,
  name: string,
  trash: LinkTrash,
  mark: string,
): void {
  const host = hostEndOf(hostKernel, podKernel, name);
  if (host !== undefined && (host.alias === undefined || host.alias === mark)) trash.discard(host);
}

/** The host's interface of this name goes a moment later if it bears this mark; gives whether it did. Throws KernelError. */
export function discardHostEnd(hostKernel: Kernel, name: string, trash: LinkTrash, mark: string): boolean {
  const host = hostKernel.link(name);
  if (host?.alias !== mark) return false;
  trash.discard(host);
  return true;
}
