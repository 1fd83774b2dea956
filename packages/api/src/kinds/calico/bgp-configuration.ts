import type { Static } from 'typebox';
import { ageColumn, heading, nameColumn } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import type { Kind } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import {
  anyCase,
  cel,
  flag,
  formatted,
  integer,
  lazy,
  list,
  matching,
  object,
  oneOf,
  set,
  text,
} from '../../schema/build.ts';
import { bgpConfigurationRules } from './bgp-configuration-rules.ts';
import { always, filled, never } from './cel.ts';
import { CALICO_API_VERSION, CALICO_GROUP, CALICO_VERSION } from './group.ts';
import { asNumber, duration, LOG_LEVELS, numberAsNumbers, routePriority, secretKeyRef } from './values.ts';

const ATOMIC = { 'x-kubernetes-map-type': 'atomic' };

const cidrs = (description: string) =>
  list(object({}, { cidr: formatted('net-any', { format: 'cidr' }) }, ATOMIC), { description });

const spec = lazy(() =>
  object(
    {},
    {
      logSeverityScreen: anyCase(LOG_LEVELS, { default: 'Info', description: 'What is logged.' }),
      nodeToNodeMeshEnabled: flag({ description: 'Whether every node peers with every other; true if not given.' }),
      asNumber: asNumber('The AS number of nodes that have none of their own; 64512 if not given.'),
      serviceLoadBalancerIPs: cidrs('Load balancer addresses of services that nodes advertise.'),
      serviceExternalIPs: cidrs('External addresses of services that nodes advertise.'),
      serviceClusterIPs: cidrs('Cluster addresses of services that nodes advertise.'),
      serviceLoadBalancerAggregation: oneOf(['Enabled', 'Disabled'], {
        default: 'Enabled',
        description: 'Whether load balancer addresses are advertised as whole ranges.',
      }),
      communities: list(
        object(
          {},
          {
            name: text({ maxLength: 253, description: 'The name that prefixAdvertisements uses.' }),
            value: matching('^(\\d+):(\\d+)$|^(\\d+):(\\d+):(\\d+)$', '"aa:nn" or "aa:nn:mm"', { maxLength: 40 }),
          },
          ATOMIC,
        ),
        { maxItems: 500, description: 'Names for BGP communities.' },
      ),
      prefixAdvertisements: list(
        object(
          {},
          { cidr: formatted('net-any', { format: 'cidr' }), communities: list(text(), { maxItems: 50 }) },
          ATOMIC,
        ),
        { maxItems: 500, description: 'Communities that the routes to a prefix carry.' },
      ),
      listenPort: integer({
        minimum: 1,
        maximum: 65535,
        description: 'The port that BGP listens on; 179 if not given.',
      }),
      nodeMeshPassword: secretKeyRef('The password of sessions of the mesh.'),
      nodeMeshMaxRestartTime: duration('How long routes stay while a peer of the mesh restarts.'),
      bindMode: oneOf(['None', 'NodeIP'], { description: 'Whether BGP listens on the address of the node only.' }),
      ignoredInterfaces: set(text(), { description: 'Interfaces that BGP takes no routes from, "*" in them allowed.' }),
      localWorkloadPeeringIPV4: text({ description: "The node's address in sessions with its own workloads." }),
      localWorkloadPeeringIPV6: text({ description: "The node's address in sessions with its own workloads." }),
      programClusterRoutes: oneOf(['Enabled', 'Disabled', 'EnabledIPIPOnly', 'EnabledNoEncapOnly'], {
        description: 'Which routes to pods of other nodes BIRD puts into the kernel; EnabledNoEncapOnly if not given.',
      }),
      ipv4NormalRoutePriority: routePriority('Metric of IPv4 routes; 1024 if not given.'),
      ipv6NormalRoutePriority: routePriority('Metric of IPv6 routes; 1024 if not given.'),
    },
    cel(
      ...['nodeMeshPassword', 'nodeMeshMaxRestartTime'].map(field =>
        never(
          `has(self.${field}) && has(self.nodeToNodeMeshEnabled) && !self.nodeToNodeMeshEnabled`,
          `${field} cannot be given when nodeToNodeMeshEnabled is false`,
        ),
      ),
      always(`!${filled('communities')} || ${filled('prefixAdvertisements')}`, 'communities need prefixAdvertisements'),
    ),
  ),
);

export type BGPConfigurationSpec = Static<ReturnType<typeof spec>>;
export type BGPConfiguration = Resource<BGPConfigurationSpec>;

const narrow = [
  heading<BGPConfiguration>('NAME', config => config.metadata.name),
  heading<BGPConfiguration>('LOGSEVERITY', config => config.spec.logSeverityScreen ?? ''),
  heading<BGPConfiguration>('MESHENABLED', config => String(config.spec.nodeToNodeMeshEnabled ?? '-')),
  heading<BGPConfiguration>('ASNUMBER', config => String(config.spec.asNumber ?? '-')),
];

/** How nodes speak BGP: `default` for all, `node.<name>` for one. */
export const BGPConfiguration: Kind<BGPConfiguration> = defineKind<BGPConfiguration>({
  group: CALICO_GROUP,
  version: CALICO_VERSION,
  kind: 'BGPConfiguration',
  plural: 'bgpconfigurations',
  shortNames: ['bgpconfig', 'bgpconfigs'],
  aliases: ['bgpconfig', 'bgpconfigs'],
  namespaced: false,
  description: 'How nodes speak BGP: "default" is for all, "node.<name>" for one.',
  spec,
  columns: [nameColumn(), ageColumn()],
  calicoctl: { narrow, wide: narrow },
  defaults: config => {
    numberAsNumbers(config.spec, ['asNumber']);
    return config;
  },
  rules: bgpConfigurationRules,
  example: () => ({
    apiVersion: CALICO_API_VERSION,
    kind: 'BGPConfiguration',
    metadata: { name: 'default' },
    spec: {
      logSeverityScreen: 'Info',
      nodeToNodeMeshEnabled: false,
      asNumber: 64512,
      serviceClusterIPs: [{ cidr: '10.96.0.0/16' }],
      communities: [{ name: 'no-peer', value: '65000:7' }],
      prefixAdvertisements: [{ cidr: '10.244.0.0/16', communities: ['no-peer', '65000:200'] }],
    },
  }),
});
