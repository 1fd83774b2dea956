import type { Static } from 'typebox';
import { ageColumn, column, nameColumn, wide } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import type { Kind } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import {
  flag,
  formatted,
  int32OrString,
  integer,
  lazy,
  list,
  listMap,
  mergedBy,
  object,
  oneOf,
  open,
  text,
  textMap,
} from '../../schema/build.ts';
import { conditions } from '../condition.ts';
import { defaultService, serviceExternalIps, servicePorts, serviceRules, serviceSelector } from './service-rules.ts';

const spec = lazy(() =>
  object(
    {},
    {
      type: oneOf(['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'], { default: 'ClusterIP' }),
      ports: listMap(
        object(
          { port: integer({ format: 'int32', minimum: 1, maximum: 65535, description: 'The port of the service.' }) },
          {
            name: text({ description: 'Required when there are several ports.' }),
            protocol: oneOf(['TCP', 'UDP', 'SCTP'], { default: 'TCP' }),
            appProtocol: text(),
            targetPort: int32OrString({
              description: 'The port of the pods: a number, or the name of a port of theirs.',
            }),
            nodePort: integer({ format: 'int32', minimum: 0, maximum: 65535 }),
          },
        ),
        ['port', 'protocol'],
        mergedBy('port'),
      ),
      selector: textMap({
        description: 'Labels of the pods that the service leads to.',
        'x-kubernetes-map-type': 'atomic',
      }),
      clusterIP: text({ description: 'Its address, "None" for a headless service.' }),
      clusterIPs: list(text()),
      externalIPs: list(formatted('ip')),
      sessionAffinity: oneOf(['None', 'ClientIP'], { default: 'None' }),
      sessionAffinityConfig: open(),
      loadBalancerIP: text(),
      loadBalancerSourceRanges: list(text()),
      loadBalancerClass: text(),
      externalName: text(),
      externalTrafficPolicy: oneOf(['Cluster', 'Local']),
      internalTrafficPolicy: oneOf(['Cluster', 'Local']),
      healthCheckNodePort: integer({ format: 'int32' }),
      publishNotReadyAddresses: flag(),
      ipFamilies: list(oneOf(['IPv4', 'IPv6'])),
      ipFamilyPolicy: oneOf(['SingleStack', 'PreferDualStack', 'RequireDualStack']),
      allocateLoadBalancerNodePorts: flag(),
      trafficDistribution: text(),
    },
  ),
);
const status = lazy(() =>
  object(
    {},
    {
      loadBalancer: open({ ingress: list(open({ ip: text(), hostname: text(), ipMode: text() })) }),
      conditions: conditions(),
    },
  ),
);

export type ServiceSpec = Static<ReturnType<typeof spec>>;
export type ServiceStatus = Static<ReturnType<typeof status>>;
export type Service = Resource<ServiceSpec, ServiceStatus>;

/** One stable address for the pods that a selector picks. */
export const Service: Kind<Service> = defineKind<Service>({
  group: '',
  version: 'v1',
  kind: 'Service',
  plural: 'services',
  shortNames: ['svc'],
  categories: ['all'],
  namespaced: true,
  description: 'One stable address for the pods that a selector picks.',
  nameRule: 'service',
  spec,
  status,
  columns: [
    nameColumn(),
    column('Type', 'string', service => service.spec.type ?? 'ClusterIP'),
    column('Cluster-IP', 'string', service => service.spec.clusterIP || '<none>'),
    column('External-IP', 'string', serviceExternalIps),
    column('Port(s)', 'string', servicePorts),
    ageColumn(),
    wide(column('Selector', 'string', serviceSelector)),
  ],
  fieldLabels: {
    'spec.clusterIP': { value: service => service.spec.clusterIP ?? '' },
    'spec.type': { value: service => service.spec.type ?? '' },
  },
  defaults: defaultService,
  rules: serviceRules,
  example: () => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'shop' },
    spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 'http', protocol: 'TCP' }] },
  }),
});
