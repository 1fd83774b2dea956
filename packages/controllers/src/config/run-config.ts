import {
  KubeControllersConfiguration,
  type KubeControllersConfigurationSpec,
  type KubeControllersConfigurationStatus,
  parseDuration,
} from '@calico/api';

type Environment = Readonly<Record<string, string | undefined>>;
type Spec = KubeControllersConfigurationSpec;
export type HostEndpointTemplate = NonNullable<
  NonNullable<NonNullable<Spec['controllers']['node']>['hostEndpoint']>['templates']
>[number];

/** A controller that copies objects, or follows services. */
export interface CopyConfig {
  readonly reconcilerMs: number;
  readonly workers: number;
}

/** What runs, and how. A controller that is absent does not run. */
export interface RunConfig {
  /** As LogSeverityScreen. */
  readonly logSeverity: string;
  readonly healthChecks: boolean;
  /** 0: never. */
  readonly compactionMs: number;
  /** 0: none. */
  readonly metricsPort: number;
  readonly policyNameMigrator: boolean;
  readonly node?: CopyConfig & {
    readonly syncLabels: boolean;
    readonly leakGracePeriodMs: number;
    readonly autoHostEndpoints: boolean;
    readonly defaultHostEndpoint: boolean;
    readonly hostEndpointTemplates: readonly HostEndpointTemplate[];
  };
  readonly policy?: CopyConfig;
  readonly namespace?: CopyConfig;
  readonly serviceAccount?: CopyConfig;
  readonly workloadEndpoint?: CopyConfig;
  readonly loadBalancer?: { readonly assignIPs: 'AllServices' | 'RequestedServicesOnly' };
}

type Section = 'node' | 'policy' | 'namespace' | 'serviceAccount' | 'workloadEndpoint' | 'loadBalancer';

/** What ENABLED_CONTROLLERS calls them. */
const SECTIONS: Readonly<Record<string, Section>> = {
  node: 'node',
  policy: 'policy',
  namespace: 'namespace',
  profile: 'namespace',
  serviceaccount: 'serviceAccount',
  workloadendpoint: 'workloadEndpoint',
  loadbalancer: 'loadBalancer',
};

const DEFAULTS = { reconcilerPeriod: '5m', leakGracePeriod: '15m', compaction: '10m', metricsPort: 9094 } as const;

/** The variables that overrule the configuration, and are shown in its status. */
const VARIABLES = [
  'LOG_LEVEL',
  'RECONCILER_PERIOD',
  'COMPACTION_PERIOD',
  'ENABLED_CONTROLLERS',
  'SYNC_NODE_LABELS',
  'AUTO_HOST_ENDPOINTS',
  'HEALTH_ENABLED',
] as const;

/** The configuration that is stored when there is none. */
export function defaultConfiguration(): KubeControllersConfiguration {
  const reconciled = { reconcilerPeriod: DEFAULTS.reconcilerPeriod };
  return {
    apiVersion: KubeControllersConfiguration.apiVersion,
    kind: 'KubeControllersConfiguration',
    metadata: { name: 'default' },
    spec: {
      logSeverityScreen: 'Info',
      healthChecks: 'Enabled',
      etcdV3CompactionPeriod: DEFAULTS.compaction,
      controllers: {
        node: {
          ...reconciled,
          syncLabels: 'Enabled',
          hostEndpoint: { autoCreate: 'Disabled', createDefaultHostEndpoint: 'Enabled' },
          leakGracePeriod: DEFAULTS.leakGracePeriod,
        },
        policy: reconciled,
        workloadEndpoint: reconciled,
        serviceAccount: reconciled,
        namespace: reconciled,
        loadBalancer: { assignIPs: 'AllServices' },
        migration: { policyNameMigrator: 'Enabled' },
      },
    },
  };
}

/**
 * What runs, by the environment where it says something, else by the stored configuration; and the status that tells so.
 * Pure. Throws where a variable is not one of the values allowed.
 */
export function runConfig(
  env: Environment,
  spec: Spec,
): { readonly config: RunConfig; readonly status: KubeControllersConfigurationStatus } {
  const running = runningSpec(env, spec);
  const environmentVars = Object.fromEntries(VARIABLES.flatMap(name => (env[name] ? [[name, env[name] ?? '']] : [])));
  const { node, policy, namespace, serviceAccount, workloadEndpoint, loadBalancer, migration } = running.controllers;
  const copying = (section: { reconcilerPeriod?: string } | undefined, variable: string): CopyConfig | undefined =>
    section && {
      reconcilerMs: ms(section.reconcilerPeriod, DEFAULTS.reconcilerPeriod),
      workers: workers(env, variable),
    };
  const copies = {
    policy: copying(policy, 'POLICY_WORKERS'),
    namespace: copying(namespace, 'PROFILE_WORKERS'),
    serviceAccount: copying(serviceAccount, 'PROFILE_WORKERS'),
    workloadEndpoint: copying(workloadEndpoint, 'WORKLOAD_ENDPOINT_WORKERS'),
  };
  const nodes = copying(node, 'NODE_WORKERS');
  const config: RunConfig = {
    logSeverity: running.logSeverityScreen ?? 'Info',
    healthChecks: running.healthChecks !== 'Disabled',
    compactionMs: ms(running.etcdV3CompactionPeriod, DEFAULTS.compaction),
    metricsPort: running.prometheusMetricsPort ?? DEFAULTS.metricsPort,
    policyNameMigrator: migration?.policyNameMigrator !== 'Disabled',
    ...Object.fromEntries(Object.entries(copies).filter(([, copy]) => copy !== undefined)),
    ...(node === undefined || nodes === undefined
      ? {}
      : {
          node: {
            ...nodes,
            syncLabels: node.syncLabels !== 'Disabled',
            leakGracePeriodMs: ms(node.leakGracePeriod, DEFAULTS.leakGracePeriod),
            autoHostEndpoints: node.hostEndpoint?.autoCreate === 'Enabled',
            defaultHostEndpoint: node.hostEndpoint?.createDefaultHostEndpoint !== 'Disabled',
            hostEndpointTemplates: node.hostEndpoint?.templates ?? [],
          },
        }),
    ...(loadBalancer === undefined ? {} : { loadBalancer: { assignIPs: loadBalancer.assignIPs ?? 'AllServices' } }),
  };
  return { config, status: { runningConfig: running, environmentVars } };
}

/** The stored configuration with what the environment says instead, and the defaults of what nobody says. */
function runningSpec(env: Environment, spec: Spec): Spec {
  const defaults = defaultConfiguration().spec;
  const sections = enabledSections(env, spec);
  const controllers: Record<string, unknown> = {};
  for (const section of sections) {
    controllers[section] = { ...defaults.controllers[section], ...spec.controllers[section] };
  }
  controllers.migration = { ...defaults.controllers.migration, ...spec.controllers.migration };
  const running = { ...defaults, ...spec, controllers } as Spec;
  const { node } = running.controllers;
  if (node !== undefined) {
    node.hostEndpoint = { ...defaults.controllers.node?.hostEndpoint, ...spec.controllers.node?.hostEndpoint };
    const syncLabels = onOff(env, 'SYNC_NODE_LABELS');
    if (syncLabels !== undefined) node.syncLabels = syncLabels;
    const autoCreate = onOff(env, 'AUTO_HOST_ENDPOINTS');
    if (autoCreate !== undefined) node.hostEndpoint.autoCreate = autoCreate;
  }
  if (env.LOG_LEVEL) running.logSeverityScreen = severity(env.LOG_LEVEL);
  const health = flag(env, 'HEALTH_ENABLED');
  if (health !== undefined) running.healthChecks = health ? 'Enabled' : 'Disabled';
  const compaction = period(env, 'COMPACTION_PERIOD');
  if (compaction !== undefined) running.etcdV3CompactionPeriod = compaction;
  const reconciler = period(env, 'RECONCILER_PERIOD');
  if (reconciler !== undefined) {
    for (const section of sections) {
      if (section !== 'loadBalancer')
        Object.assign(running.controllers[section] ?? {}, { reconcilerPeriod: reconciler });
    }
  }
  return running;
}

/** Those that the environment names; without it, those that have a section. Throws on unknown names. */
function enabledSections(env: Environment, spec: Spec): readonly Section[] {
  const all = [...new Set(Object.values(SECTIONS))];
  if (!env.ENABLED_CONTROLLERS) return all.filter(section => spec.controllers[section] !== undefined);
  const names = env.ENABLED_CONTROLLERS.split(',').map(name => name.trim());
  if (names.includes('flannelmigration')) {
    throw new Error(
      'Cannot start: ENABLED_CONTROLLERS has "flannelmigration", which this version does not have; move the nodes with ' +
        "Calico's own kube-controllers first",
    );
  }
  return names.map(name => {
    const section = Object.hasOwn(SECTIONS, name) ? SECTIONS[name] : undefined;
    if (section === undefined) {
      throw new Error(
        `Cannot start: ENABLED_CONTROLLERS has "${name}"; allowed: ${Object.keys(SECTIONS).join(', ')}, with commas between`,
      );
    }
    return section;
  });
}

function ms(text: string | undefined, fallback: string): number {
  return parseDuration(text ?? fallback) ?? parseDuration(fallback) ?? 0;
}

function refuse(name: string, value: string, allowed: string): Error {
  return new Error(`Cannot start: ${name} is "${value}"; allowed: ${allowed}`);
}

function period(env: Environment, name: string): string | undefined {
  const text = env[name];
  if (!text) return undefined;
  if (parseDuration(text) === undefined) throw refuse(name, text, 'a span of time such as "5m"; "0" is never');
  return text;
}

function onOff(env: Environment, name: string): 'Enabled' | 'Disabled' | undefined {
  const text = env[name];
  if (!text) return undefined;
  if (text.toLowerCase() === 'enabled') return 'Enabled';
  if (text.toLowerCase() === 'disabled') return 'Disabled';
  throw refuse(name, text, 'enabled, disabled');
}

function flag(env: Environment, name: string): boolean | undefined {
  const text = env[name];
  if (!text) return undefined;
  if (/^(1|t|true)$/i.test(text)) return true;
  if (/^(0|f|false)$/i.test(text)) return false;
  throw refuse(name, text, 'true, false');
}

function workers(env: Environment, name: string): number {
  const text = env[name];
  if (!text) return 1;
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > 100) throw refuse(name, text, 'a whole number from 1 to 100');
  return count;
}

const SEVERITIES = ['None', 'Debug', 'Info', 'Warning', 'Error', 'Fatal', 'Panic'] as const;

function severity(text: string): (typeof SEVERITIES)[number] {
  const lower = text.toLowerCase() === 'warn' ? 'warning' : text.toLowerCase();
  const found = SEVERITIES.find(name => name.toLowerCase() === lower);
  if (found === undefined) throw refuse('LOG_LEVEL', text, SEVERITIES.join(', ').toLowerCase());
  return found;
}
