import type { ModelKind, ResourceUpdate } from '@calico/api';

/** A generated cluster, made object by object, and one changed label of one of its endpoints. */
export interface Workload {
  readonly name: string;
  readonly objects: () => Iterable<ResourceUpdate>;
  /** The `index`-th change: an endpoint of another node. */
  readonly relabelRemote: (index: number) => ResourceUpdate;
  /** The `index`-th change: an endpoint of this node. */
  readonly relabelLocal: (index: number) => ResourceUpdate;
}

/** The node that is calculated for. */
export const node = 'node-1';

/**
 * 250,000 remote and 200 local endpoints in 100 namespaces, each with five labels `one-in-N: value-k` and one of 30
 * markers; 10,000 policies in one tier, each for `has(marker)` with five Allow rules from `has(other marker)`.
 */
const markers: Workload = {
  name: 'W1: 250k endpoints, 10k policies',
  *objects() {
    yield defaultTier;
    for (let i = 0; i < 10_000; i++) yield markerPolicy(i);
    for (let i = 0; i < 100; i++) yield namespaceProfile(`ns-${i}`);
    for (let i = 0; i < 250_000; i++) yield markedEndpoint(`remote-${i % 1000}`, i);
    for (let i = 0; i < 200; i++) yield markedEndpoint(node, 250_000 + i);
  },
  relabelRemote: index => markedEndpoint(`remote-${index % 1000}`, index, index + 1),
  relabelLocal: index => markedEndpoint(node, 250_000 + (index % 200), index + 1),
};

/**
 * 10,000 remote and 200 local endpoints; 10,000 global network sets of 1 to 1,000 addresses (111.8 on average), each with
 * a policy for everything that allows it.
 */
const networkSets: Workload = {
  name: 'W2: 10k network sets, 10k policies',
  *objects() {
    yield defaultTier;
    for (let i = 0; i < 100; i++) yield namespaceProfile(`ns-${i}`);
    for (let i = 0; i < 10_000; i++) yield markedEndpoint(`remote-${i % 1000}`, i);
    for (let i = 0; i < 10_000; i++) yield* [networkSet(i), setPolicy(i)];
    for (let i = 0; i < 200; i++) yield markedEndpoint(node, 10_000 + i);
  },
  relabelRemote: index => markedEndpoint(`remote-${index % 1000}`, index, index + 1),
  relabelLocal: index => markedEndpoint(node, 10_000 + (index % 200), index + 1),
};

/**
 * 10,000 namespaces with one pod each, of 15 labels, five of them unlike any other's, and one policy that isolates it and
 * allows DNS; 100 pods are local.
 */
const tenants: Workload = {
  name: 'W3: 10k tenants, 100 local',
  *objects() {
    yield defaultTier;
    for (let i = 0; i < 10_000; i++) yield namespaceProfile(`tenant-${i}`);
    for (let i = 0; i < 10_000; i++) yield tenantPolicy(i);
    for (let i = 0; i < 10_000; i++) yield tenantPod(i);
  },
  relabelRemote: index => tenantPod(100 + (index % 9_900), index + 1),
  relabelLocal: index => tenantPod(index % 100, index + 1),
};

export const workloads: Readonly<Record<string, Workload>> = { W1: markers, W2: networkSets, W3: tenants };

const markerCount = 30;
const setSizes = [1, 1, 1, 1, 2, 3, 4, 5, 100, 1000];
const addressesPerRound = setSizes.reduce((sum, size) => sum + size, 0);
const defaultTier = given('Tier', undefined, 'default', { order: 1_000_000, defaultAction: 'Deny' });

/** The `index`-th address from 10.0.0.1 on. */
function address(index: number): string {
  const bits = 0x0a000001 + index;
  return [24, 16, 8, 0].map(shift => (bits >>> shift) & 255).join('.');
}

function markedEndpoint(onNode: string, index: number, marker = index): ResourceUpdate {
  const labels: Record<string, string> = { [`marker-${marker % markerCount}`]: 'true' };
  for (const n of [10, 11, 20, 30, 40]) labels[`one-in-${n}`] = `value-${index % n}`;
  return endpoint(onNode, `ns-${index % 100}`, `wep-${index}`, address(index), labels);
}

function markerPolicy(index: number): ResourceUpdate {
  const selector = (offset: number) => `has(marker-${(index + offset) % markerCount})`;
  return given('GlobalNetworkPolicy', undefined, `policy-${index}`, {
    tier: 'default',
    selector: selector(0),
    types: ['Ingress'],
    ingress: [1, 2, 3, 4, 5].map(offset => ({ action: 'Allow', source: { selector: selector(offset) } })),
  });
}

function networkSet(index: number): ResourceUpdate {
  const round = index % setSizes.length;
  const before = setSizes.slice(0, round).reduce((sum, size) => sum + size, 0);
  const first = 0x01000000 + Math.floor(index / setSizes.length) * addressesPerRound + before;
  const nets = Array.from({ length: setSizes[round] ?? 0 }, (_, i) => `${address(first + i)}/32`);
  return given('GlobalNetworkSet', undefined, `set-${index}`, { nets }, { 'set-name': `set-${index}` });
}

function setPolicy(index: number): ResourceUpdate {
  return given('GlobalNetworkPolicy', undefined, `policy-${index}`, {
    tier: 'default',
    selector: 'all()',
    types: ['Ingress'],
    ingress: [{ action: 'Allow', source: { selector: `set-name == 'set-${index}'` } }],
  });
}

function tenantPod(index: number, change = 0): ResourceUpdate {
  const labels: Record<string, string> = { app: `app-${index % 5000}`, change: `${change}` };
  for (let i = 0; i < 5; i++) labels[`unique-${i}`] = `value-${index}-${i}`;
  for (let i = 0; i < 8; i++) labels[`common-${i}`] = `value-${index % (i + 2)}`;
  return endpoint(index < 100 ? node : `remote-${index % 1000}`, `tenant-${index}`, 'pod', address(index), labels);
}

function tenantPolicy(index: number): ResourceUpdate {
  const dns = { namespaceSelector: "projectcalico.org/name == 'tenant-0'", ports: [53] };
  return given('NetworkPolicy', `tenant-${index}`, 'isolate', {
    tier: 'default',
    selector: 'all()',
    types: ['Ingress', 'Egress'],
    ingress: [{ action: 'Allow', source: { selector: 'all()' } }],
    egress: [
      { action: 'Allow', destination: { selector: 'all()' } },
      { action: 'Allow', protocol: 'UDP', destination: dns },
    ],
  });
}

/** The profile that a namespace is to the calculation. */
function namespaceProfile(name: string): ResourceUpdate {
  return given('Profile', undefined, `kns.${name}`, {
    ingress: [{ action: 'Allow' }],
    egress: [{ action: 'Allow' }],
    labelsToApply: { 'pcns.projectcalico.org/name': name, 'pcns.kubernetes.io/metadata.name': name },
  });
}

/** The endpoint that a pod is to the calculation. */
function endpoint(
  onNode: string,
  namespace: string,
  pod: string,
  ip: string,
  labels: Readonly<Record<string, string>>,
): ResourceUpdate {
  return given(
    'WorkloadEndpoint',
    namespace,
    `${onNode.replaceAll('-', '--')}-k8s-${pod.replaceAll('-', '--')}-eth0`,
    {
      orchestrator: 'k8s',
      node: onNode,
      pod,
      endpoint: 'eth0',
      ipNetworks: [`${ip}/32`],
      interfaceName: `cali${ip}`,
      profiles: [`kns.${namespace}`],
    },
    { ...labels, 'projectcalico.org/namespace': namespace, 'projectcalico.org/orchestrator': 'k8s' },
  );
}

/** An update whose strings are all its own, as those of a decoded answer are. */
function given(
  kind: ModelKind,
  namespace: string | undefined,
  name: string,
  spec: Readonly<Record<string, unknown>>,
  labels?: Readonly<Record<string, string>>,
): ResourceUpdate {
  const resource = { apiVersion: 'projectcalico.org/v3', kind, metadata: { name, namespace, labels }, spec };
  return JSON.parse(JSON.stringify({ kind, namespace, name, resource })) as ResourceUpdate;
}
