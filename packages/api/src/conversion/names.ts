import { sha1Hex } from './sha1.ts';

/** The longest interface name of Linux, without the closing zero (linux/if.h IFNAMSIZ - 1). */
const LONGEST_INTERFACE_NAME = 15;
const HASH_DIGITS = 11;

/**
 * The host's interface of a pod: the prefix and the first 11 hexadecimal digits of SHA-1 of `namespace.pod`, at most
 * 15 characters. Every program that meets the pod computes the same name; nobody stores it.
 */
export function workloadInterfaceName(namespace: string, pod: string, prefix = 'cali'): string {
  return (prefix + sha1Hex(`${namespace}.${pod}`).slice(0, HASH_DIGITS)).slice(0, LONGEST_INTERFACE_NAME);
}

/** A segment of a workload endpoint's name: its dashes doubled, so that single dashes separate segments. */
function escapeSegment(segment: string): string {
  return segment.replaceAll('-', '--');
}

/** The name of a pod's endpoint: `<node>-k8s-<pod>-<endpoint>`, the dashes within each segment doubled. */
export function workloadEndpointName(node: string, pod: string, endpoint = 'eth0'): string {
  return `${escapeSegment(node)}-k8s-${escapeSegment(pod)}-${escapeSegment(endpoint)}`;
}

/** What names an endpoint; which fields, depends on the orchestrator. */
export type EndpointIdentity = Readonly<
  Partial<Record<'node' | 'orchestrator' | 'pod' | 'containerID' | 'workload' | 'endpoint', string>>
>;

/**
 * The name of an endpoint by its spec: `<node>-k8s-<pod>-<endpoint>`, `<node>-cni-<containerID>-<endpoint>`,
 * `<node>-libnetwork-libnetwork-<endpoint>` or `<node>-<orchestrator>-<workload>-<endpoint>`. Where there is none, the field
 * that is missing, or that begins or ends with a dash.
 */
export function endpointNameBySpec(
  spec: EndpointIdentity,
): { readonly name: string } | { readonly field: keyof EndpointIdentity } {
  const fields = ['node', 'orchestrator', workloadField(spec), 'endpoint'] as const;
  const field = fields.find(name => !/^[^-](.*[^-])?$/s.test(spec[name] ?? ''));
  if (field !== undefined) return { field };
  return { name: fields.map(name => escapeSegment(spec[name] ?? '')).join('-') };
}

/** The field that names the workload among those of its orchestrator. */
function workloadField({ orchestrator = '' }: EndpointIdentity): 'pod' | 'containerID' | 'orchestrator' | 'workload' {
  const fields = { k8s: 'pod', cni: 'containerID', libnetwork: 'orchestrator' } as const;
  return Object.hasOwn(fields, orchestrator) ? fields[orchestrator as keyof typeof fields] : 'workload';
}

/** How Calico's keys and files name an endpoint: `k8s`, `shop/web`, `eth0`. */
export interface EndpointKey {
  readonly orchestrator: string;
  /** `<namespace>/<pod>` of Kubernetes, else the container's id or the orchestrator's own name. */
  readonly workload: string;
  readonly endpoint: string;
}

/** How Calico's keys and files name the endpoint of a namespace; what its spec does not say is empty. */
export function endpointKey(namespace: string, spec: EndpointIdentity): EndpointKey {
  const { orchestrator = '', endpoint = '' } = spec;
  const name = spec[workloadField(spec)] ?? '';
  return { orchestrator, workload: orchestrator === 'k8s' ? `${namespace}/${name}` : name, endpoint };
}

/** The profile derived from a namespace. */
export function namespaceProfileName(namespace: string): string {
  return `kns.${namespace}`;
}

/** The profile derived from a service account. */
export function serviceAccountProfileName(namespace: string, serviceAccount: string): string {
  return `ksa.${namespace}.${serviceAccount}`;
}

/** The label that carries a pod's namespace on its endpoint. */
export const NAMESPACE_LABEL = 'projectcalico.org/namespace';
/** The label that names the orchestrator of an endpoint, `k8s` for pods. */
export const ORCHESTRATOR_LABEL = 'projectcalico.org/orchestrator';
/** The label that carries a pod's service account on its endpoint. */
export const SERVICE_ACCOUNT_LABEL = 'projectcalico.org/serviceaccount';
/** In front of labels inherited from the namespace. */
export const NAMESPACE_LABEL_PREFIX = 'pcns.';
/** In front of labels inherited from the service account. */
export const SERVICE_ACCOUNT_LABEL_PREFIX = 'pcsa.';
/** The label key of a namespace's or service account's own name, behind its prefix. */
export const NAME_LABEL = 'projectcalico.org/name';
