import { expect, test } from 'bun:test';
import type { Pod, Service } from '@calico/api';
import { planEndpointSlice } from './endpoint-slices.ts';

const service = (spec: Service['spec']): Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'shop', uid: 's-1' },
  spec,
});

function pod(name: string, ip: string | undefined, labels: Record<string, string>, ready = true): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'shop', labels },
    spec: { nodeName: 'node1', containers: [{ name: 'c', ports: [{ name: 'http', containerPort: 8080 }] }] },
    status: {
      ...(ip === undefined ? {} : { podIP: ip }),
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
    },
  } as Pod;
}

const web = { app: 'web' };

test('planEndpointSlice lists the pods that the selector chooses, by name, each with its readiness', () => {
  const pods = [
    pod('b', '10.0.0.2', { ...web, tier: 'front' }),
    pod('a', '10.0.0.1', web, false),
    pod('c', undefined, web),
    pod('d', '10.0.0.4', { app: 'other' }),
  ];
  const slice = planEndpointSlice(service({ selector: web, ports: [{ port: 80 }] } as Service['spec']), pods);
  expect(slice?.metadata).toMatchObject({
    name: 'web-ipv4',
    namespace: 'shop',
    labels: { 'kubernetes.io/service-name': 'web' },
    ownerReferences: [{ kind: 'Service', name: 'web', uid: 's-1' }],
  });
  expect(slice?.endpoints?.map(e => [e.addresses[0], e.conditions?.ready, e.targetRef?.name])).toEqual([
    ['10.0.0.1', false, 'a'],
    ['10.0.0.2', true, 'b'],
  ]);
  expect(
    planEndpointSlice(service({ selector: web, ports: [{ port: 80 }] } as Service['spec']), [...pods].reverse()),
  ).toEqual(slice);
});

test.each([
  { name: 'the same number', port: { port: 80 }, want: { name: '', protocol: 'TCP', port: 80 } },
  { name: 'another number', port: { port: 80, targetPort: 8080 }, want: { name: '', protocol: 'TCP', port: 8080 } },
  {
    name: 'a name',
    port: { name: 'w', port: 80, targetPort: 'http' },
    want: { name: 'w', protocol: 'TCP', port: 8080 },
  },
  {
    name: 'a name that no pod has',
    port: { port: 80, targetPort: 'x' },
    want: { name: '', protocol: 'TCP', port: 80 },
  },
  { name: 'UDP', port: { port: 53, protocol: 'UDP' }, want: { name: '', protocol: 'UDP', port: 53 } },
])('planEndpointSlice gives the port behind the Service: $name', ({ port, want }) => {
  const slice = planEndpointSlice(service({ selector: web, ports: [port] } as Service['spec']), [
    pod('a', '10.0.0.1', web),
  ]);
  expect(slice?.ports).toEqual([want]);
});

test('planEndpointSlice leaves a Service without selector alone', () => {
  expect(
    planEndpointSlice(service({ ports: [{ port: 80 }] } as Service['spec']), [pod('a', '10.0.0.1', web)]),
  ).toBeUndefined();
});
