import { afterEach, beforeEach, expect, test } from 'bun:test';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { Pod } from '@calico/api';
import { createCertificates } from '@calico/apiserver';
import { type ScriptedServer, startScriptedServer } from '../testing/scripted-server.ts';
import { kubernetesClient } from './client.ts';
import { parseKubeconfig } from './kubeconfig.ts';

/** What the proxy was asked for: whole URLs, or `CONNECT host:port`. */
let asked: string[];
let proxy: Server;
let proxyUrl: string;
let server: ScriptedServer;
beforeEach(async () => {
  asked = [];
  proxy = createServer((request, response) => {
    asked.push(request.url ?? '');
    fetch(request.url ?? '').then(
      async answer => response.end(await answer.text()),
      () => response.destroy(),
    );
  });
  proxy.on('connect', (request, client) => {
    asked.push(`CONNECT ${request.url}`);
    const [host = '', port] = (request.url ?? '').split(':');
    const upstream = connect(Number(port), host, () => client.write('HTTP/1.1 200 Connection established\r\n\r\n'));
    upstream.on('error', () => client.destroy()).on('close', () => client.destroy());
    client.on('error', () => upstream.destroy()).on('close', () => upstream.destroy());
    upstream.pipe(client).pipe(upstream);
  });
  await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve));
  proxyUrl = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
});
afterEach(async () => {
  await server.stop();
  proxy.closeAllConnections();
  await new Promise(resolve => proxy.close(resolve));
});

const listOfPods = (): Response => Response.json({ metadata: { resourceVersion: '7' }, items: [] });
const event = `{"type":"BOOKMARK","object":{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"8"}}}\n`;
const clientThroughProxy = (cluster: object) =>
  kubernetesClient(
    parseKubeconfig(
      JSON.stringify({
        'current-context': 'a',
        contexts: [{ name: 'a', context: { cluster: 'a' } }],
        clusters: [{ name: 'a', cluster: { 'proxy-url': proxyUrl, ...cluster } }],
      }),
      'given',
    ),
    { readRetries: 0 },
  );

test('a server without TLS is asked by way of the proxy of the kubeconfig', async () => {
  server = startScriptedServer(listOfPods);
  const client = clientThroughProxy({ server: server.url });
  expect((await client.list(Pod)).resourceVersion).toBe('7');
  expect(asked).toEqual([expect.stringContaining(`${server.url}/api/v1/pods`) as unknown as string]);
});

test('a server with TLS is connected through the proxy, and its certificate is its own; so are watches', async () => {
  const { ca, cert, key } = createCertificates({ hosts: ['127.0.0.1'], now: Date.now() });
  server = startScriptedServer(({ query }) => (query.watch === undefined ? listOfPods() : new Response(event)), {
    tls: { cert, key },
  });
  const target = server.url.replace('https://', '');
  const data = Buffer.from(ca).toString('base64');
  const client = clientThroughProxy({ server: server.url, 'certificate-authority-data': data });
  expect((await client.list(Pod)).resourceVersion).toBe('7');
  const signal = new AbortController().signal;
  const seen: string[] = [];
  for await (const { type } of client.watch(Pod, { resourceVersion: '7', signal })) seen.push(type);
  expect(seen).toContain('BOOKMARK');
  expect(new Set(asked)).toEqual(new Set([`CONNECT ${target}`]));
  await expect(clientThroughProxy({ server: server.url }).list(Pod)).rejects.toMatchObject({ code: 'Unavailable' });
});

test('a proxy that is not there is no way to the server', async () => {
  server = startScriptedServer(listOfPods);
  const client = clientThroughProxy({ server: server.url, 'proxy-url': 'http://127.0.0.1:1' });
  await expect(client.list(Pod)).rejects.toMatchObject({ code: 'Unavailable' });
  expect(server.asked).toEqual([]);
});
