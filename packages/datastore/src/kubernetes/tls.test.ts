import { afterEach, expect, test } from 'bun:test';
import { Pod } from '@calico/api';
import { type Certificates, createCertificates } from '@calico/apiserver';
import { type ScriptedServer, startScriptedServer } from '../testing/scripted-server.ts';
import { kubernetesClient } from './client.ts';
import type { KubernetesConfig } from './config.ts';

let server: ScriptedServer | undefined;
afterEach(async () => {
  await server?.stop();
  server = undefined;
});

const makeCertificates = (): Certificates => createCertificates({ hosts: ['127.0.0.1'], now: Date.now() });

const listOfPods = (): Response => Response.json({ metadata: { resourceVersion: '1' }, items: [] });

function start(certificates: Certificates) {
  const started = startScriptedServer(listOfPods, { tls: { cert: certificates.cert, key: certificates.key } });
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
