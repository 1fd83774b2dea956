import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ClusterInformation, KubeControllersConfiguration, Lease } from '@calico/api';
import { until } from '../faults/until.ts';
import { freePort } from '../kubernetes/free-port.ts';
import { type Cluster, embeddedCluster } from './cluster.ts';
import { type ControllersProcess, checkStatus, startProcess } from './controllers-process.ts';

setDefaultTimeout(60_000);
let cluster: Cluster;
const running: ControllersProcess[] = [];
beforeAll(async () => {
  cluster = await embeddedCluster();
});
afterAll(() => cluster.stop());
afterEach(async () => {
  for (const process of running.splice(0)) await process.end('SIGTERM');
});

async function run(env: Record<string, string> = {}): Promise<ControllersProcess> {
  const process = await startProcess(cluster, env);
  running.push(process);
  return process;
}

const configuration = () => cluster.calico.get(KubeControllersConfiguration, { name: 'default' });
const configure = (spec: object) =>
  cluster.calico.patch(KubeControllersConfiguration, { name: 'default' }, { spec }, { type: 'merge' });

test('it makes its configuration, says what runs, and ends cleanly, giving its Lease back', async () => {
  const process = await run({ ENABLED_CONTROLLERS: 'node', LOG_LEVEL: 'debug' });
  await until(() => process.ready() && process.output().includes('leading'));
  const { spec, status } = await configuration();
  expect(spec.controllers.node).toMatchObject({ leakGracePeriod: '15m', syncLabels: 'Enabled' });
  expect(status?.environmentVars).toEqual({ ENABLED_CONTROLLERS: 'node', LOG_LEVEL: 'debug' });
  expect(status?.runningConfig?.logSeverityScreen).toBe('Debug');
  expect(Object.keys(status?.runningConfig?.controllers ?? {}).sort()).toEqual(['migration', 'node']);
  expect(await process.end('SIGTERM')).toBe(0);
  const lease = await cluster.kubernetes.get(Lease, { namespace: 'kube-system', name: 'calico-kube-controllers' });
  expect(lease.spec?.holderIdentity).toBe('');
});

test('another configuration makes it end with 129; what the environment overrules does not', async () => {
  const process = await run({ LOG_LEVEL: 'info' });
  await until(() => process.ready());
  await configure({ logSeverityScreen: 'Debug' });
  await configure({ controllers: { node: { leakGracePeriod: '5m' } } });
  expect(await process.exited).toBe(129);
  expect(process.output()).toContain('the configuration has changed');
  const again = await run({ LOG_LEVEL: 'info' });
  await until(() => again.ready());
  await configure({ logSeverityScreen: 'Warning' });
  await until(async () => (await configuration()).spec.logSeverityScreen === 'Warning');
  expect(await Promise.race([again.exited, Bun.sleep(1000).then(() => 'runs')])).toBe('runs');
});

test('its readiness is in the status file, on the health port and for check-status, with the cause', async () => {
  const port = await freePort();
  await configure({ prometheusMetricsPort: port });
  const process = await run();
  await until(() => process.ready());
  expect(JSON.parse(readFileSync(process.statusFile, 'utf8')).Readiness.CalicoDatastore).toEqual({
    Ready: true,
    Reason: '',
  });
  const ask = async (path: string) => (await fetch(`http://127.0.0.1:${process.healthPort}${path}`)).status;
  expect([await ask('/readiness'), await ask('/liveness')]).toEqual([200, 200]);
  expect(await checkStatus(cluster, '-r', '-f', process.statusFile)).toEqual({ code: 0, error: '' });
  const metrics = async () => await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  await until(async () => (await metrics()).includes('ipam_ippool_size{ippool="pool"}'));
  const lock = (datastoreReady: boolean) =>
    cluster.calico.patch(ClusterInformation, { name: 'default' }, { spec: { datastoreReady } }, { type: 'merge' });
  await lock(false);
  await until(() => !process.ready());
  expect(await ask('/readiness')).toBe(503);
  const checked = await checkStatus(cluster, '-l', '-f', process.statusFile);
  expect(checked.code).toBe(1);
  expect(checked.error).toContain('CalicoDatastore: ClusterInformation "default" says that the datastore is not ready');
  await lock(true);
  await until(() => process.ready());
});

test.each([
  [{ ENABLED_CONTROLLERS: 'flannelmigration' }, 'flannelmigration'],
  [{ ENABLED_CONTROLLERS: 'pods' }, 'ENABLED_CONTROLLERS has "pods"'],
  [{ RECONCILER_PERIOD: 'soon' }, 'RECONCILER_PERIOD is "soon"'],
])('a setting that is none ends it: %p', async (env, text) => {
  const process = await startProcess(cluster, env);
  expect(await process.exited).toBe(1);
  expect(process.errors()).toContain(text);
});

test('it works where the status file cannot be written, and says so', async () => {
  const process = await startProcess(cluster, { LOG_LEVEL: 'info' }, join(cluster.folder, 'missing', 'status.json'));
  running.push(process);
  await until(() => process.output().includes('leading'));
  expect(process.output()).toContain(`missing/status.json": ENOENT`);
  expect(existsSync(process.statusFile)).toBe(false);
  const checked = await checkStatus(cluster, '-r', '-f', process.statusFile);
  expect(checked.code).toBe(1);
  expect(checked.error).toContain('Cannot read the status file');
});
