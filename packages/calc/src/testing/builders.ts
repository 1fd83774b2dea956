import type { AnyResource, ModelKind, ResourceUpdate } from '@calico/api';

/** A resource as its syncer gives it. */
export function given(
  kind: ModelKind,
  path: string,
  spec: Record<string, unknown>,
  more: { labels?: Record<string, string>; annotations?: Record<string, string>; creationTimestamp?: string } = {},
): ResourceUpdate {
  const { namespace, name } = splitPath(path);
  const metadata = { name, ...(namespace === undefined ? {} : { namespace }), ...more };
  return keyed(kind, path, { apiVersion: 'projectcalico.org/v3', kind, metadata, spec });
}

/** The absence of the resource of another update. */
export function gone(update: ResourceUpdate): ResourceUpdate {
  return { ...update, resource: undefined };
}

/** An EndpointSlice of a service; ports as `tcp:80`. */
export function slice(path: string, service: string, addresses: string[], ports: string[]): ResourceUpdate {
  const { namespace = '', name } = splitPath(path);
  return keyed('EndpointSlice', path, {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace, labels: { 'kubernetes.io/service-name': service } },
    ...{
      addressType: 'IPv4',
      endpoints: addresses.map(address => ({ addresses: [address] })),
      ports: ports.map(text => {
        const [protocol = '', port] = text.split(':');
        return { protocol: protocol.toUpperCase(), port: Number(port) };
      }),
    },
  });
}

/** A workload; the pod's name is the last part of `path`. */
export function workload(
  path: string,
  node: string,
  addresses: string[],
  labels: Record<string, string> = {},
  spec: Record<string, unknown> = {},
): ResourceUpdate {
  const { namespace, name } = splitPath(path);
  return given(
    'WorkloadEndpoint',
    path,
    {
      orchestrator: 'k8s',
      node,
      pod: name,
      endpoint: 'eth0',
      ipNetworks: addresses,
      interfaceName: `cali-${name}`,
      profiles: [`kns.${namespace}`],
      ...spec,
    },
    { labels: { 'projectcalico.org/namespace': namespace ?? '', 'projectcalico.org/orchestrator': 'k8s', ...labels } },
  );
}

/** The profile of a namespace. */
export function namespaceProfile(namespace: string, labels: Record<string, string> = {}): ResourceUpdate {
  const prefixed = Object.entries(labels).map(([key, value]) => [`pcns.${key}`, value]);
  return given('Profile', `kns.${namespace}`, {
    ingress: [{ action: 'Allow' }],
    egress: [{ action: 'Allow' }],
    labelsToApply: Object.fromEntries([...prefixed, ['pcns.projectcalico.org/name', namespace]]),
  });
}

function splitPath(path: string): { namespace: string | undefined; name: string } {
  const [first = '', second] = path.split('/');
  return second === undefined ? { namespace: undefined, name: first } : { namespace: first, name: second };
}

function keyed(kind: ModelKind, path: string, resource: AnyResource): ResourceUpdate {
  const { namespace, name } = splitPath(path);
  return { kind, ...(namespace === undefined ? {} : { namespace }), name, resource };
}
