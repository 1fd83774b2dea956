import { describe, expect, test } from 'bun:test';
import { KubeControllersConfiguration } from '@calico/api';
import { defaultConfiguration, type RunConfig, runConfig } from './run-config.ts';

const spec = defaultConfiguration().spec;
const copying = { reconcilerMs: 300_000, workers: 1 };
const defaults: RunConfig = {
  logSeverity: 'Info',
  healthChecks: true,
  compactionMs: 600_000,
  metricsPort: 9094,
  policyNameMigrator: true,
  node: {
    ...copying,
    syncLabels: true,
    leakGracePeriodMs: 900_000,
    autoHostEndpoints: false,
    defaultHostEndpoint: true,
    hostEndpointTemplates: [],
  },
  policy: copying,
  namespace: copying,
  serviceAccount: copying,
  workloadEndpoint: copying,
  loadBalancer: { assignIPs: 'AllServices' },
};

test('the configuration that is stored at first is valid and means the defaults', () => {
  expect(KubeControllersConfiguration.validate(KubeControllersConfiguration.default(defaultConfiguration()))).toEqual(
    [],
  );
  const { config, status } = runConfig({}, spec);
  expect(config).toEqual(defaults);
  expect(status).toEqual({ runningConfig: spec, environmentVars: {} });
});

const only = (...names: (keyof RunConfig)[]) =>
  (['node', 'policy', 'namespace', 'serviceAccount', 'workloadEndpoint', 'loadBalancer'] as const).filter(name =>
    names.includes(name),
  );
const running = (config: RunConfig) =>
  (['node', 'policy', 'namespace', 'serviceAccount', 'workloadEndpoint', 'loadBalancer'] as const).filter(
    name => config[name] !== undefined,
  );

test.each([
  ['without it, those with a section run', {}, { node: {}, policy: {} }, only('node', 'policy')],
  ['it names those that run', { ENABLED_CONTROLLERS: 'node,loadbalancer' }, {}, only('node', 'loadBalancer')],
  ['blanks between names do not matter', { ENABLED_CONTROLLERS: ' node , policy' }, {}, only('node', 'policy')],
  ['profile is the old name of namespace', { ENABLED_CONTROLLERS: 'profile' }, {}, only('namespace')],
  ['an empty one says nothing', { ENABLED_CONTROLLERS: '' }, { node: {} }, only('node')],
])('ENABLED_CONTROLLERS: %s', (_name, env, controllers, want) => {
  expect(running(runConfig(env, { ...spec, controllers }).config)).toEqual(want);
});

test('the environment beats the configuration, and the status says so', () => {
  const env = {
    LOG_LEVEL: 'debug',
    RECONCILER_PERIOD: '1m',
    COMPACTION_PERIOD: '0',
    HEALTH_ENABLED: 'false',
    SYNC_NODE_LABELS: 'disabled',
    AUTO_HOST_ENDPOINTS: 'enabled',
    POLICY_WORKERS: '4',
  };
  const { config, status } = runConfig(env, spec);
  expect(config).toMatchObject({
    logSeverity: 'Debug',
    healthChecks: false,
    compactionMs: 0,
    node: { reconcilerMs: 60_000, syncLabels: false, autoHostEndpoints: true, leakGracePeriodMs: 900_000 },
    policy: { reconcilerMs: 60_000, workers: 4 },
    namespace: { reconcilerMs: 60_000, workers: 1 },
  });
  const { POLICY_WORKERS: _workers, ...shown } = env;
  expect(status.environmentVars).toEqual(shown);
  expect(status.runningConfig).toMatchObject({
    logSeverityScreen: 'Debug',
    etcdV3CompactionPeriod: '0',
    controllers: { node: { syncLabels: 'Disabled', hostEndpoint: { autoCreate: 'Enabled' } } },
  });
  expect(spec.controllers.node?.syncLabels).toBe('Enabled');
});

describe('refused by name', () => {
  test.each([
    [{ ENABLED_CONTROLLERS: 'node,pods' }, 'ENABLED_CONTROLLERS has "pods"'],
    [{ ENABLED_CONTROLLERS: 'flannelmigration' }, 'flannelmigration'],
    [{ RECONCILER_PERIOD: '5' }, 'RECONCILER_PERIOD is "5"'],
    [{ COMPACTION_PERIOD: 'never' }, 'COMPACTION_PERIOD is "never"'],
    [{ HEALTH_ENABLED: 'maybe' }, 'HEALTH_ENABLED is "maybe"; allowed: true, false'],
    [{ SYNC_NODE_LABELS: 'true' }, 'SYNC_NODE_LABELS is "true"; allowed: enabled, disabled'],
    [{ AUTO_HOST_ENDPOINTS: 'on' }, 'AUTO_HOST_ENDPOINTS is "on"'],
    [{ NODE_WORKERS: '0' }, 'NODE_WORKERS is "0"'],
    [{ LOG_LEVEL: 'loud' }, 'LOG_LEVEL is "loud"'],
  ])('%p', (env, text) => {
    expect(() => runConfig(env, spec)).toThrow(text);
  });
});
