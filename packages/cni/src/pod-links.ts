import type { Kernel, Link } from '@calico/kernel';
import { isTrash, type LinkTrash } from './link-trash.ts';

/** What the names of all pods' host ends begin with. */
const HOST_PREFIX = 'cali';

/** The host's end of an interface in a pod's namespace, or undefined when it is no veth that leads to this node. */
function hostEndOf(hostKernel: Kernel, pod: Link): Link | undefined {
  if (pod.kind !== 'veth' || pod.parent === undefined || pod.peerNamespaceId === undefined) return undefined;
  const host = hostKernel.link(pod.parent);
  return host?.kind === 'veth' && host.parent === pod.index && (host.name.startsWith(HOST_PREFIX) || isTrash(host))
    ? host
    : undefined;
}

/**
 * Makes the pod's interface name free: an interface of ours that has it goes, with its other end. One that is not ours
 * stays, and its name taken. `mark` given: only if its host end bears this mark or none.
 */
export function discardPodEnd(
  hostKernel: Kernel,
  podKernel: Kernel,
  name: string,
  trash: LinkTrash,
  mark?: string,
): void {
  const pod = podKernel.link(name);
  const host = pod && hostEndOf(hostKernel, pod);
  if (pod === undefined || host === undefined) return;
  if (mark !== undefined && host.alias !== undefined && host.alias !== mark) return;
  podKernel.setLink(pod.index, { up: false });
  podKernel.setLink(pod.index, { name: `gone${pod.index}` });
  if (!isTrash(host)) trash.discard(host);
}

/** The host's interface of this name goes, with its other end. `mark` given: only if it bears this mark. */
export function discardHostEnd(hostKernel: Kernel, name: string, trash: LinkTrash, mark?: string): void {
  const host = hostKernel.link(name);
  if (host === undefined || (mark !== undefined && host.alias !== mark)) return;
  trash.discard(host);
}
