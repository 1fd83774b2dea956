import type { Static } from 'typebox';
import { column, heading, nameColumn } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import type { Kind } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { formatted, integer, intOrString, lazy, list, object, set, text } from '../../schema/build.ts';
import { workloadEndpointRules } from './endpoint-rules.ts';
import { CALICO_API_VERSION, CALICO_GROUP, CALICO_VERSION } from './group.ts';

const bits = (description: string) => integer({ format: 'int64', minimum: 0, description });

const qosControls = lazy(() =>
  object(
    {},
    {
      ingressBandwidth: bits('Bits per second to the endpoint.'),
      egressBandwidth: bits('Bits per second from the endpoint.'),
      ingressBurst: bits('Bits to the endpoint that may go at once.'),
      egressBurst: bits('Bits from the endpoint that may go at once.'),
      ingressPeakrate: bits('Bits per second to the endpoint while a burst lasts.'),
      egressPeakrate: bits('Bits per second from the endpoint while a burst lasts.'),
      ingressMinburst: bits('Bits to the endpoint that may go at peak rate at once.'),
      egressMinburst: bits('Bits from the endpoint that may go at peak rate at once.'),
      ingressPacketRate: bits('Packets per second to the endpoint.'),
      egressPacketRate: bits('Packets per second from the endpoint.'),
      ingressPacketBurst: bits('Packets to the endpoint that may go at once.'),
      egressPacketBurst: bits('Packets from the endpoint that may go at once.'),
      ingressMaxConnections: bits('Connections to the endpoint at a time.'),
      egressMaxConnections: bits('Connections from the endpoint at a time.'),
      dscp: intOrString({ description: 'The DSCP mark of packets that leave the cluster.' }),
    },
  ),
);

const spec = lazy(() =>
  object(
    {
      orchestrator: text({ minLength: 1, description: 'Who runs the workload: k8s, cni, openstack …' }),
      node: text({ minLength: 1, maxLength: 253, description: 'The node that the workload is on.' }),
      interfaceName: formatted('interface', { description: "The node's end of the workload's interface." }),
    },
    {
      workload: text({ description: 'The name of the workload, for orchestrators without pods.' }),
      containerID: text({ description: 'The container that owns the interface.' }),
      pod: text({ description: 'The pod.' }),
      endpoint: text({ description: 'The interface inside the workload.' }),
      serviceAccountName: text({ description: 'The service account that the pod runs as.' }),
      ipNetworks: list(formatted('net'), { description: 'Addresses of the workload, each with its full length.' }),
      ipNATs: list(object({ internalIP: formatted('ip'), externalIP: formatted('ip') }), {
        description: 'Floating addresses and the address of the workload that each leads to.',
      }),
      ipv4Gateway: formatted('ipv4'),
      ipv6Gateway: formatted('ipv6'),
      profiles: list(text(), { description: 'Profiles, looked at in order after all policies.' }),
      mac: text({ description: "The workload's hardware address." }),
      ports: list(
        object(
          {
            protocol: intOrString({ 'x-calico-format': 'protocol' }),
            port: integer({ minimum: 1, maximum: 65535 }),
          },
          { name: text(), hostPort: integer({ minimum: 0, maximum: 65535 }), hostIP: text() },
        ),
        { description: 'Ports with a name or a host port.' },
      ),
      allowSpoofedSourcePrefixes: set(formatted('cidr'), {
        description: 'Source addresses that the workload may use besides its own.',
      }),
      qosControls: qosControls(),
    },
  ),
);

export type WorkloadEndpointSpec = Static<ReturnType<typeof spec>>;
export type QosControls = Static<ReturnType<typeof qosControls>>;
export type WorkloadEndpoint = Resource<WorkloadEndpointSpec>;

const workload = heading<WorkloadEndpoint>('WORKLOAD', e => e.spec.pod ?? e.spec.workload ?? '');
const node = heading<WorkloadEndpoint>('NODE', e => e.spec.node);
const networks = heading<WorkloadEndpoint>('NETWORKS', e => (e.spec.ipNetworks ?? []).join(','));
const interfaceName = heading<WorkloadEndpoint>('INTERFACE', e => e.spec.interfaceName);

/** One interface of a workload. Derived from pods; the embedded API server does not store it. */
export const WorkloadEndpoint: Kind<WorkloadEndpoint> = defineKind<WorkloadEndpoint>({
  group: CALICO_GROUP,
  version: CALICO_VERSION,
  kind: 'WorkloadEndpoint',
  plural: 'workloadendpoints',
  aliases: ['wep', 'weps'],
  namespaced: true,
  served: false,
  description: 'One interface of a workload, with its addresses, profiles and ports.',
  spec,
  columns: [
    nameColumn(),
    column('Node', 'string', e => e.spec.node),
    column('Interface', 'string', e => e.spec.interfaceName),
  ],
  calicoctl: {
    narrow: [workload, node, networks, interfaceName],
    wide: [
      heading('NAME', e => e.metadata.name),
      workload,
      node,
      networks,
      interfaceName,
      heading('PROFILES', e => (e.spec.profiles ?? []).join(',')),
      heading('NATS', e => (e.spec.ipNATs ?? []).map(nat => nat.externalIP).join(',')),
    ],
  },
  rules: workloadEndpointRules,
  example: () => ({
    apiVersion: CALICO_API_VERSION,
    kind: 'WorkloadEndpoint',
    metadata: { name: 'node--1-k8s-web--0-eth0', namespace: 'shop', labels: { app: 'web' } },
    spec: {
      orchestrator: 'k8s',
      node: 'node-1',
      pod: 'web-0',
      endpoint: 'eth0',
      interfaceName: 'cali0123456789a',
      ipNetworks: ['10.244.1.7/32'],
      profiles: ['kns.shop', 'ksa.shop.default'],
      ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
    },
  }),
});
