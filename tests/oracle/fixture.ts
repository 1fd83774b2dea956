import type { CalicoPolicySpec, ClusterPolicySpec, KubernetesPolicySpec, RawResource } from './resources.ts';
import type { Labels } from './selector.ts';

/** Short ways to write resources in tests; each gives plain JSON as a user would write it. */

export function namespace(name: string, labels: Labels = {}): RawResource {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } };
}

export function serviceAccount(key: string, labels: Labels = {}): RawResource {
  return { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { ...keyed(key), labels } };
}

/** A pod `namespace/name` with its address; on node-1 unless said. */
export function pod(
  key: string,
  ip: string,
  labels: Labels = {},
  more: { account?: string; node?: string; ports?: { name?: string; containerPort: number; protocol?: string }[] } = {},
): RawResource {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...keyed(key), labels },
    spec: {
      nodeName: more.node ?? 'node-1',
      ...(more.account === undefined ? {} : { serviceAccountName: more.account }),
      containers: [{ name: 'main', ports: more.ports ?? [] }],
    },
    status: { podIPs: ip.split(',').map(each => ({ ip: each })) },
  };
}

export function node(name: string, ip: string, annotations: Labels = {}): RawResource {
  const status = { addresses: [{ type: 'InternalIP', address: ip }] };
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, annotations }, status };
}

export function kubernetes(key: string, spec: KubernetesPolicySpec): RawResource {
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: keyed(key), spec };
}

export function calico(key: string, spec: CalicoPolicySpec): RawResource {
  return { apiVersion: 'projectcalico.org/v3', kind: 'NetworkPolicy', metadata: keyed(key), spec };
}

export function global(name: string, spec: CalicoPolicySpec): RawResource {
  return { apiVersion: 'projectcalico.org/v3', kind: 'GlobalNetworkPolicy', metadata: { name }, spec };
}

export function clusterWide(name: string, spec: ClusterPolicySpec): RawResource {
  return { apiVersion: 'policy.networking.k8s.io/v1alpha2', kind: 'ClusterNetworkPolicy', metadata: { name }, spec };
}

export function tier(name: string, order: number, defaultAction?: 'Deny' | 'Pass'): RawResource {
  const spec = { order, ...(defaultAction === undefined ? {} : { defaultAction }) };
  return { apiVersion: 'projectcalico.org/v3', kind: 'Tier', metadata: { name }, spec };
}

/** A NetworkSet for a key `namespace/name`, a GlobalNetworkSet for a bare name. */
export function networkSet(key: string, labels: Labels, nets: readonly string[]): RawResource {
  const isGlobal = !key.includes('/');
  const kind = isGlobal ? 'GlobalNetworkSet' : 'NetworkSet';
  const metadata = { ...(isGlobal ? { name: key } : keyed(key)), labels };
  return { apiVersion: 'projectcalico.org/v3', kind, metadata, spec: { nets } };
}

function keyed(key: string): { namespace: string; name: string } {
  const [space = '', name = ''] = key.split('/');
  return { namespace: space, name };
}
