import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCertificates } from './certificates.ts';
import { printKubeconfig, writeKubeconfig } from './kubeconfig.ts';
import { startTestServer, TEST_TOKEN, type TestServer } from './testing.ts';

const SETS = '/apis/projectcalico.org/v3/namespaces/default/networksets';
const folder = mkdtempSync(join(tmpdir(), 'calico-http-'));
let t: TestServer;
beforeAll(async () => {
  t = await startTestServer();
});
afterAll(async () => {
  expect(t.log.errors).toEqual([]);
  await t.server.stop();
  rmSync(folder, { recursive: true, force: true });
});

test.each([undefined, '', 'Bearer', 'Bearer wrong', `Basic ${TEST_TOKEN}`, `Bearer ${TEST_TOKEN}x`])(
  'a request with authorization "%s" is 401',
  async authorization => {
    const { code, body } = await t.call('GET', '/api/v1/pods', undefined, { authorization: authorization ?? '' });
    expect([code, body.reason] as unknown[]).toEqual([401, 'Unauthorized']);
  },
);

test.each(['/healthz', '/livez', '/readyz', '/version'])('%s needs no token', async path => {
  expect((await t.call('GET', path, undefined, { authorization: '' })).code).toBe(200);
});

test.each([
  { method: 'GET', path: '/', code: 404 },
  { method: 'GET', path: '/api/v2', code: 404 },
  { method: 'GET', path: '/api/v1/unicorns', code: 404 },
  { method: 'GET', path: '/apis/crd.projectcalico.org/v1', code: 404 },
  { method: 'GET', path: '/api/v1/pods/x', code: 404 },
  { method: 'GET', path: '/api/v1/namespaces/default/namespaces', code: 404 },
  { method: 'GET', path: '/api/v1/namespaces/default/pods/x/log', code: 404 },
  { method: 'GET', path: '/api/v1/namespaces/%zz/pods', code: 404 },
  { method: 'POST', path: '/api/v1/pods', code: 405 },
  { method: 'PUT', path: '/api/v1/namespaces', code: 405 },
  { method: 'POST', path: '/api/v1/namespaces/default', code: 405 },
  { method: 'DELETE', path: '/api/v1/namespaces/default/pods/x/status', code: 405 },
])('$method $path is $code with a Status', async ({ method, path, code }) => {
  const answer = await t.call(method, path);
  expect([answer.code, answer.body.kind] as unknown[]).toEqual([code, 'Status']);
});

test.each([
  { name: 'broken JSON', body: '{"metadata": ', code: 400, text: 'offset 13' },
  { name: 'a list', body: '[]', code: 400, text: 'must be a JSON object' },
  { name: 'nothing', body: '', code: 400, text: 'must be a JSON object' },
  { name: 'deep nesting', body: `{"spec":${'['.repeat(500)}${']'.repeat(500)}}`, code: 400, text: 'nested deeper' },
  { name: 'another kind', body: '{"kind":"Pod"}', code: 400, text: 'does not match the expected kind' },
  { name: 'another namespace', body: '{"metadata":{"name":"x","namespace":"y"}}', code: 400, text: 'namespace' },
  { name: 'a name that is no text', body: '{"metadata":{"name":5}}', code: 400, text: 'must be a string' },
  { name: 'too much', body: `{"x":"${'y'.repeat(3 * 1024 * 1024)}"}`, code: 413, text: 'too large' },
])('a body that is $name is refused with $code', async ({ body, code, text }) => {
  const answer = await t.call('POST', SETS, body, { 'content-type': 'application/json' });
  expect(answer.code).toBe(code);
  expect(String(answer.body.message)).toContain(text);
});

test('invalid UTF-8 and unknown media types are refused', async () => {
  const send = (body: string | Uint8Array<ArrayBuffer>, type: string) =>
    fetch(`${t.server.urls[0]}${SETS}`, {
      method: 'POST',
      body,
      headers: { authorization: `Bearer ${TEST_TOKEN}`, 'content-type': type },
    });
  expect((await send(Uint8Array.of(0x22, 0xff, 0x22), 'application/json')).status).toBe(400);
  expect((await send('a: b', 'application/yaml')).status).toBe(415);
});

test('only representations that exist can be asked for', async () => {
  expect((await t.call('GET', SETS, undefined, { accept: 'text/html' })).code).toBe(406);
  expect(
    (await t.call('GET', SETS, undefined, { accept: 'application/vnd.kubernetes.protobuf,application/json' })).code,
  ).toBe(200);
});

test('discovery names every kind in the old form and the aggregated one', async () => {
  const { body } = await t.call('GET', '/apis/projectcalico.org/v3');
  const resources = body.resources as unknown as { name: string }[];
  expect(resources.map(r => r.name)).toContain('ippools/status');
  const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json';
  const groups = await t.call('GET', '/apis', undefined, { accept });
  expect(groups.headers.get('content-type')).toBe(
    'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList',
  );
  const names = (groups.body.items as unknown as { metadata: { name: string } }[]).map(i => i.metadata.name);
  expect(names).toContain('projectcalico.org');
  expect(names).not.toContain('crd.projectcalico.org');
  expect((await t.call('GET', '/api')).body.versions as unknown).toEqual(['v1']);
});

test('OpenAPI v3 has a document per version, whose patches take fieldValidation', async () => {
  const index = await t.call('GET', '/openapi/v3');
  const url = String(index.body.paths?.['apis/projectcalico.org/v3']?.serverRelativeURL);
  const { body } = await t.call('GET', url);
  const patch = body.paths?.['/apis/projectcalico.org/v3/ippools/{name}']?.patch;
  expect((patch?.parameters as unknown as { name: string }[] | undefined)?.map(p => p.name)).toContain(
    'fieldValidation',
  );
  expect(body.components?.schemas?.['org.projectcalico.v3.IPPool']?.properties?.spec).toBeDefined();
  expect(JSON.stringify(body)).not.toContain('x-calico-');
  expect((await t.call('GET', '/openapi/v3/apis/none/v1')).code).toBe(404);
});

test('clients may ask what they may do', async () => {
  const { code, body } = await t.call('POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', { kind: 'x' });
  expect([code, body.status?.allowed] as unknown[]).toEqual([201, true]);
});

test('localhost over TLS is 127.0.0.1 and ::1, and the unix socket is the same API for its owner alone', async () => {
  const { ca, cert, key } = createCertificates({ hosts: ['localhost', '127.0.0.1', '::1'], now: Date.now() });
  const unix = join(folder, 'api.sock');
  const listen = [{ host: 'localhost', port: 0 }, { unix }];
  const secure = await startTestServer({ tls: { cert, key }, listen });
  const port = new URL(secure.server.urls[0] ?? '').port;
  expect(statSync(unix).mode & 0o777).toBe(0o600);
  const authorization = `Bearer ${TEST_TOKEN}`;
  const hosts = ['localhost', '127.0.0.1', '[::1]'];
  const answers = await Promise.all([
    ...hosts.map(host => fetch(`https://${host}:${port}/api/v1/pods`, { headers: { authorization }, tls: { ca } })),
    fetch('https://localhost/api/v1/pods', { unix, headers: { authorization }, tls: { ca } }),
  ]);
  expect(answers.map(a => a.status)).toEqual([200, 200, 200, 200]);
  await expect(fetch(`https://127.0.0.1:${port}/healthz`)).rejects.toThrow();
  await secure.server.stop();
  expect(statSync(unix, { throwIfNoEntry: false })).toBeUndefined();
});

test('an address that is taken is named', async () => {
  const { port } = new URL(t.server.urls[0] ?? '');
  const again = startTestServer({ listen: [{ host: '127.0.0.1', port: Number(port) }] });
  await expect(again).rejects.toThrow(`Cannot listen on 127.0.0.1:${port}`);
  const unix = join(folder, 'twice.sock');
  const first = await startTestServer({ listen: [{ unix }] });
  await expect(startTestServer({ listen: [{ unix }] })).rejects.toThrow('another process listens there');
  await first.server.stop();
});

test('writes in flight complete when the server stops', async () => {
  const other = await startTestServer();
  const write = other.call('POST', SETS, { metadata: { name: 'last' }, spec: {} });
  const health = await other.call('GET', '/healthz');
  await Promise.all([other.server.stop(), write]);
  expect([health.code, (await write).code]).toEqual([200, 201]);
});

test('a kubeconfig carries authority and token, readable by its owner alone', () => {
  const path = join(folder, 'config');
  writeFileSync(path, 'old', { mode: 0o644 });
  const options = { server: 'https://localhost:6443', ca: 'PEM', token: 'secret' };
  writeKubeconfig(path, options);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(JSON.parse(printKubeconfig(options))).toMatchObject({
    clusters: [{ cluster: { server: 'https://localhost:6443', 'certificate-authority-data': 'UEVN' } }],
    users: [{ user: { token: 'secret' } }],
  });
});
