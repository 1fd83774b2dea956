import { expect, test } from 'bun:test';
import { WorkloadEndpoint } from '../kinds/calico/workload-endpoint.ts';
import { type EndpointIdentity, endpointKey, endpointNameBySpec } from './names.ts';

const cases: { name: string; spec: EndpointIdentity; want: ReturnType<typeof endpointNameBySpec> }[] = [
  {
    name: 'a pod by its name, dashes doubled',
    spec: { node: 'node-1', orchestrator: 'k8s', pod: 'web-0', endpoint: 'eth0', containerID: 'abc' },
    want: { name: 'node--1-k8s-web--0-eth0' },
  },
  {
    name: 'a container by its ID',
    spec: { node: 'n', orchestrator: 'cni', containerID: 'abc', endpoint: 'eth0' },
    want: { name: 'n-cni-abc-eth0' },
  },
  {
    name: 'a container of libnetwork by nothing else',
    spec: { node: 'n', orchestrator: 'libnetwork', endpoint: 'e' },
    want: { name: 'n-libnetwork-libnetwork-e' },
  },
  {
    name: 'a machine by its workload',
    spec: { node: 'n', orchestrator: 'openstack', workload: 'vm-1', endpoint: 'e' },
    want: { name: 'n-openstack-vm--1-e' },
  },
  { name: 'no pod', spec: { node: 'n', orchestrator: 'k8s', endpoint: 'e' }, want: { field: 'pod' } },
  { name: 'no node', spec: {}, want: { field: 'node' } },
  {
    name: 'a dash at the end',
    spec: { node: 'n-', orchestrator: 'k8s', pod: 'p', endpoint: 'e' },
    want: { field: 'node' },
  },
];
test.each(cases)('endpointNameBySpec names $name', ({ spec, want }) => {
  expect(endpointNameBySpec(spec)).toEqual(want);
});

test.each([
  [{ orchestrator: 'k8s', pod: 'web', containerID: 'abc', endpoint: 'eth0' }, 'k8s shop/web eth0'],
  [{ orchestrator: 'cni', containerID: 'abc', endpoint: 'eth0' }, 'cni abc eth0'],
  [{ orchestrator: 'libnetwork', endpoint: 'e' }, 'libnetwork libnetwork e'],
  [{ orchestrator: 'openstack', workload: 'vm-1', endpoint: 'e' }, 'openstack vm-1 e'],
] as const)('endpointKey of %j is %s', (spec, want) => {
  const { orchestrator, workload, endpoint } = endpointKey('shop', spec);
  expect(`${orchestrator} ${workload} ${endpoint}`).toBe(want);
});

test('an endpoint with another name than its spec says is not valid', () => {
  const endpoint = WorkloadEndpoint.example();
  expect(WorkloadEndpoint.validate(endpoint)).toEqual([]);
  const renamed = { ...endpoint, metadata: { ...endpoint.metadata, name: 'web' } };
  expect(WorkloadEndpoint.validate(renamed).map(({ path }) => path)).toEqual(['metadata.name']);
  const nameless = { ...endpoint, spec: { ...endpoint.spec, pod: '-web' } };
  expect(WorkloadEndpoint.validate(nameless).map(({ path }) => path)).toEqual(['spec.pod']);
});
