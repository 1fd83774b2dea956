import type { Static } from 'typebox';
import { ageColumn, column, nameColumn, wide } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import type { Kind } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import {
  DUPLICATES,
  flag,
  formatted,
  integer,
  intOrString,
  lazy,
  list,
  listMap,
  mapOf,
  mergedBy,
  object,
  oneOf,
  open,
  text,
  time,
} from '../../schema/build.ts';
import { nodeAddress, nodeRoles, nodeStatusWords } from './node-summary.ts';

const spec = lazy(() =>
  object(
    {},
    {
      podCIDR: formatted('cidr', {
        description: 'The range of addresses of its pods, where Kubernetes hands them out.',
      }),
      podCIDRs: list(formatted('cidr'), { 'x-kubernetes-list-type': 'set', 'x-kubernetes-patch-strategy': 'merge' }),
      providerID: text(),
      externalID: text(),
      unschedulable: flag({ description: 'Whether new pods stay away.' }),
      taints: list(
        object(
          { key: text(), effect: oneOf(['NoSchedule', 'PreferNoSchedule', 'NoExecute']) },
          { value: text(), timeAdded: time() },
        ),
        { description: 'What pods must tolerate to run here.' },
      ),
      configSource: open(),
    },
  ),
);

const status = lazy(() =>
  object(
    {},
    {
      addresses: listMap(object({ type: text(), address: text() }), ['type', 'address'], {
        ...mergedBy('type'),
        ...DUPLICATES,
      }),
      conditions: listMap(
        object(
          { type: text(), status: oneOf(['True', 'False', 'Unknown']) },
          { reason: text(), message: text(), lastHeartbeatTime: time(), lastTransitionTime: time() },
        ),
        ['type'],
        mergedBy('type'),
      ),
      phase: text(),
      capacity: mapOf(intOrString()),
      allocatable: mapOf(intOrString()),
      nodeInfo: open({
        kubeletVersion: text(),
        kubeProxyVersion: text(),
        osImage: text(),
        kernelVersion: text(),
        containerRuntimeVersion: text(),
        operatingSystem: text(),
        architecture: text(),
        machineID: text(),
        systemUUID: text(),
        bootID: text(),
      }),
      daemonEndpoints: open({ kubeletEndpoint: open({ Port: integer() }) }),
      images: list(open()),
      volumesInUse: list(text()),
      volumesAttached: list(open()),
      config: open(),
      runtimeHandlers: list(open()),
      features: open(),
      declaredFeatures: list(text()),
    },
  ),
);

export type NodeSpec = Static<ReturnType<typeof spec>>;
export type NodeStatus = Static<ReturnType<typeof status>>;
export type Node = Resource<NodeSpec, NodeStatus>;

/** A machine that pods run on. */
export const Node: Kind<Node> = defineKind<Node>({
  group: '',
  version: 'v1',
  kind: 'Node',
  plural: 'nodes',
  shortNames: ['no'],
  namespaced: false,
  description: 'A machine that pods run on. Calico keeps what it knows of it in annotations.',
  spec,
  specRequired: false,
  status,
  columns: [
    nameColumn(),
    column('Status', 'string', nodeStatusWords, 'Ready, NotReady or Unknown'),
    column('Roles', 'string', nodeRoles, 'From the labels node-role.kubernetes.io/…'),
    ageColumn(),
    column('Version', 'string', node => node.status?.nodeInfo?.kubeletVersion ?? '', 'Version of its kubelet'),
    wide(column('Internal-IP', 'string', node => nodeAddress(node, 'InternalIP'))),
    wide(column('External-IP', 'string', node => nodeAddress(node, 'ExternalIP'))),
    wide(column('OS-Image', 'string', node => node.status?.nodeInfo?.osImage || '<unknown>')),
    wide(column('Kernel-Version', 'string', node => node.status?.nodeInfo?.kernelVersion || '<unknown>')),
    wide(column('Container-Runtime', 'string', node => node.status?.nodeInfo?.containerRuntimeVersion || '<unknown>')),
  ],
  fieldLabels: { 'spec.unschedulable': { value: node => String(node.spec?.unschedulable ?? false) } },
  defaults: node => {
    if (node.spec === undefined) node.spec = {};
    return node;
  },
  example: () => ({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'node-1', labels: { 'kubernetes.io/hostname': 'node-1' } },
    spec: {},
    status: {
      addresses: [{ type: 'InternalIP', address: '172.30.0.11' }],
      conditions: [{ type: 'Ready', status: 'True', reason: 'KubeletReady' }],
      nodeInfo: { kubeletVersion: 'v1.34.0' },
    },
  }),
});
