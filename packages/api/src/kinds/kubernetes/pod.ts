import { ageColumn, column, nameColumn, wide } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import type { Kind } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { defaultPodSpec, podSpecRules, podUpdateRules } from './pod-rules.ts';
import { type PodSpec, podSpec } from './pod-spec.ts';
import { type PodStatus, podStatus } from './pod-status.ts';
import { podReady, podRestarts, podSummary } from './pod-summary.ts';

export type Pod = Resource<PodSpec, PodStatus>;

/** Containers that share one network namespace. */
export const Pod: Kind<Pod> = defineKind<Pod>({
  group: '',
  version: 'v1',
  kind: 'Pod',
  plural: 'pods',
  shortNames: ['po'],
  categories: ['all'],
  namespaced: true,
  description: 'Containers that run together on one node and share its network namespace.',
  spec: podSpec,
  status: podStatus,
  columns: [
    nameColumn(),
    column('Ready', 'string', podReady, 'Containers that are ready, of all'),
    column('Status', 'string', podSummary, 'The state of the pod in a word'),
    column('Restarts', 'string', podRestarts, 'How often its containers started anew'),
    ageColumn(),
    wide(
      column('IP', 'string', pod => pod.status?.podIPs?.[0]?.ip ?? pod.status?.podIP ?? '<none>', 'Address of the pod'),
    ),
    wide(column('Node', 'string', pod => pod.spec.nodeName || '<none>', 'The node that the pod is on')),
    wide(column('Nominated Node', 'string', pod => pod.status?.nominatedNodeName || '<none>')),
    wide(
      column('Readiness Gates', 'string', pod => {
        const gates = pod.spec.readinessGates ?? [];
        const met = gates.filter(gate =>
          pod.status?.conditions?.some(c => c.type === gate.conditionType && c.status === 'True'),
        );
        return gates.length === 0 ? '<none>' : `${met.length}/${gates.length}`;
      }),
    ),
  ],
  fieldLabels: {
    'spec.nodeName': { value: pod => pod.spec.nodeName ?? '' },
    'spec.restartPolicy': { value: pod => pod.spec.restartPolicy ?? '' },
    'spec.schedulerName': { value: pod => pod.spec.schedulerName ?? '' },
    'spec.serviceAccountName': { value: pod => pod.spec.serviceAccountName ?? '' },
    'spec.hostNetwork': { value: pod => String(pod.spec.hostNetwork ?? false) },
    'status.phase': { value: pod => pod.status?.phase ?? '' },
    'status.podIP': { value: pod => pod.status?.podIP ?? '' },
    'status.nominatedNodeName': { value: pod => pod.status?.nominatedNodeName ?? '' },
  },
  defaults: pod => {
    defaultPodSpec(pod.spec);
    if (typeof pod.spec === 'object' && pod.spec !== null && pod.status === undefined)
      pod.status = { phase: 'Pending' };
    return pod;
  },
  rules: (pod, errors, old) => {
    podSpecRules(pod.spec, 'spec', errors);
    if (old !== undefined) podUpdateRules(pod, old, errors);
  },
  example: () => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web-0', namespace: 'shop', labels: { app: 'web' } },
    spec: {
      containers: [{ name: 'server', image: 'web:1', ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }] }],
      nodeName: 'node-1',
    },
    status: { phase: 'Running', podIP: '10.244.1.7', podIPs: [{ ip: '10.244.1.7' }] },
  }),
});
