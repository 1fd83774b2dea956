import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect as dial } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { type Certificates, createCertificates } from '@calico/apiserver';
import { httpServer } from './http.ts';
import { type ClientAuth, clientAuths } from './tls-server.ts';

const withoutOpenssl = Bun.which('openssl') === null;
const folder = mkdtempSync(join(tmpdir(), 'tls-server-'));
afterAll(() => rmSync(folder, { recursive: true }));

const made: Certificates = createCertificates({ hosts: ['127.0.0.1'], now: Date.now() });

/** A certificate for clients that is its own CA, and its key. */
function clientCertificate(name: string): { cert: string; key: string } {
  const [cert, key] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', `/CN=${name}`];
  const use = ['-addext', 'extendedKeyUsage=clientAuth'];
  expect(Bun.spawnSync(['openssl', 'req', '-x509', ...kind, ...use, '-keyout', key, '-out', cert]).exitCode).toBe(0);
  return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
}

async function served<T>(
  clientAuth: ClientAuth,
  ca: string | undefined,
  ask: (port: number) => Promise<T>,
): Promise<T> {
  const tls = { cert: made.cert, key: made.key, clientAuth, ...(ca === undefined ? {} : { ca }) };
  const server = httpServer('test', { host: '127.0.0.1', port: 0, tls }, { '/': () => new Response('hello') });
  await server.start();
  try {
    return await ask(server.port);
  } finally {
    await server.stop();
  }
}

const get = (port: number, own: { cert?: string; key?: string } = {}, init: RequestInit = {}, path = '/') =>
  fetch(`https://127.0.0.1:${port}${path}`, { ...init, keepalive: false, tls: { ca: made.ca, ...own } });

test('pages are served as without TLS', async () => {
  await served('NoClientCert', undefined, async port => {
    expect(await (await get(port)).text()).toBe('hello');
    expect((await get(port, {}, {}, '/other')).status).toBe(404);
    expect((await get(port, {}, { method: 'POST' })).status).toBe(405);
    expect((await get(port, {}, { method: 'HEAD' })).status).toBe(200);
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow();
  });
});

test('nobody is served by TLS before 1.2', async () => {
  const agreed = (port: number, version: 'TLSv1.1' | 'TLSv1.2') =>
    new Promise<string | null>(resolve => {
      const versions = { minVersion: 'TLSv1', maxVersion: version } as const;
      const socket = connect({ host: '127.0.0.1', port, ca: made.ca, ...versions }, () => {
        resolve(socket.getProtocol());
        socket.destroy();
      });
      socket.on('error', () => resolve(null));
    });
  const protocols = await served('NoClientCert', undefined, async port => [
    await agreed(port, 'TLSv1.1'),
    await agreed(port, 'TLSv1.2'),
  ]);
  expect(protocols).toEqual([null, 'TLSv1.2']);
});

test('a server stops though somebody says nothing, and its port is free', async () => {
  const tls = { cert: made.cert, key: made.key, clientAuth: 'NoClientCert' as const };
  const first = httpServer('test', { host: '127.0.0.1', port: 0, tls }, {});
  await first.start();
  const silent = dial(first.port, '127.0.0.1');
  await new Promise(resolve => silent.once('connect', resolve));
  silent.on('error', () => {});
  const before = performance.now();
  await first.stop();
  const second = httpServer('test', { host: '127.0.0.1', port: first.port, tls }, {});
  await second.start();
  expect(performance.now() - before).toBeLessThan(5_000);
  await second.stop();
  silent.destroy();
});

test('a server that cannot listen says where, and one whose key is none does not start', async () => {
  await served('NoClientCert', undefined, async port => {
    const tls = { cert: made.cert, key: made.key, clientAuth: 'NoClientCert' as const };
    const second = httpServer('test', { host: '127.0.0.1', port, tls }, {});
    await expect(second.start()).rejects.toThrow(`Cannot listen on 127.0.0.1 port ${port}: EADDRINUSE`);
    const bad = httpServer('test', { host: '127.0.0.1', port: 0, tls: { ...tls, key: 'none' } }, {});
    await expect(bad.start()).rejects.toThrow('Cannot listen');
  });
});

describe.skipIf(withoutOpenssl)(`clients${withoutOpenssl ? ' (skipped: no openssl on PATH)' : ''}`, () => {
  const letIn: Record<ClientAuth, readonly ('without' | 'good' | 'strange')[]> = {
    NoClientCert: ['without', 'good', 'strange'],
    RequireAnyClientCert: ['good', 'strange'],
    VerifyClientCertIfGiven: ['without', 'good'],
    RequireAndVerifyClientCert: ['good'],
  };
  const clients = withoutOpenssl
    ? { good: {}, strange: {}, without: {} }
    : { good: clientCertificate('good'), strange: clientCertificate('strange'), without: {} };
  const ca = 'cert' in clients.good ? clients.good.cert : undefined;

  test.each([...clientAuths])('are served with %s as it says', async clientAuth => {
    const answered = await served(clientAuth, ca, async port => {
      const found: string[] = [];
      for (const [name, own] of Object.entries(clients)) {
        const status = await get(port, own).then(
          answer => answer.status,
          () => undefined,
        );
        if (status === 200) found.push(name);
      }
      return found;
    });
    expect(answered.sort()).toEqual([...letIn[clientAuth]].sort());
  });

  test('have no good certificate where there is no CA', async () => {
    const get200 = (port: number) => get(port, clients.good).then(({ status }) => status);
    await expect(served('RequireAndVerifyClientCert', undefined, get200)).rejects.toThrow();
  });
});
