import { IPAMConfiguration, Namespace, Pod } from '@calico/api';
import { isNotFound } from '@calico/datastore';
import type { CniCall } from './cni-call.ts';
import { CniError, errorCodes } from './cni-error.ts';
import { readDatastoreReady } from './datastore-ready.ts';
import type { CniDeps } from './deps.ts';
import { type EndpointEntry, podEntry, storedEntry } from './endpoint-entry.ts';
import type { NetworkConfig } from './network-config.ts';
import { endpointName } from './workload.ts';

/** All that an ADD needs to know of a container. */
export interface ContainerView {
  /** The pod; undefined outside of Kubernetes, and where the configuration has nobody ask for it. */
  readonly pod: Pod | undefined;
  readonly namespace: Pick<Namespace, 'metadata'> | undefined;
  readonly entry: EndpointEntry;
}

/** Reads it, all at once; a pod that the watch shows is not asked for. Rejects with CniError 11 while the datastore is locked, with DatastoreError. */
export async function readContainer(deps: CniDeps, call: CniCall, config: NetworkConfig): Promise<ContainerView> {
  const { client, datastoreType, kubernetes } = deps;
  const name = call.workload.pod;
  if (name === undefined) refusePlainIn(deps, call);
  const asksPod = name !== undefined && (datastoreType === 'kubernetes' || config.kubernetesPolicy);
  const api = asksPod ? apiOf(deps) : kubernetes;
  const seen = asksPod ? deps.seenPod?.(name) : undefined;
  const isThisPod = seen !== undefined && seen.pod.metadata.uid === (call.podUid ?? seen.pod.metadata.uid);
  const [pod, namespace, isReady, stored] = await Promise.all([
    isThisPod ? seen.pod : asksPod ? api?.get(Pod, name) : undefined,
    isThisPod ? seen.namespace : asksPod ? api?.get(Namespace, { name: name.namespace }).catch(absent) : undefined,
    deps.datastoreReady?.() ?? readDatastoreReady(client),
    datastoreType === 'etcdv3' ? storedEntry(deps, endpointKey(deps, call)) : undefined,
  ]);
  if (!isReady) {
    throw new CniError(errorCodes.tryAgainLater, 'Calico is currently not ready to process requests');
  }
  if (pod !== undefined) {
    checkPod(deps, pod);
    await refuseVirtualMachine(deps, pod);
  }
  const entry = stored ?? (pod && podEntry(deps, pod));
  if (entry === undefined)
    throw new CniError(errorCodes.internal, `Cannot set up ${call.workload.title}: it has no entry`);
  return { pod, namespace, entry };
}

/** What a DEL needs: where the endpoint is noted, undefined when nowhere on this node. */
export async function findEntry(deps: CniDeps, call: CniCall): Promise<EndpointEntry | undefined> {
  if (deps.datastoreType === 'etcdv3') return await storedEntry(deps, endpointKey(deps, call));
  const name = call.workload.pod;
  if (name === undefined) return undefined;
  const seen = deps.seenPod?.(name)?.pod;
  // What the watch shows may be older than what was noted last, but not if it is about this very container.
  const isNoted = seen !== undefined && podEntry(deps, seen).containerId === call.parameters.containerId;
  const pod = isNoted ? seen : await apiOf(deps).get(Pod, name).catch(absent);
  return pod?.spec.nodeName === deps.nodeName ? podEntry(deps, pod) : undefined;
}

/** The name of a call's endpoint. */
export function endpointKey(
  { nodeName }: CniDeps,
  { workload, parameters }: CniCall,
): { name: string; namespace: string } {
  const name = endpointName(workload, nodeName, parameters.containerId, parameters.ifname);
  return { name, namespace: workload.namespace };
}

function absent(error: unknown): undefined {
  if (!isNotFound(error)) throw error;
}

/** As Calico's plugin: the datastore of Kubernetes keeps endpoints in pods, and there is no pod. */
function refusePlainIn({ datastoreType }: CniDeps, { workload }: CniCall): void {
  if (datastoreType !== 'kubernetes') return;
  throw new CniError(
    errorCodes.invalidEnvironment,
    `Cannot set up ${workload.title}: CNI_ARGS has no K8S_POD_NAMESPACE and K8S_POD_NAME; allowed: both, since the datastore "kubernetes" keeps endpoints of pods alone; containers outside of Kubernetes need "etcdv3"`,
  );
}

function apiOf({ kubernetes }: CniDeps): NonNullable<CniDeps['kubernetes']> {
  if (kubernetes !== undefined) return kubernetes;
  throw new CniError(
    errorCodes.invalidConfig,
    'Cannot use network configuration: policy.type is "k8s", but no API of Kubernetes is known; allowed: with kubernetes.kubeconfig, or in a cluster',
  );
}

function checkPod({ nodeName }: CniDeps, { metadata, spec }: Pod): void {
  const refuse = (field: string, value: unknown, allowed: string): CniError =>
    new CniError(
      errorCodes.internal,
      `Cannot set up pod ${metadata.namespace}/${metadata.name}: ${field} is ${JSON.stringify(value)}; allowed: ${allowed}`,
    );
  if (spec.hostNetwork === true) throw refuse('spec.hostNetwork', true, 'false');
  if (spec.nodeName !== nodeName) throw refuse('spec.nodeName', spec.nodeName ?? '', `"${nodeName}", this node`);
}

/** KubeVirt's machines keep their address while they move from pod to pod, unless IPAM is configured otherwise. */
async function refuseVirtualMachine({ client }: CniDeps, { metadata }: Pod): Promise<void> {
  const machine = metadata.ownerReferences?.find(({ kind }) => kind === 'VirtualMachineInstance');
  if (machine === undefined) return;
  const config = await client.get(IPAMConfiguration, { name: 'default' }).catch(absent);
  if (config?.spec.kubeVirtVMAddressPersistence === 'Disabled') return;
  throw new CniError(
    errorCodes.internal,
    `Cannot set up pod ${metadata.namespace}/${metadata.name}: it runs VirtualMachineInstance "${machine.name}", and addresses that move with machines are not supported; allowed: kubeVirtVMAddressPersistence "Disabled" in IPAMConfiguration "default"`,
  );
}
