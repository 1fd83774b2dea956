import {
  ClusterInformation,
  CONTAINER_ID_ANNOTATION,
  Namespace,
  Pod,
  podToWorkloadEndpoint,
  type WorkloadEndpoint,
} from '@calico/api';
import { isNotFound } from '@calico/datastore';
import { type Addr, hostCidr, printAddr } from '@calico/ip';
import { type CniCall, ownerMark, podOf } from './cni-call.ts';
import { CniError, errorCodes } from './cni-error.ts';
import type { PodName } from './container-args.ts';
import type { CniDeps } from './deps.ts';
import { releaseHandle } from './ipam.ts';
import type { LinkTrash } from './link-trash.ts';
import { type NetworkConfig, parseNetworkConfig } from './network-config.ts';
import { Phases } from './phases.ts';
import { assignAddresses } from './pod-addresses.ts';
import { addressWish } from './pod-annotations.ts';
import { discardHostEnd, discardPodEnd } from './pod-links.ts';
import { configurePod, createVeth, isSettled, type PodPlace, type VethPair } from './pod-network.ts';
import { withPodPlace } from './pod-place.ts';
import { addressAnnotations, annotatePod, noAddressAnnotations } from './pod-status.ts';
import { renderResult } from './result.ts';
import { Undo } from './undo.ts';

/** Usually below 5; one second where the kernel looks for duplicate addresses all the same. */
const longestSettleMs = 3_000;

/**
 * Gives a pod its network and answers when its own rules and routes are in the kernel. May be repeated: the veth is made
 * anew, the container's address stays. After a failure what was made is taken back. Gives what the plugin prints.
 */
export async function addPod(deps: CniDeps, trash: LinkTrash, call: CniCall): Promise<object> {
  const config = parseNetworkConfig(call.config, deps.nodeName);
  const name = podOf(call);
  const phases = new Phases(deps.clock);
  const reads = readPod(deps, call, name);
  // The veth is made while the API answers; a failure there must not leave these answers unattended.
  reads.catch(() => undefined);
  const undo = new Undo();
  let assigning = false;
  // Taken back last: an address is free only when no interface has it any more.
  undo.add(() => (assigning ? releaseHandle(deps.ipam, call.handle) : undefined));
  try {
    return await withPodPlace(deps, call, name, async place => {
      const { hostKernel, podKernel, hostName, podName } = place;
      const mtu = config.mtu || deps.mtu();
      const hadLink = hostKernel.link(hostName) !== undefined;
      discardPodEnd(hostKernel, podKernel, podName, trash);
      discardHostEnd(hostKernel, hostName, trash);
      const veth = createVeth(place, mtu, ownerMark(call));
      undo.add(() => discardHostEnd(hostKernel, hostName, trash));
      phases.mark('veth');
      const { pod, namespace, held } = await reads;
      phases.mark('reads');
      checkPod(deps, name, pod);
      const wish = addressWish(pod, namespace, config);
      assigning = true;
      const addresses = await assignAddresses(deps, call, wish, held, namespace?.metadata.labels ?? {});
      phases.mark('ipam');
      configurePod(place, veth, addresses, config.allowIpForwarding);
      phases.mark('pod');
      await publish(deps, call, config, pod, { addresses, hadLink }, undo);
      phases.mark('publish');
      await untilSettled(deps, place, veth);
      phases.mark('settle');
      deps.log.debug({ ...logFields(call), addresses: addresses.map(printAddr), ...phases.spans }, 'Added pod network');
      return renderResult(config.cniVersion, {
        addresses: addresses.map(hostCidr),
        interfaces: {
          host: { name: hostName },
          pod: { name: podName, mac: veth.pod.mac ?? '', mtu, sandbox: call.parameters.netns },
        },
      });
    });
  } catch (error) {
    await undo.run(err => deps.log.warn({ ...logFields(call), err }, 'Part of a failed ADD could not be taken back'));
    throw error;
  }
}

/** Which pod and container a log record is about. */
export function logFields({ pod, parameters }: CniCall): Record<string, unknown> {
  return { pod: pod && `${pod.namespace}/${pod.name}`, containerId: parameters.containerId };
}

/** All that an ADD needs to read, at once. */
async function readPod({ client, ipam }: CniDeps, { handle }: CniCall, name: PodName) {
  const absent = (error: unknown): undefined => {
    if (!isNotFound(error)) throw error;
  };
  const [pod, namespace, cluster, held] = await Promise.all([
    client.get(Pod, name),
    client.get(Namespace, { name: name.namespace }).catch(absent),
    client.get(ClusterInformation, { name: 'default' }).catch(absent),
    ipam.addressesByHandle(handle),
  ]);
  if (cluster?.spec.datastoreReady === false) {
    throw new CniError(errorCodes.tryAgainLater, 'Calico is currently not ready to process requests');
  }
  return { pod, namespace, held };
}

function checkPod({ nodeName }: CniDeps, { namespace, name }: PodName, { spec }: Pod): void {
  const refuse = (field: string, value: unknown, allowed: string): CniError =>
    new CniError(
      errorCodes.internal,
      `Cannot set up pod ${namespace}/${name}: ${field} is ${JSON.stringify(value)}; allowed: ${allowed}`,
    );
  if (spec.hostNetwork === true) throw refuse('spec.hostNetwork', true, 'false');
  if (spec.nodeName !== nodeName) throw refuse('spec.nodeName', spec.nodeName ?? '', `"${nodeName}", this node`);
}

/** Waits until the first packet will pass. Throws CniError 11 when it would not for so long. */
async function untilSettled({ clock }: CniDeps, place: PodPlace, veth: VethPair): Promise<void> {
  const end = clock.now() + longestSettleMs;
  for (let delay = 1; !isSettled(place, veth); delay = Math.min(delay * 2, 50)) {
    if (clock.now() >= end) {
      throw new CniError(
        errorCodes.tryAgainLater,
        `Cannot set up interface ${place.hostName}: it has no carrier or usable address after ${longestSettleMs} ms`,
      );
    }
    await clock.sleep(delay);
  }
}

/** Tells Felix and everybody: the endpoint's rules and routes go into the kernel while the pod's status is written. */
async function publish(
  deps: CniDeps,
  call: CniCall,
  config: NetworkConfig,
  pod: Pod,
  { addresses, hadLink }: { readonly addresses: readonly Addr[]; readonly hadLink: boolean },
  undo: Undo,
): Promise<void> {
  const { felix } = deps;
  const annotations = addressAnnotations(addresses, call.parameters.containerId);
  const endpoint = endpointOf(pod, annotations);
  // Felix may know the endpoint from an earlier container, with an interface that is gone: then it has to start anew.
  if (hadLink || pod.metadata.annotations?.[CONTAINER_ID_ANNOTATION]) await felix.endpointRemoved(endpoint);
  undo.add(() => felix.endpointRemoved(endpoint));
  undo.add(() => annotatePod(deps, pod, noAddressAnnotations));
  const results = await Promise.allSettled([
    withinPolicyTimeout(deps, call, config, felix.endpointAdded(endpoint)),
    annotatePod(deps, pod, annotations),
  ]);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

/** The endpoint as every reader of the pod will compute it once the addresses are noted. */
function endpointOf(pod: Pod, annotations: Readonly<Record<string, string>>): WorkloadEndpoint {
  const { podIP: _ip, podIPs: _ips, ...status } = pod.status ?? {};
  const endpoint = podToWorkloadEndpoint({
    ...pod,
    metadata: { ...pod.metadata, annotations: { ...pod.metadata.annotations, ...annotations } },
    status,
  });
  if (endpoint !== undefined) return endpoint;
  throw new CniError(
    errorCodes.internal,
    `Cannot set up pod ${pod.metadata.namespace}/${pod.metadata.name}: status.phase is "${pod.status?.phase}"; allowed: a pod that has not ended`,
  );
}

/** With `policy_setup_timeout_seconds` the pod starts after that time even without its rules, as in Calico. */
async function withinPolicyTimeout(
  { clock, log }: CniDeps,
  call: CniCall,
  { policyTimeoutMs }: NetworkConfig,
  ready: Promise<void>,
): Promise<void> {
  if (policyTimeoutMs === undefined) return await ready;
  const timeout = Promise.withResolvers<void>();
  const timer = clock.setTimeout(() => {
    log.warn({ ...logFields(call), policyTimeoutMs }, 'Rules and routes are not in the kernel in time; the pod starts');
    timeout.resolve();
  }, policyTimeoutMs);
  try {
    await Promise.race([ready, timeout.promise]);
  } finally {
    timer.cancel();
    ready.catch(err => log.warn({ ...logFields(call), err }, 'Rules and routes of a started pod were refused'));
  }
}
