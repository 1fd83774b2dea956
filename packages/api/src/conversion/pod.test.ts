import { describe, expect, test } from 'bun:test';
import type { WorkloadEndpoint } from '../kinds/calico/workload-endpoint.ts';
import type { Pod } from '../kinds/kubernetes/pod.ts';
import { workloadEndpointName, workloadInterfaceName } from './names.ts';
import { podToWorkloadEndpoint } from './pod.ts';

interface PodParts {
  metadata?: Partial<Pod['metadata']>;
  spec?: Partial<Pod['spec']>;
  status?: Pod['status'];
}

function pod({ metadata, spec, status }: PodParts = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web-0', namespace: 'shop', ...metadata },
    spec: { nodeName: 'node-1', containers: [{ name: 'main' }], ...spec },
    ...(status === undefined ? {} : { status }),
  };
}

const annotated = (annotations: Record<string, string>, more: PodParts = {}): Pod =>
  pod({ ...more, metadata: { ...more.metadata, annotations } });

function convert(given: Pod): WorkloadEndpoint {
  const endpoint = podToWorkloadEndpoint(given);
  if (endpoint === undefined) throw new Error('no endpoint');
  return endpoint;
}

test('podToWorkloadEndpoint gives the whole endpoint of a usual pod', () => {
  const given = pod({
    metadata: {
      uid: '1b4e28ba-2fa1-41d2-883f-0016d3cca427',
      resourceVersion: '17',
      creationTimestamp: '2026-01-01T00:00:00Z',
      generateName: 'web-',
      labels: { app: 'web' },
      annotations: { 'cni.projectcalico.org/containerID': 'abc123' },
    },
    spec: {
      serviceAccountName: 'runner',
      containers: [{ name: 'main', ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }] }],
    },
    status: { phase: 'Running', podIP: '10.0.0.7', podIPs: [{ ip: '10.0.0.7' }, { ip: 'fd00::7' }] },
  });
  expect(podToWorkloadEndpoint(given)).toEqual({
    apiVersion: 'projectcalico.org/v3',
    kind: 'WorkloadEndpoint',
    metadata: {
      name: 'node--1-k8s-web--0-eth0',
      namespace: 'shop',
      uid: '1b4e28ba-2fa1-41d2-883f-0016d3cca427',
      resourceVersion: '17',
      creationTimestamp: '2026-01-01T00:00:00Z',
      generateName: 'web-',
      labels: {
        app: 'web',
        'projectcalico.org/namespace': 'shop',
        'projectcalico.org/orchestrator': 'k8s',
        'projectcalico.org/serviceaccount': 'runner',
      },
    },
    spec: {
      orchestrator: 'k8s',
      node: 'node-1',
      pod: 'web-0',
      endpoint: 'eth0',
      containerID: 'abc123',
      serviceAccountName: 'runner',
      interfaceName: workloadInterfaceName('shop', 'web-0'),
      ipNetworks: ['10.0.0.7/32', 'fd00::7/128'],
      profiles: ['kns.shop', 'ksa.shop.runner'],
      ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
    },
  });
});

describe('podToWorkloadEndpoint gives no endpoint', () => {
  const deleting = { deletionTimestamp: '2026-01-01T00:00:00Z' };
  const cases: { name: string; given: Pod }[] = [
    { name: 'of a host-networked pod', given: pod({ spec: { hostNetwork: true } }) },
    { name: 'of a pod on no node', given: pod({ spec: { nodeName: '' } }) },
    { name: 'of a pod that succeeded', given: pod({ status: { phase: 'Succeeded', podIP: '10.0.0.7' } }) },
    { name: 'of a pod that failed', given: pod({ status: { phase: 'Failed', podIP: '10.0.0.7' } }) },
    {
      name: 'of a pod being deleted whose address was taken back',
      given: annotated({ 'cni.projectcalico.org/podIP': '' }, { metadata: deleting, status: { podIP: '10.0.0.7' } }),
    },
    {
      name: 'of a pod being deleted whose AWS addresses were taken back',
      given: annotated({ 'vpc.amazonaws.com/pod-ips': '' }, { metadata: deleting, status: { podIP: '10.0.0.7' } }),
    },
  ];
  for (const { name, given } of cases) test(name, () => expect(podToWorkloadEndpoint(given)).toBeUndefined());

  test('but does of one being deleted that still has its address', () => {
    expect(podToWorkloadEndpoint(pod({ metadata: deleting, status: { podIP: '10.0.0.7' } }))).toBeDefined();
  });
});

describe('podToWorkloadEndpoint takes addresses', () => {
  const cases: { name: string; given: Pod; want: string[] }[] = [
    {
      name: 'from status.podIPs before all else',
      given: annotated(
        { 'cni.projectcalico.org/podIPs': '10.0.0.9/32' },
        { status: { podIP: '10.0.0.8', podIPs: [{ ip: '10.0.0.7' }] } },
      ),
      want: ['10.0.0.7/32'],
    },
    { name: 'from status.podIP', given: pod({ status: { podIP: '10.0.0.8', podIPs: [] } }), want: ['10.0.0.8/32'] },
    {
      name: 'from the annotation podIPs',
      given: annotated({
        'cni.projectcalico.org/podIPs': '10.0.0.9/32,fd00:0::9/128',
        'cni.projectcalico.org/podIP': '10.0.0.10/32',
      }),
      want: ['10.0.0.9/32', 'fd00::9/128'],
    },
    {
      name: 'from the annotation podIP',
      given: annotated({ 'cni.projectcalico.org/podIP': '10.0.0.10/32' }),
      want: ['10.0.0.10/32'],
    },
    {
      name: 'from the annotation of AWS',
      given: annotated({ 'vpc.amazonaws.com/pod-ips': '10.0.0.11, 10.0.0.12' }),
      want: ['10.0.0.11/32', '10.0.0.12/32'],
    },
    { name: 'not at all while there are none', given: pod(), want: [] },
    {
      name: 'only where they parse',
      given: pod({ status: { podIPs: [{ ip: 'nonsense' }, { ip: '10.0.0.7' }] } }),
      want: ['10.0.0.7/32'],
    },
  ];
  for (const { name, given, want } of cases) test(name, () => expect(convert(given).spec.ipNetworks).toEqual(want));
});

test('podToWorkloadEndpoint takes away labels that only profiles may give', () => {
  const given = pod({ metadata: { labels: { app: 'web', 'pcns.team': 'a', 'pcsa.x': 'b' } } });
  expect(Object.keys(convert(given).metadata.labels ?? {}).sort()).toEqual([
    'app',
    'projectcalico.org/namespace',
    'projectcalico.org/orchestrator',
  ]);
});

test('podToWorkloadEndpoint leaves out the label of a service account with a name of 63 or more', () => {
  const label = (length: number) =>
    convert(pod({ spec: { serviceAccountName: 'a'.repeat(length) } })).metadata.labels?.[
      'projectcalico.org/serviceaccount'
    ];
  expect([label(62)?.length, label(63)]).toEqual([62, undefined]);
  expect(convert(pod({ spec: { serviceAccountName: 'a'.repeat(63) } })).spec.profiles).toHaveLength(2);
});

test('podToWorkloadEndpoint takes ports with a name or a host port, containers first', () => {
  const given = pod({
    spec: {
      initContainers: [{ name: 'init', ports: [{ name: 'early', containerPort: 1 }] }],
      containers: [
        {
          name: 'main',
          ports: [
            { name: 'http', containerPort: 80 },
            { containerPort: 81 },
            { containerPort: 82, hostPort: 8082, hostIP: '192.0.2.1', protocol: 'UDP' },
            { name: 'assoc', containerPort: 83, protocol: 'SCTP' },
          ],
        },
      ],
    },
  });
  expect(convert(given).spec.ports).toEqual([
    { name: 'http', protocol: 'TCP', port: 80 },
    { name: '', protocol: 'UDP', port: 82, hostPort: 8082, hostIP: '192.0.2.1' },
    { name: 'assoc', protocol: 'SCTP', port: 83 },
    { name: 'early', protocol: 'TCP', port: 1 },
  ]);
});

test('podToWorkloadEndpoint leads floating addresses to the address of their family', () => {
  const status = { podIPs: [{ ip: '10.0.0.7' }] };
  const key = 'cni.projectcalico.org/floatingIPs';
  expect(convert(annotated({ [key]: '["192.0.2.1","fd00::1"]' }, { status })).spec.ipNATs).toEqual([
    { internalIP: '10.0.0.7', externalIP: '192.0.2.1' },
  ]);
  expect(convert(annotated({ [key]: 'no json' }, { status })).spec.ipNATs).toBeUndefined();
});

test('podToWorkloadEndpoint masks allowed source prefixes', () => {
  const key = 'cni.projectcalico.org/allowedSourcePrefixes';
  expect(convert(annotated({ [key]: '["192.0.2.5/24"]' })).spec.allowSpoofedSourcePrefixes).toEqual(['192.0.2.0/24']);
});

describe('podToWorkloadEndpoint takes traffic controls', () => {
  const cases: { name: string; annotations: Record<string, string>; want: object | undefined }[] = [
    {
      name: 'from the annotation of Kubernetes, with the default burst',
      annotations: { 'kubernetes.io/ingress-bandwidth': '10M' },
      want: { ingressBandwidth: 10e6, ingressBurst: 4294967296 },
    },
    {
      name: "from Calico's own with more weight",
      annotations: {
        'kubernetes.io/egress-bandwidth': '10M',
        'qos.projectcalico.org/egressBandwidth': '1Gi',
        'qos.projectcalico.org/egressBurst': '2M',
      },
      want: { egressBandwidth: 2 ** 30, egressBurst: 2e6 },
    },
    {
      name: 'within limits',
      annotations: {
        'qos.projectcalico.org/ingressBandwidth': '1',
        'qos.projectcalico.org/ingressBurst': '1k',
        'qos.projectcalico.org/egressPacketRate': '1M',
      },
      want: { ingressBandwidth: 1000, ingressBurst: 1000, egressPacketRate: 10_000, egressPacketBurst: 5 },
    },
    {
      name: 'for connections and marks',
      annotations: { 'qos.projectcalico.org/ingressMaxConnections': '20', 'qos.projectcalico.org/dscp': 'EF' },
      want: { ingressMaxConnections: 20, dscp: 46 },
    },
    { name: 'of which nonsense is none', annotations: { 'kubernetes.io/ingress-bandwidth': 'fast' }, want: undefined },
  ];
  for (const { name, annotations, want } of cases) {
    test(name, () => expect(convert(annotated(annotations)).spec.qosControls).toEqual(want as object));
  }
});

test('workloadInterfaceName is the prefix and 11 digits of SHA-1, at most 15 characters', () => {
  // printf %s default.a | sha1sum
  expect(workloadInterfaceName('shop', 'web-0')).toMatch(/^cali[0-9a-f]{11}$/);
  expect(workloadInterfaceName('default', 'a')).toBe('caliacd53aa4120');
  expect(workloadInterfaceName('default', 'a', 'enterpriseX')).toHaveLength(15);
});

test('workloadEndpointName doubles the dashes within its segments', () => {
  expect(workloadEndpointName('node-a-1', 'web')).toBe('node--a--1-k8s-web-eth0');
});
