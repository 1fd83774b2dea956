import { type Family, hostCidr, maskCidr, parseCidr, printAddr, printCidr } from '@calico/ip';
import type { WorkloadEndpoint } from '../kinds/calico/workload-endpoint.ts';
import type { Pod } from '../kinds/kubernetes/pod.ts';
import {
  NAMESPACE_LABEL,
  NAMESPACE_LABEL_PREFIX,
  namespaceProfileName,
  ORCHESTRATOR_LABEL,
  SERVICE_ACCOUNT_LABEL,
  SERVICE_ACCOUNT_LABEL_PREFIX,
  serviceAccountProfileName,
  workloadEndpointName,
  workloadInterfaceName,
} from './names.ts';
import { annotationsToQosControls } from './qos.ts';

type Spec = WorkloadEndpoint['spec'];
type EndpointPort = NonNullable<Spec['ports']>[number];

/** The address of a pod as the CNI plugin notes it, one CIDR. */
export const POD_IP_ANNOTATION = 'cni.projectcalico.org/podIP';
/** The addresses of a pod as the CNI plugin notes them, CIDRs with commas between. */
export const POD_IPS_ANNOTATION = 'cni.projectcalico.org/podIPs';
/** The container that owns the pod's interface. */
export const CONTAINER_ID_ANNOTATION = 'cni.projectcalico.org/containerID';
const AWS_POD_IPS_ANNOTATION = 'vpc.amazonaws.com/pod-ips';
const FLOATING_IPS_ANNOTATION = 'cni.projectcalico.org/floatingIPs';
const ALLOWED_SOURCES_ANNOTATION = 'cni.projectcalico.org/allowedSourcePrefixes';

/** Longer names of service accounts do not fit into a label value. */
const SERVICE_ACCOUNT_LABEL_LIMIT = 63;

type Annotations = Readonly<Record<string, string>>;

/** How a pod becomes an endpoint. */
export interface PodConversionOptions {
  /** In front of the interface's name; `cali` when absent. */
  readonly interfacePrefix?: string;
}

/** The pod's phase says that its containers have ended, or its addresses were taken back while it is being deleted. */
export function isPodFinished(pod: Pod): boolean {
  const phase: string | undefined = pod.status?.phase;
  if (phase === 'Failed' || phase === 'Succeeded' || phase === 'Completed') return true;
  if (pod.metadata.deletionTimestamp === undefined) return false;
  const annotations = pod.metadata.annotations ?? {};
  return annotations[POD_IP_ANNOTATION] === '' || annotations[AWS_POD_IPS_ANNOTATION] === '';
}

interface PodAddress {
  readonly family: Family;
  readonly text: string;
  readonly cidr: string;
}

function parseAddresses(texts: readonly string[]): PodAddress[] {
  return texts.flatMap(text => {
    const parsed = parseCidr(text.trim());
    if (parsed === undefined) return [];
    const { addr } = parsed;
    return [{ family: addr.family, text: printAddr(addr), cidr: printCidr(hostCidr(addr)) }];
  });
}

/** The pod's addresses: the first of status.podIPs, status.podIP and the annotations that has any. */
function podAddresses(pod: Pod, annotations: Annotations): PodAddress[] {
  const sources: readonly string[][] = [
    (pod.status?.podIPs ?? []).map(({ ip }) => ip ?? ''),
    [pod.status?.podIP ?? ''],
    ...[POD_IPS_ANNOTATION, POD_IP_ANNOTATION, AWS_POD_IPS_ANNOTATION].map(key => (annotations[key] ?? '').split(',')),
  ];
  for (const source of sources) {
    const addresses = parseAddresses(source);
    if (addresses.length > 0) return addresses;
  }
  return [];
}

function podLabels(pod: Pod, namespace: string, serviceAccount: string | undefined): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const [key, value] of Object.entries(pod.metadata.labels ?? {})) {
    if (key.startsWith(NAMESPACE_LABEL_PREFIX) || key.startsWith(SERVICE_ACCOUNT_LABEL_PREFIX)) continue;
    labels[key] = value;
  }
  labels[NAMESPACE_LABEL] = namespace;
  labels[ORCHESTRATOR_LABEL] = 'k8s';
  if (serviceAccount !== undefined && serviceAccount.length < SERVICE_ACCOUNT_LABEL_LIMIT) {
    labels[SERVICE_ACCOUNT_LABEL] = serviceAccount;
  }
  return labels;
}

/** Container ports that have a name (policies speak of it) or a host port. */
function podPorts(pod: Pod): EndpointPort[] {
  const containers = [...(pod.spec.containers ?? []), ...(pod.spec.initContainers ?? [])];
  return containers.flatMap(container =>
    (container.ports ?? []).flatMap(({ name, containerPort, protocol = 'TCP', hostPort, hostIP }) => {
      if (!containerPort || (!name && !hostPort)) return [];
      if (protocol !== 'TCP' && protocol !== 'UDP' && protocol !== 'SCTP') return [];
      return [
        {
          name: name ?? '',
          protocol,
          port: containerPort,
          ...(hostPort ? { hostPort } : {}),
          ...(hostIP ? { hostIP } : {}),
        },
      ];
    }),
  );
}

/** The CIDRs or addresses of an annotation that holds a JSON list of text, in normal form; what is none is left out. */
function jsonCidrs(text: string | undefined) {
  if (text === undefined || text.trim() === '') return [];
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return [];
  }
  if (!Array.isArray(value)) return [];
  return value.flatMap((entry: unknown) => (typeof entry === 'string' ? (parseCidr(entry) ?? []) : []));
}

/** Each floating address leads to the pod's address of its family. */
function floatingIps(annotations: Annotations, addresses: readonly PodAddress[]): NonNullable<Spec['ipNATs']> {
  return jsonCidrs(annotations[FLOATING_IPS_ANNOTATION]).flatMap(({ addr }) => {
    const internal = addresses.find(({ family }) => family === addr.family);
    return internal === undefined ? [] : [{ internalIP: internal.text, externalIP: printAddr(addr) }];
  });
}

function nonEmpty<Key extends string, Value>(key: Key, values: Value[]): { [K in Key]?: Value[] } {
  return values.length === 0 ? {} : ({ [key]: values } as { [K in Key]: Value[] });
}

/**
 * The endpoint of a pod, or undefined when it has none of its own: host-networked, not yet on a node, or finished.
 * A pod that has no address yet gives an endpoint without ipNetworks. Pure; bad annotations count as absent.
 */
export function podToWorkloadEndpoint(pod: Pod, options: PodConversionOptions = {}): WorkloadEndpoint | undefined {
  const { nodeName, hostNetwork, serviceAccountName } = pod.spec;
  if (hostNetwork === true || !nodeName || isPodFinished(pod)) return undefined;
  const { name, namespace = 'default', uid, resourceVersion, creationTimestamp, generateName } = pod.metadata;
  const annotations = pod.metadata.annotations ?? {};
  const serviceAccount = serviceAccountName || undefined;
  const addresses = podAddresses(pod, annotations);
  const containerID = annotations[CONTAINER_ID_ANNOTATION];
  const qosControls = annotationsToQosControls(annotations);
  const allowedSources = jsonCidrs(annotations[ALLOWED_SOURCES_ANNOTATION]).map(cidr => printCidr(maskCidr(cidr)));
  return {
    apiVersion: 'projectcalico.org/v3',
    kind: 'WorkloadEndpoint',
    metadata: {
      name: workloadEndpointName(nodeName, name),
      namespace,
      labels: podLabels(pod, namespace, serviceAccount),
      ...(generateName === undefined ? {} : { generateName }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
      ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
    },
    spec: {
      orchestrator: 'k8s',
      node: nodeName,
      pod: name,
      endpoint: 'eth0',
      ...(containerID ? { containerID } : {}),
      ...(serviceAccount === undefined ? {} : { serviceAccountName: serviceAccount }),
      ipNetworks: addresses.map(({ cidr }) => cidr),
      profiles: [
        namespaceProfileName(namespace),
        ...(serviceAccount === undefined ? [] : [serviceAccountProfileName(namespace, serviceAccount)]),
      ],
      interfaceName: workloadInterfaceName(namespace, name, options.interfacePrefix),
      ...nonEmpty('ports', podPorts(pod)),
      ...nonEmpty('ipNATs', floatingIps(annotations, addresses)),
      ...nonEmpty('allowSpoofedSourcePrefixes', allowedSources),
      ...(qosControls === undefined ? {} : { qosControls }),
    },
  };
}
