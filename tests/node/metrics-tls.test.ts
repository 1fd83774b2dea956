import { expect, setDefaultTimeout, test } from 'bun:test';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FelixConfiguration } from '@calico/api';
import { createCertificates } from '@calico/apiserver';
import { etcdClient } from '@calico/datastore/etcd';
import { inNamespace } from '@calico/kernel/linux';
import { describeEtcd } from '../etcd/describe-etcd.ts';
import { useNodeBesideEtcd } from './beside-etcd.ts';
import { agentEnvironment, until } from './node-host.ts';

setDefaultTimeout(60_000);
const missing = ['openssl', 'curl'].find(command => Bun.which(command) === null);
const skipped = missing === undefined ? '' : ` (skipped: no ${missing} on PATH)`;

describeEtcd('metrics by TLS', () => {
  const beside = useNodeBesideEtcd();

  test.skipIf(missing !== undefined)(
    `clients show certificates, files are renewed while the agent runs, and bad ones are named${skipped}`,
    async () => {
      const folder = join(beside.host.folder, 'tls');
      mkdirSync(folder);
      const path = (name: string) => join(folder, name);
      const put = (name: string, text: string) => {
        writeFileSync(path(`${name}.new`), text);
        renameSync(path(`${name}.new`), path(name));
      };
      const made = () => createCertificates({ hosts: ['127.0.0.1'], now: Date.now() });
      const [first, second] = [made(), made()];
      const place = ({ ca, cert, key }: typeof first) => {
        put('server-ca', ca);
        put('cert', cert);
        put('key', key);
      };
      const kind = [
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-days',
        '2',
        '-subj',
        '/CN=client',
      ];
      const use = ['-addext', 'extendedKeyUsage=clientAuth', '-keyout', path('client-key'), '-out', path('client')];
      expect(Bun.spawnSync(['openssl', 'req', '-x509', ...kind, ...use]).exitCode).toBe(0);
      /** What is answered: the status, or undefined where the connection fails. */
      const answered = async (url: string, ...more: string[]): Promise<number | undefined> => {
        const args = ['-s', '-o', '/dev/null', '-w', '%{http_code}', '-m', '2', ...more, url];
        const child = inNamespace(beside.host.namespace, () => Bun.spawn(['curl', ...args], { stdout: 'pipe' }));
        const text = await new Response(child.stdout).text();
        return (await child.exited) === 0 ? Number(text) : undefined;
      };
      const asked = (...more: string[]) =>
        answered('https://127.0.0.1:9091/metrics', '--cacert', path('server-ca'), ...more);
      const own = ['--cert', path('client'), '--key', path('client-key')];
      const readiness = () =>
        beside.host.get(9099, '/readiness').then(
          ({ body }) => body,
          () => '',
        );

      place(first);
      const agent = beside.host.start(['component', 'node'], {
        ...agentEnvironment(beside.server),
        FELIX_PROMETHEUSMETRICSCERTFILE: path('cert'),
        FELIX_PrometheusMetricsKeyFile: path('key'),
      });
      try {
        await until('metrics are served by TLS', async () => (await asked()) === 200);
        expect(await answered('http://127.0.0.1:9091/metrics')).toBeUndefined();

        await until('the agent is ready', async () => !(await readiness()).includes('not ready'));
        const client = etcdClient({ endpoints: [beside.server.url] });
        const usual = await client.get(FelixConfiguration, { name: 'default' });
        const change = (base: FelixConfiguration, more: FelixConfiguration['spec']) =>
          client.update<FelixConfiguration>(FelixConfiguration, { ...base, spec: { ...usual.spec, ...more } });
        const strict = { prometheusMetricsClientAuth: 'RequireAndVerifyClientCert' as const };
        const changed = await change(usual, strict);
        await until('the missing parameter is named', async () =>
          (await readiness()).includes('PrometheusMetricsCAFile: it is not set'),
        );
        expect(await asked(...own)).toBeUndefined();

        await change(changed, { ...strict, prometheusMetricsCAFile: path('client') });
        client.close();
        await until('clients with a certificate are answered', async () => (await asked(...own)) === 200);
        expect(await asked()).toBeUndefined();

        place(second);
        await until('the new certificate is shown', async () => (await asked(...own)) === 200);
        expect(await readiness()).not.toContain('not ready');
        expect(agent.exitCode).toBeNull();
      } finally {
        agent.kill('SIGTERM');
      }
      expect(await agent.exited).toBe(0);
    },
  );
});
