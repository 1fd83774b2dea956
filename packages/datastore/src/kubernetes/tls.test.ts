import { afterEach, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Pod } from '@calico/api';
import { type Certificates, createCertificates } from '@calico/apiserver';
import { type ScriptedServer, startScriptedServer } from '../testing/scripted-server.ts';
import { kubernetesClient } from './client.ts';
import type { KubernetesConfig } from './config.ts';
import { certificateCredentials } from './credentials.ts';

let server: ScriptedServer | undefined;
afterEach(async () => {
  await server?.stop();
  server = undefined;
});

const makeCertificates = (): Certificates => createCertificates({ hosts: ['127.0.0.1'], now: Date.now() });

const listOfPods = (): Response => Response.json({ metadata: { resourceVersion: '1' }, items: [] });

function start(certificates: Pick<Certificates, 'ca' | 'cert' | 'key'>, tls: Bun.TLSOptions = {}) {
  const started = startScriptedServer(listOfPods, { tls: { cert: certificates.cert, key: certificates.key, ...tls } });
  server = started;
  const codeWith = async (config: Partial<KubernetesConfig>): Promise<string> => {
    const client = kubernetesClient({ server: started.url, ...config }, { readRetries: 0 });
    return client.list(Pod).then(
      () => 'trusted',
      (err: { code: string; outcomeUnknown: boolean }) => `${err.code} ${err.outcomeUnknown}`,
    );
  };
  return codeWith;
}

test('a server is trusted by its CA only, unless told to skip that', async () => {
  const made = makeCertificates();
  const codeWith = start(made);
  expect(await codeWith({ ca: made.ca })).toBe('trusted');
  expect(await codeWith({ ca: makeCertificates().ca })).toBe('Unavailable false');
  expect(await codeWith({})).toBe('Unavailable false');
  expect(await codeWith({ insecureSkipTlsVerify: true })).toBe('trusted');
});

test('a new CA is taken for the next request', async () => {
  const made = makeCertificates();
  const codeWith = start(made);
  let ca = makeCertificates().ca;
  expect(await codeWith({ ca: () => ca })).toBe('Unavailable false');
  ca = made.ca;
  expect(await codeWith({ ca: () => ca })).toBe('trusted');
});

const withoutOpenssl = Bun.which('openssl') === null;

/** A certificate for clients that nobody else has signed, and its key. */
function clientCertificate(folder: string, name: string): { cert: string; key: string } {
  const [cert, key] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', `/CN=${name}`];
  const use = ['-addext', 'extendedKeyUsage=clientAuth'];
  const { exitCode } = Bun.spawnSync(['openssl', 'req', '-x509', ...kind, ...use, '-keyout', key, '-out', cert]);
  expect(exitCode).toBe(0);
  return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
}

test.skipIf(withoutOpenssl)(
  `a server that wants a certificate is shown it, and the next one when it was replaced${withoutOpenssl ? ' (skipped: no openssl on PATH)' : ''}`,
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'calico-tls-'));
    const [user, stranger] = [clientCertificate(folder, 'user'), clientCertificate(folder, 'stranger')];
    const { ca, cert, key } = makeCertificates();
    const codeWith = start({ ca, cert, key }, { ca: user.cert, requestCert: true, rejectUnauthorized: true });
    expect(await codeWith({ ca })).toBe('Unavailable false');
    const paths = { cert: join(folder, 'cert'), key: join(folder, 'key') };
    const place = (given: typeof user): void => {
      for (const part of ['cert', 'key'] as const) {
        writeFileSync(`${paths[part]}.new`, given[part]);
        renameSync(`${paths[part]}.new`, paths[part]);
      }
    };
    place(stranger);
    const credentials = certificateCredentials({ path: paths.cert }, { path: paths.key });
    expect(await codeWith({ ca, credentials })).toBe('Unavailable false');
    place(user);
    expect(await codeWith({ ca, credentials })).toBe('trusted');
    rmSync(folder, { recursive: true });
  },
);
