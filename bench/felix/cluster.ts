import { createHash } from 'node:crypto';
import type { Resource } from '@calico/api';

/** How many there are of what in the large cluster of design.md §6. */
export const sizes = { pods: 5000, localPods: 50, policies: 1000, activePolicies: 500 };

const namespaces = 50;
const remoteNodes = 99;
/** Namespaces that have pods on this node too, two each. */
const localNamespaces = sizes.localPods / 2;
const globalPolicies = 100;
const policiesPerNamespace = (sizes.policies - globalPolicies) / namespaces;
const v3 = 'projectcalico.org/v3';

/** A policy of the namespace of its pods, or of all. */
export interface PolicyObject {
  /** Where its kind is, such as `/apis/networking.k8s.io/v1/namespaces/team-1/networkpolicies`. */
  readonly path: string;
  readonly body: object;
}

/** The namespaces of the cluster, each of a team. */
export function namespaceNames(): string[] {
  return Array.from({ length: namespaces }, (_, i) => namespaceName(i));
}

/** The nodes of the cluster but ours, as the API server has them. */
export function nodes(): object[] {
  return Array.from({ length: remoteNodes }, (_, i) => ({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: remoteNode(i), labels: { 'kubernetes.io/hostname': remoteNode(i), 'kubernetes.io/os': 'linux' } },
  }));
}

/** Pods of this node: two in each of half of the namespaces, one in front and one behind, each in an area of its own. */
export function localPods(): { name: string; namespace: string; labels: Record<string, string> }[] {
  return Array.from({ length: sizes.localPods }, (_, i) => {
    const namespace = namespaceName(i % localNamespaces);
    return { name: `local-${i}`, namespace, labels: labelsOf(i, i < localNamespaces ? 'front' : 'back', i) };
  });
}

/** A pod of another node as the API server has it once it runs: about 3 kB of JSON, with what kubelets and plugins write. */
export function remotePod(index: number): Resource {
  const namespace = namespaceName(index % namespaces);
  const app = `app-${index % 200}`;
  const container = hash(`container ${index}`);
  const ip = `10.78.${index >> 8}.${index & 255}`;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `${app}-5d4f8c7b9-${String(index).padStart(5, '0')}`,
      generateName: `${app}-5d4f8c7b9-`,
      namespace,
      labels: { ...labelsOf(index, ['front', 'back'][index % 2] ?? '', index), 'pod-template-hash': '5d4f8c7b9' },
      annotations: {
        'cni.projectcalico.org/containerID': hash(`sandbox ${index}`),
        'cni.projectcalico.org/podIP': `${ip}/32`,
        'cni.projectcalico.org/podIPs': `${ip}/32`,
      },
    },
    spec: {
      nodeName: remoteNode(index % remoteNodes),
      serviceAccountName: 'default',
      containers: [
        {
          name: 'server',
          image: `registry.example.com/shop/${app}:v1.2.${index % 10}`,
          ports: [
            { name: 'http', containerPort: 8080, protocol: 'TCP' },
            { name: 'metrics', containerPort: 9100, protocol: 'TCP' },
          ],
          env: [
            { name: 'PORT', value: '8080' },
            { name: 'UPSTREAM', value: `http://app-${(index + 1) % 200}.${namespace}.svc:8080` },
          ],
          resources: { requests: { cpu: '100m', memory: '64Mi' }, limits: { memory: '128Mi' } },
        },
      ],
    },
    status: {
      phase: 'Running',
      podIP: ip,
      podIPs: [{ ip }],
      conditions: ['PodScheduled', 'Initialized', 'ContainersReady', 'Ready'].map(type => ({ type, status: 'True' })),
      containerStatuses: [
        {
          name: 'server',
          containerID: `containerd://${container}`,
          image: `registry.example.com/shop/${app}:v1.2.${index % 10}`,
          imageID: `registry.example.com/shop/${app}@sha256:${hash(app)}`,
          ready: true,
          restartCount: 0,
          state: { running: { startedAt: '2026-01-02T03:04:05Z' } },
        },
      ],
    },
  } as unknown as Resource;
}

/**
 * The policies: in each namespace half of Kubernetes' kind and half of Calico's, for all its pods or for those in front or
 * behind; beside them some for one area of the cluster each. Half of all select a pod of this node.
 */
export function policies(): PolicyObject[] {
  const own = namespaceNames().flatMap((namespace, i) =>
    Array.from({ length: policiesPerNamespace }, (_, j) =>
      j % 2 === 0 ? kubernetesPolicy(namespace, i, j) : calicoPolicy(namespace, i, j),
    ),
  );
  return [...own, ...Array.from({ length: globalPolicies }, (_, i) => globalPolicy(i))];
}

/** Areas that policies for the whole cluster speak of: half of them have a pod on this node. */
function labelsOf(index: number, side: string, area: number): Record<string, string> {
  return {
    'app.kubernetes.io/name': `app-${index % 200}`,
    'app.kubernetes.io/part-of': `shop-${index % 20}`,
    side,
    area: `area-${area % globalPolicies}`,
  };
}

function kubernetesPolicy(namespace: string, i: number, j: number): PolicyObject {
  const side = j % 4 === 0 ? 'front' : 'back';
  const peers = [
    { podSelector: { matchLabels: { 'app.kubernetes.io/name': `app-${(i * 7 + j) % 200}` } } },
    {
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespaceName((i + j) % namespaces) } },
      podSelector: { matchLabels: { side: 'front' } },
    },
  ];
  const block = { ipBlock: { cidr: `10.${100 + j}.0.0/16`, except: [`10.${100 + j}.${i}.0/24`] } };
  const ports = [
    { protocol: 'TCP', port: j % 3 === 0 ? 'http' : 8000 + j },
    ...(j % 6 === 0 ? [{ protocol: 'TCP', port: 9000 + i, endPort: 9100 + i }] : []),
  ];
  return {
    path: `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`,
    body: {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: `policy-${j}`, namespace },
      spec: {
        podSelector: j === 0 ? {} : { matchLabels: { side } },
        policyTypes: j % 4 === 2 ? ['Ingress', 'Egress'] : ['Ingress'],
        ingress: [{ from: j % 6 === 4 ? [...peers, block] : peers, ports }],
        ...(j % 4 === 2 ? { egress: [{ to: [{ podSelector: {} }] }, { ports: [{ protocol: 'UDP', port: 53 }] }] } : {}),
      },
    },
  };
}

function calicoPolicy(namespace: string, i: number, j: number): PolicyObject {
  const udp = {
    action: 'Allow',
    protocol: 'UDP',
    source: { selector: `projectcalico.org/namespace == '${namespace}'` },
  };
  return {
    path: `/apis/${v3}/namespaces/${namespace}/networkpolicies`,
    body: {
      apiVersion: v3,
      kind: 'NetworkPolicy',
      metadata: { name: `policy-${j}`, namespace },
      spec: {
        order: 100 + j,
        selector: j === 1 ? 'all()' : `side == '${j % 4 === 1 ? 'front' : 'back'}'`,
        types: ['Ingress'],
        ingress: [
          {
            action: 'Allow',
            protocol: 'TCP',
            source: { selector: `app.kubernetes.io/part-of in {'shop-${j}', 'shop-${(i + j) % 20}'}` },
            destination: { ports: [8080, `${9000 + j}:${9010 + j}`] },
          },
          ...(j % 5 === 0
            ? [{ action: 'Deny', source: { nets: [`10.${i}.0.0/16`], notNets: [`10.${i}.${j}.0/24`] } }]
            : []),
          // What the packets of the benchmark are let in by.
          ...(j === 1 ? [udp] : []),
        ],
      },
    },
  };
}

function globalPolicy(i: number): PolicyObject {
  return {
    path: `/apis/${v3}/globalnetworkpolicies`,
    body: {
      apiVersion: v3,
      kind: 'GlobalNetworkPolicy',
      metadata: { name: `area-${i}` },
      spec: {
        order: 50 + i,
        selector: `area == 'area-${i}'`,
        types: ['Ingress'],
        ingress: [
          {
            action: 'Deny',
            protocol: 'TCP',
            source: { selector: `area == 'area-${(i + 1) % globalPolicies}'` },
            destination: { ports: [22] },
          },
          {
            action: 'Allow',
            protocol: 'TCP',
            source: { namespaceSelector: `kubernetes.io/metadata.name == 'team-${i % namespaces}'` },
            destination: { ports: ['metrics'] },
          },
        ],
      },
    },
  };
}

const namespaceName = (i: number) => `team-${i}`;
const remoteNode = (i: number) => `remote-${i}`;
const hash = (text: string) => createHash('sha256').update(text).digest('hex');
