import {
  NAMESPACE_LABEL,
  ORCHESTRATOR_LABEL,
  type Pod,
  Profile,
  podToWorkloadEndpoint,
  type WorkloadEndpoint,
} from '@calico/api';
import { isAlreadyExists, isNotFound } from '@calico/datastore';
import { type Addr, hostCidr, type Mac, printCidr } from '@calico/ip';
import type { CniCall } from './cni-call.ts';
import { CniError, errorCodes } from './cni-error.ts';
import type { CniDeps } from './deps.ts';
import { addressAnnotations } from './endpoint-entry.ts';
import { endpointKey } from './read-container.ts';

/** The endpoint of a container as every reader of the datastore will compute or find it. */
export function endpointOf(
  deps: CniDeps,
  call: CniCall,
  pod: Pod | undefined,
  addresses: readonly Addr[],
  mac: Mac | undefined,
): WorkloadEndpoint {
  const { containerId, ifname } = call.parameters;
  const cidrs = addresses.map(each => printCidr(hostCidr(each)));
  if (pod !== undefined) {
    const endpoint = ofPod(pod, addressAnnotations(cidrs, containerId));
    if (deps.datastoreType === 'kubernetes') return endpoint;
    // An object of its own: the pod's version and uid are not its.
    const { name, namespace, labels, generateName } = endpoint.metadata;
    return {
      ...endpoint,
      metadata: {
        name,
        ...(namespace && { namespace }),
        ...(labels && { labels }),
        ...(generateName && { generateName }),
      },
      spec: { ...endpoint.spec, ...(mac === undefined ? {} : { mac }) },
    };
  }
  const { workload } = call;
  return {
    apiVersion: 'projectcalico.org/v3',
    kind: 'WorkloadEndpoint',
    metadata: {
      ...endpointKey(deps, call),
      labels: { [NAMESPACE_LABEL]: workload.namespace, [ORCHESTRATOR_LABEL]: workload.orchestrator },
    },
    spec: {
      orchestrator: workload.orchestrator,
      node: deps.nodeName,
      containerID: containerId,
      endpoint: workload.pod === undefined ? ifname : 'eth0',
      ...(workload.pod === undefined ? {} : { pod: workload.pod.name }),
      ipNetworks: cidrs,
      profiles: [call.network],
      interfaceName: workload.hostName,
      ...(mac === undefined ? {} : { mac }),
    },
  };
}

function ofPod(pod: Pod, annotations: Readonly<Record<string, string>>): WorkloadEndpoint {
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

/**
 * Where no policy is asked for (`policy.type` is not set), containers of a network have its profile, as with Calico's plugin:
 * made here when it is not there, never changed. All may send; pods take everything, others what comes from the network.
 */
export async function ensureProfile({ client }: CniDeps, { network, workload }: CniCall): Promise<void> {
  try {
    await client.get(Profile, { name: network });
    return;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  const source = workload.orchestrator === 'k8s' ? {} : { source: { selector: `has(${network})` } };
  const profile: Profile = {
    apiVersion: 'projectcalico.org/v3',
    kind: 'Profile',
    metadata: { name: network },
    spec: {
      ingress: [{ action: 'Allow', ...source }],
      egress: [{ action: 'Allow' }],
      labelsToApply: { [network]: '' },
    },
  };
  try {
    await client.create(Profile, profile);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}
