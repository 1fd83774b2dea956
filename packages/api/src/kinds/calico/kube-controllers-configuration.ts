import type { Static } from 'typebox';
import { ageColumn, heading, nameColumn } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import type { Kind } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { formatted, integer, lazy, list, object, oneOf, set, text, textMap } from '../../schema/build.ts';
import { CALICO_API_VERSION, CALICO_GROUP, CALICO_VERSION } from './group.ts';
import { kubeControllersRules } from './kube-controllers-rules.ts';
import { duration } from './values.ts';

const onOff = (description: string, keywords = {}) => oneOf(['Enabled', 'Disabled'], { ...keywords, description });
const reconciled = (description: string) =>
  object({}, { reconcilerPeriod: duration('How often it looks at everything; 5m if not given.') }, { description });

const template = lazy(() =>
  object(
    {},
    {
      generateName: text({ maxLength: 253, description: 'Part of the names of endpoints made from this template.' }),
      interfaceCIDRs: set(formatted('cidr'), { description: 'Interfaces with addresses in one of these.' }),
      interfacePattern: text({ description: 'Interfaces whose names match this regular expression.' }),
      nodeSelector: formatted('selector', { description: 'Nodes that the template is for.' }),
      labels: textMap({ description: 'Labels of the endpoints, besides those of the node.' }),
      annotations: textMap({ description: 'Annotations of the endpoints.' }),
    },
  ),
);

const controllers = lazy(() =>
  object(
    {},
    {
      node: object(
        {},
        {
          reconcilerPeriod: duration('How often it looks at everything; 5m if not given.'),
          syncLabels: onOff("Whether labels of Kubernetes' nodes are copied to Calico's; Enabled if not given."),
          hostEndpoint: object(
            {},
            {
              autoCreate: onOff('Whether every node gets host endpoints; Disabled if not given.'),
              createDefaultHostEndpoint: text({
                description: 'Enabled or Disabled: one for all interfaces of a node.',
              }),
              templates: list(template(), { description: 'Further host endpoints of nodes.' }),
            },
            { description: 'Host endpoints that are made for nodes.' },
          ),
          leakGracePeriod: duration(
            'How long an address may be without owner before it is released; 15m if not given.',
          ),
        },
        { description: 'Cleans up after nodes and addresses that are gone.' },
      ),
      policy: reconciled('Copies NetworkPolicies of Kubernetes to etcd.'),
      workloadEndpoint: reconciled('Copies labels of pods to etcd.'),
      serviceAccount: reconciled('Copies service accounts to etcd.'),
      namespace: reconciled('Copies namespaces to etcd.'),
      loadBalancer: object(
        {},
        {
          assignIPs: oneOf(['AllServices', 'RequestedServicesOnly'], {
            default: 'AllServices',
            description: 'Which services of type LoadBalancer get addresses.',
          }),
        },
        { description: 'Gives addresses to services of type LoadBalancer.' },
      ),
      migration: object(
        {},
        {
          policyNameMigrator: oneOf(['Disabled', 'Enabled'], {
            default: 'Enabled',
            description: 'Whether old names of policies are rewritten.',
          }),
        },
        { description: 'Brings stored objects up to date.' },
      ),
    },
    { description: 'Which controllers run and how; one that is left out does not run.' },
  ),
);

const settings = lazy(() =>
  object(
    { controllers: controllers() },
    {
      logSeverityScreen: oneOf(['None', 'Debug', 'Info', 'Warning', 'Error', 'Fatal', 'Panic'], {
        description: 'What is logged; Info if not given.',
      }),
      healthChecks: onOff('Whether health is reported.', { default: 'Enabled' }),
      etcdV3CompactionPeriod: duration('How often etcd is compacted; 10m if not given, 0 is never.'),
      prometheusMetricsPort: integer({
        minimum: 0,
        maximum: 65535,
        description: 'The port of metrics; 9094 if not given, 0 is off.',
      }),
      debugProfilePort: integer({
        format: 'int32',
        minimum: 0,
        maximum: 65535,
        description: 'The port of the profiler; off if not given.',
      }),
    },
  ),
);

const status = lazy(() =>
  object(
    {},
    {
      runningConfig: settings(),
      environmentVars: textMap({ description: 'Environment variables that overrule the configuration.' }),
    },
  ),
);

export type KubeControllersConfigurationSpec = Static<ReturnType<typeof settings>>;
export type KubeControllersConfigurationStatus = Static<ReturnType<typeof status>>;
export type KubeControllersConfiguration = Resource<
  KubeControllersConfigurationSpec,
  KubeControllersConfigurationStatus
>;

const narrow = [heading<KubeControllersConfiguration>('NAME', config => config.metadata.name)];

/** Which controllers of the whole cluster run, and how; the only object is `default`. */
export const KubeControllersConfiguration: Kind<KubeControllersConfiguration> =
  defineKind<KubeControllersConfiguration>({
    group: CALICO_GROUP,
    version: CALICO_VERSION,
    kind: 'KubeControllersConfiguration',
    plural: 'kubecontrollersconfigurations',
    shortNames: ['kcc', 'kccs'],
    aliases: ['kubecontrollersconfig', 'kubecontrollersconfigs'],
    namespaced: false,
    description: 'Which controllers of the whole cluster run, and how. The only object is "default".',
    spec: settings,
    status,
    columns: [nameColumn(), ageColumn()],
    calicoctl: { narrow, wide: narrow },
    rules: kubeControllersRules,
    example: () => ({
      apiVersion: CALICO_API_VERSION,
      kind: 'KubeControllersConfiguration',
      metadata: { name: 'default' },
      spec: {
        logSeverityScreen: 'Info',
        healthChecks: 'Enabled',
        prometheusMetricsPort: 9094,
        controllers: {
          node: {
            reconcilerPeriod: '5m',
            syncLabels: 'Enabled',
            hostEndpoint: {
              autoCreate: 'Enabled',
              templates: [
                { generateName: 'storage', interfaceCIDRs: ['192.0.2.0/24'], labels: { network: 'storage' } },
              ],
            },
          },
          loadBalancer: { assignIPs: 'AllServices' },
        },
      },
    }),
  });
