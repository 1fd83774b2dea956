import { afterAll, beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCertificates } from '@calico/apiserver';
import { createLogger, HealthAggregator, type ListenOptions } from '@calico/process';
import { ClockFake } from '@calico/reconcile';
import { type MetricsConfig, MetricsPage } from './metrics-page.ts';
import { readMetricsTls } from './metrics-tls.ts';

const folder = mkdtempSync(join(tmpdir(), 'metrics-page-'));
afterAll(() => rmSync(folder, { recursive: true }));
const [certFile, keyFile, caFile] = [join(folder, 'cert'), join(folder, 'key'), join(folder, 'ca')];
const certificates = () => createCertificates({ hosts: ['127.0.0.1'], now: Date.now() });
const [first, second] = [certificates(), certificates()];

function place({ cert, key, ca }: typeof first): void {
  for (const [path, text] of [[certFile, cert] as const, [keyFile, key] as const, [caFile, ca] as const]) {
    writeFileSync(path, text);
  }
}
beforeEach(() => place(first));

const clear: MetricsConfig = {
  ...{ metricsEnabled: true, metricsHost: 'localhost', metricsPort: 1 },
  ...{ metricsCertFile: '', metricsKeyFile: '', metricsCaFile: '', metricsClientAuth: 'NoClientCert' },
};
const byTls: MetricsConfig = { ...clear, metricsCertFile: certFile, metricsKeyFile: keyFile };

/** A page that is started; `served` is what it is served with, `-` where it is not. */
async function page(config: MetricsConfig) {
  const clock = new ClockFake();
  const health = new HealthAggregator(clock);
  const lines: string[] = [];
  let now: ListenOptions | undefined;
  const taken = new Set<number>();
  const it = new MetricsPage(config, {
    ...{ health, clock, registry: { contentType: '', metrics: async () => '' } },
    log: createLogger({ component: 'test', write: line => void lines.push(line) }),
    open: options => ({
      name: 'test',
      port: options.port,
      start() {
        if (taken.has(options.port)) throw new Error(`port ${options.port} is taken`);
        now = options;
      },
      stop() {
        now = undefined;
      },
    }),
  });
  await it.start();
  const served = () =>
    now === undefined ? '-' : `${now.port} ${now.tls === undefined ? 'clear' : nameOf(now.tls.cert)}`;
  const pass = async () => {
    await clock.advance(2_000);
    await it.settled;
  };
  const follow = async (to: MetricsConfig) => {
    it.follow(to);
    await it.settled;
  };
  return { it, health, lines, served, pass, follow, taken };
}

const nameOf = (cert: string) => (cert === first.cert ? 'first' : cert === second.cert ? 'second' : 'other');

test('without files metrics are served in clear text, and health does not speak of it', async () => {
  const { served, health } = await page(clear);
  expect([served(), health.readiness().text]).toEqual(['1 clear', '']);
});

test('files that are renewed are taken up; what is not good leaves what was, and is said once', async () => {
  const { served, pass, health, lines } = await page(byTls);
  expect(served()).toBe('1 first');
  place({ ...second, key: first.key });
  for (let i = 0; i < 3; i++) await pass();
  expect([served(), health.readiness().ok]).toEqual(['1 first', true]);
  const problem = `PrometheusMetricsKeyFile: the key in ${keyFile} is not that of the certificate in ${certFile}`;
  expect(lines.filter(line => line.includes(problem))).toHaveLength(1);
  expect(health.readiness().text).toContain('what was read before is in use');
  place(second);
  await pass();
  expect([served(), health.readiness().text.includes('PrometheusMetrics')]).toEqual(['1 second', false]);
  expect(lines.join('')).not.toContain('PRIVATE KEY');
});

test('where the files are missing nothing is served, not even in clear text, until they are there', async () => {
  rmSync(keyFile);
  const { served, pass, follow, health, lines } = await page(byTls);
  expect(served()).toBe('-');
  expect(health.readiness().causes).toEqual([
    expect.stringContaining(`PrometheusMetricsKeyFile: ${keyFile} cannot be read`),
  ]);
  expect(health.liveness().ok).toBe(true);
  expect(lines.join('')).toContain('ENOENT');
  await follow(clear);
  expect([served(), health.readiness().ok]).toEqual(['1 clear', true]);
  await follow(byTls);
  expect([served(), health.readiness().ok]).toEqual(['-', false]);
  place(first);
  await pass();
  expect([served(), health.readiness().ok]).toEqual(['1 first', true]);
});

test('a port that is taken does not lead back to clear text', async () => {
  const { served, follow, taken } = await page(clear);
  taken.add(2);
  await follow({ ...byTls, metricsPort: 2 });
  expect(served()).toBe('-');
  await follow({ ...clear, metricsPort: 3 });
  await follow({ ...clear, metricsPort: 2 });
  expect(served()).toBe('3 clear');
});

test('metrics that are switched off ask for no files', async () => {
  rmSync(certFile);
  const { served, health } = await page({ ...byTls, metricsEnabled: false });
  expect([served(), health.readiness().ok]).toEqual(['-', true]);
});

test('a change of other parameters leaves the server alone', async () => {
  const { it, served } = await page(byTls);
  it.follow({ ...byTls });
  expect(served()).toBe('1 first');
});

test.each([
  { change: { metricsCertFile: '' }, says: 'PrometheusMetricsCertFile: it is not set' },
  { change: { metricsKeyFile: '' }, says: 'PrometheusMetricsKeyFile: it is not set' },
  { change: { metricsCertFile: keyFile }, says: `PrometheusMetricsCertFile: ${keyFile} holds no certificate` },
  { change: { metricsKeyFile: certFile }, says: `PrometheusMetricsKeyFile: ${certFile} holds no private key` },
  { change: { metricsCertFile: folder }, says: 'EISDIR' },
  {
    change: { metricsClientAuth: 'RequireAndVerifyClientCert' as const },
    says: 'PrometheusMetricsCAFile: it is not set, and PrometheusMetricsClientAuth is RequireAndVerifyClientCert',
  },
  {
    change: { metricsClientAuth: 'VerifyClientCertIfGiven' as const, metricsCaFile: keyFile },
    says: `PrometheusMetricsCAFile: ${keyFile} holds no certificate`,
  },
])('$says', ({ change, says }) => {
  expect(() => readMetricsTls({ ...byTls, ...change })).toThrow(says);
});

test('certificates of clients are good by the CA of the file', () => {
  const config = { ...byTls, metricsCaFile: caFile };
  expect(readMetricsTls({ ...config, metricsClientAuth: 'RequireAndVerifyClientCert' }).ca).toBe(first.ca);
  expect(readMetricsTls(config).ca).toBeUndefined();
});
