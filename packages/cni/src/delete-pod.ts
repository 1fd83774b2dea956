import {
  CONTAINER_ID_ANNOTATION,
  POD_IP_ANNOTATION,
  Pod,
  workloadEndpointName,
  workloadInterfaceName,
} from '@calico/api';
import { isConflict, isNotFound } from '@calico/datastore';
import { logFields } from './add-pod.ts';
import { type CniCall, ownerMark } from './cni-call.ts';
import type { PodName } from './container-args.ts';
import type { CniDeps } from './deps.ts';
import { releaseHandle } from './ipam.ts';
import type { LinkTrash } from './link-trash.ts';
import { Phases } from './phases.ts';
import { discardHostEnd, discardPodEnd } from './pod-links.ts';
import { openPodNamespace } from './pod-place.ts';
import { annotatePod, noAddressAnnotations } from './pod-status.ts';

/**
 * Takes a container's network away: its interface, its endpoint unless a newer container of the pod has it, its addresses.
 * Succeeds when nothing is left, and whatever the rest of the network configuration says.
 */
export async function deletePod(deps: CniDeps, trash: LinkTrash, call: CniCall): Promise<void> {
  const phases = new Phases(deps.clock);
  const { pod } = call;
  const read = pod && readPod(deps, pod);
  read?.catch(() => undefined);
  discardLinks(deps, trash, call);
  phases.mark('veth');
  if (pod !== undefined) await deleteEndpoint(deps, call, pod, await read);
  phases.mark('endpoint');
  await releaseHandle(deps.ipam, call.handle);
  phases.mark('ipam');
  deps.log.debug({ ...logFields(call), ...phases.spans }, 'Deleted pod network');
}

async function readPod({ client }: CniDeps, name: PodName): Promise<Pod | undefined> {
  try {
    return await client.get(Pod, name);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** Interfaces of this container only: a newer container of the same pod has the same names. */
function discardLinks(deps: CniDeps, trash: LinkTrash, call: CniCall): void {
  const mark = ownerMark(call);
  const podNamespace = openPodNamespace(deps, call.parameters.netns);
  if (podNamespace !== undefined) {
    try {
      const podKernel = deps.openKernel(podNamespace);
      discardPodEnd(deps.kernel, podKernel, call.parameters.ifname, trash, mark);
      podKernel.close();
    } finally {
      podNamespace.close();
    }
  }
  if (call.pod === undefined) return;
  discardHostEnd(deps.kernel, workloadInterfaceName(call.pod.namespace, call.pod.name), trash, mark);
}

async function deleteEndpoint(deps: CniDeps, call: CniCall, name: PodName, found: Pod | undefined): Promise<void> {
  const { nodeName, felix } = deps;
  const here = found?.spec.nodeName === nodeName ? found : undefined;
  const annotations = here?.metadata.annotations ?? {};
  const container = annotations[CONTAINER_ID_ANNOTATION] ?? '';
  if (container !== '' && container !== call.parameters.containerId) {
    deps.log.debug({ ...logFields(call), container }, 'Kept the endpoint: a newer container has it');
    return;
  }
  const endpointName = workloadEndpointName(nodeName, name.name);
  await felix.endpointRemoved({ metadata: { name: endpointName, namespace: name.namespace } });
  if (here === undefined || !annotations[POD_IP_ANNOTATION]) return;
  try {
    await annotatePod(deps, here, noAddressAnnotations);
  } catch (error) {
    // The pod is gone, or another has taken its name.
    if (!isNotFound(error) && !isConflict(error)) throw error;
  }
}
