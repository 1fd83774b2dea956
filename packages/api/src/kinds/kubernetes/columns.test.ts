import { expect, test } from 'bun:test';
import type { Kind } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { untyped } from '../../testing.ts';
import { Deployment } from './deployment.ts';
import { EndpointSlice } from './endpoint-slice.ts';
import { Event } from './event.ts';
import { Node } from './node.ts';
import { Pod } from './pod.ts';
import type { ContainerStatus, PodStatus } from './pod-status.ts';
import { Service } from './service.ts';

const NOW = Date.parse('2026-01-02T03:04:05Z');

/** One line of the table as kubectl shows it, priority 1 columns behind a bar. */
function row<R extends Resource>(kind: Kind<R>, r: R): string {
  const cells = (priority: number) =>
    kind.columns.filter(c => c.priority === priority).map(c => String(c.value(r, NOW) ?? ''));
  return `${cells(0).join(' ')} | ${cells(1).join(' ')}`;
}

function pod(status: PodStatus, rest: Partial<Pod['metadata']> = {}): Pod {
  const example = Pod.example();
  return {
    ...example,
    metadata: { ...example.metadata, creationTimestamp: '2026-01-02T03:00:00Z', ...rest },
    status,
  };
}
const container = (rest: Partial<ContainerStatus>): ContainerStatus => ({ name: 'server', ...rest });
const running = container({ ready: true, restartCount: 0, state: { running: {} } });

test.each([
  { name: 'nothing', status: {}, want: 'web-0 0/1 Pending 0 4m5s' },
  {
    name: 'a running container',
    status: { phase: 'Running' as const, containerStatuses: [running] },
    want: 'web-0 1/1 Running 0 4m5s',
  },
  {
    name: 'a container that waits',
    status: {
      phase: 'Pending' as const,
      containerStatuses: [container({ state: { waiting: { reason: 'ContainerCreating' } } })],
    },
    want: 'web-0 0/1 ContainerCreating 0 4m5s',
  },
  {
    name: 'a container that failed',
    status: { phase: 'Running' as const, containerStatuses: [container({ state: { terminated: { exitCode: 3 } } })] },
    want: 'web-0 0/1 ExitCode:3 0 4m5s',
  },
  {
    name: 'a container that was killed',
    status: {
      phase: 'Running' as const,
      containerStatuses: [container({ state: { terminated: { exitCode: 137, signal: 9 } } })],
    },
    want: 'web-0 0/1 Signal:9 0 4m5s',
  },
  {
    name: 'restarts',
    status: {
      phase: 'Running' as const,
      containerStatuses: [
        { ...running, restartCount: 2, lastState: { terminated: { finishedAt: '2026-01-02T03:01:05Z' } } },
      ],
    },
    want: 'web-0 1/1 Running 2 (3m ago) 4m5s',
  },
  { name: 'an eviction', status: { phase: 'Failed' as const, reason: 'Evicted' }, want: 'web-0 0/1 Evicted 0 4m5s' },
  {
    name: 'a gate before scheduling',
    status: {
      phase: 'Pending' as const,
      conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }],
    },
    want: 'web-0 0/1 SchedulingGated 0 4m5s',
  },
  {
    name: 'an init container that runs',
    status: { phase: 'Pending' as const, initContainerStatuses: [container({ name: 'init', state: { running: {} } })] },
    want: 'web-0 0/1 Init:0/1 0 4m5s',
  },
])('a pod with $name is shown as $want', ({ status, want }) => {
  expect(row(Pod, pod(untyped(status))).split(' | ')[0]).toBe(want);
});

test('a pod that goes is Terminating, and wide shows address and node', () => {
  const going = pod(
    { phase: 'Running', podIP: '10.244.1.7', containerStatuses: [running] },
    { deletionTimestamp: '2026-01-02T03:04:00Z' },
  );
  expect(row(Pod, going)).toBe('web-0 1/1 Terminating 0 4m5s | 10.244.1.7 node-1 <none> <none>');
});

test('a node is shown with roles and addresses', () => {
  const node = Node.example();
  node.metadata.creationTimestamp = '2026-01-01T03:04:05Z';
  node.metadata.labels = { 'node-role.kubernetes.io/worker': '', 'node-role.kubernetes.io/control-plane': '' };
  node.spec.unschedulable = true;
  expect(row(Node, node)).toBe(
    'node-1 Ready,SchedulingDisabled control-plane,worker 24h v1.34.0 | 172.30.0.11 <none> <unknown> <unknown> <unknown>',
  );
});

test('a deployment is shown with its numbers', () => {
  const deployment = Deployment.default(Deployment.example());
  deployment.status = { readyReplicas: 1, updatedReplicas: 2, availableReplicas: 1 };
  expect(row(Deployment, deployment)).toBe('web 1/2 2 1 <unknown> | server web:1 app=web');
});

test.each([
  {
    spec: { clusterIP: '10.96.0.7', ports: [{ port: 80 }, { port: 53, protocol: 'UDP' as const }] },
    want: 'web ClusterIP 10.96.0.7 <none> 80/TCP,53/UDP <unknown> | <none>',
  },
  {
    spec: { type: 'NodePort' as const, clusterIP: '10.96.0.7', ports: [{ port: 80, nodePort: 30080 }] },
    want: 'web NodePort 10.96.0.7 <none> 80:30080/TCP <unknown> | <none>',
  },
  {
    spec: { type: 'LoadBalancer' as const, clusterIP: '10.96.0.7', selector: { b: '2', a: '1' } },
    want: 'web LoadBalancer 10.96.0.7 <pending> <none> <unknown> | a=1,b=2',
  },
  {
    spec: { type: 'ExternalName' as const, externalName: 'example.com' },
    want: 'web ExternalName <none> example.com <none> <unknown> | <none>',
  },
])('a service is shown as $want', ({ spec, want }) => {
  expect(row(Service, { ...Service.example(), spec: untyped(spec) })).toBe(want);
});

test('an event and a slice are shown in one line', () => {
  expect(row(Event, Event.example())).toBe(
    '0s Normal Networked pod/web-0 Address 10.244.1.7 assigned |   <unknown> 1 web-0.17a1',
  );
  const slice = EndpointSlice.example();
  slice.endpoints = ['1', '2', '3', '4', '5'].map(last => ({ addresses: [`10.0.0.${last}`] }));
  expect(row(EndpointSlice, slice)).toBe('web-abc12 IPv4 8080 10.0.0.1,10.0.0.2,10.0.0.3 + 2 more... <unknown> | ');
});
