import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GlobalNetworkSet, IPPool } from '@calico/api';
import { createCertificates } from '@calico/apiserver';
import { ensureInitialized, startBgpSyncer, startFelixSyncer } from '@calico/datastore';
import { type EtcdClient, type EtcdConfig, etcdClient } from '@calico/datastore/etcd';
import { Ipam } from '@calico/ipam';
import { systemClock, systemRandom } from '@calico/process';
import { describeEtcd } from './describe-etcd.ts';
import { EtcdServer } from './etcd-server.ts';
import { networkSet, outcome, setNames, untilEnd } from './objects.ts';

const opened: EtcdClient[] = [];
afterEach(() => {
  for (const client of opened.splice(0)) client.close();
});

function open(config: EtcdConfig): EtcdClient {
  const client = etcdClient(config, { readRetries: 0 });
  opened.push(client);
  return client;
}

describeEtcd('etcdClient and an etcd with users', () => {
  let server: EtcdServer;
  beforeAll(async () => {
    server = await EtcdServer.start();
    const sets = '/calico/resources/v3/projectcalico.org/globalnetworksets/';
    for (const command of [
      'user add root:secret',
      'user add reader:read',
      'role add reader',
      `role grant-permission reader read ${sets} --prefix=true`,
      'user grant-role reader reader',
      'auth enable',
    ]) {
      await server.ctl(command.split(' '));
    }
  });
  afterAll(async () => await server.stop());
  const as = (username: string, password: string) => open({ endpoints: [server.url], auth: { username, password } });

  test('logs in, and says so when it cannot', async () => {
    const root = as('root', 'secret');
    expect(await outcome(root.create(GlobalNetworkSet, networkSet('a')))).toBe('done');
    expect(await setNames(root)).toContain('a');
    expect(await outcome(as('root', 'wrong').create(GlobalNetworkSet, networkSet('b')))).toBe('Unauthorized');
    expect(await outcome(open({ endpoints: [server.url] }).list(GlobalNetworkSet))).toBe('Unauthorized');
  });

  test('what a user may not do is Forbidden', async () => {
    const reader = as('reader', 'read');
    expect(await outcome(reader.list(GlobalNetworkSet))).toBe('done');
    expect(await outcome(reader.create(GlobalNetworkSet, networkSet('c')))).toBe('Forbidden');
    expect(await outcome(reader.list(IPPool))).toBe('Forbidden');
    const signal = AbortSignal.timeout(5000);
    expect((await untilEnd(reader.watch(IPPool, { resourceVersion: '1', signal }))).end).toBe('Forbidden');
  });

  test('a token that the server has forgotten is renewed, for writes and watches too', async () => {
    const writer = as('root', 'secret');
    const watcher = as('reader', 'read');
    const { resourceVersion } = await watcher.list(GlobalNetworkSet);
    await writer.list(GlobalNetworkSet);
    await server.kill();
    await server.run();
    expect(await outcome(writer.create(GlobalNetworkSet, networkSet('after')))).toBe('done');
    const stream = watcher.watch(GlobalNetworkSet, { resourceVersion, signal: AbortSignal.timeout(5000) });
    expect((await stream.next()).value).toMatchObject({ type: 'BOOKMARK' });
    expect((await stream.next()).value).toMatchObject({ type: 'ADDED' });
    await stream.return?.();
  });
});

describeEtcd('the role of docs/datastores.md', () => {
  let server: EtcdServer;
  beforeAll(async () => {
    server = await EtcdServer.start();
    const text = readFileSync(join(import.meta.dir, '../../docs/datastores.md'), 'utf8');
    const commands = [...text.matchAll(/^etcdctl (.*)$/gm)].map(([, command = '']) => command.split(' '));
    expect(commands).toHaveLength(6);
    for (const command of commands) await server.ctl(command);
  });
  afterAll(async () => await server.stop());

  test('is enough for a node, its addresses and calicoctl, and for nothing else', async () => {
    const client = open({ endpoints: [server.url], auth: { username: 'calico', password: 'PASSWORD' } });
    const [clock, random] = [systemClock, systemRandom];
    await ensureInitialized(client, { datastore: 'etcdv3', clock, random });
    const { apiVersion, kind } = IPPool;
    await client.create(IPPool, { apiVersion, kind, metadata: { name: 'p' }, spec: { cidr: '10.0.0.0/24' } });
    const ipam = new Ipam({ client, clock, random });
    const { ipv4 } = await ipam.autoAssign({
      node: 'node-1',
      handle: 'a',
      attributes: {},
      ipv4: 1,
      ipv6: 0,
      intendedUse: 'Workload',
    });
    expect(ipv4).toHaveLength(1);
    await ipam.releaseByHandle('a');
    const stop = new AbortController();
    const views = [startFelixSyncer, startBgpSyncer].map(start => {
      const inSync = Promise.withResolvers<void>();
      const handler = { onUpdates: () => {}, onInSync: () => inSync.resolve() };
      const syncer = start(client, handler, { clock, random, signal: stop.signal }, 'etcdv3');
      return { inSync: inSync.promise, syncer };
    });
    await Promise.all(views.map(({ inSync }) => inSync));
    stop.abort();
    await Promise.all(views.map(({ syncer }) => syncer.done));
    await client.delete(IPPool, { name: 'p' });
    const elsewhere = ['--user=calico:PASSWORD', 'put', '/other', 'x'];
    await expect(server.ctl(elsewhere)).rejects.toThrow('permission denied');
  });
});

describeEtcd('etcdClient and TLS', () => {
  const folder = mkdtempSync(join(tmpdir(), 'calico-etcd-tls-'));
  const made = createCertificates({ hosts: ['127.0.0.1'], now: Date.now() });
  const [certFile, keyFile] = [join(folder, 'server.pem'), join(folder, 'server-key.pem')];
  const [clientCert, clientKey] = [join(folder, 'client.pem'), join(folder, 'client-key.pem')];
  writeFileSync(certFile, made.cert);
  writeFileSync(keyFile, made.key);
  const serverArgs = [`--cert-file=${certFile}`, `--key-file=${keyFile}`];
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('a server is trusted by its authority, and for its own address only', async () => {
    const server = await EtcdServer.start({ scheme: 'https', args: serverArgs });
    try {
      const endpoints = [server.url];
      expect(await outcome(open({ endpoints, tls: { ca: made.ca } }).list(GlobalNetworkSet))).toBe('done');
      const other = createCertificates({ hosts: ['127.0.0.1'], now: Date.now() }).ca;
      const refused = open({ endpoints, tls: { ca: other } }).create(GlobalNetworkSet, networkSet('a'));
      expect(await outcome(refused)).toBe('Unavailable');
      await expect(refused).rejects.toThrow(/certificate|signature/i);
    } finally {
      await server.stop();
    }
    const elsewhere = createCertificates({ hosts: ['127.0.0.2', 'etcd'], now: Date.now() });
    writeFileSync(certFile, elsewhere.cert);
    writeFileSync(keyFile, elsewhere.key);
    const pretender = await EtcdServer.start({ scheme: 'https', args: serverArgs });
    try {
      const client = open({ endpoints: [pretender.url], tls: { ca: elsewhere.ca } });
      await expect(client.list(GlobalNetworkSet)).rejects.toThrow("127.0.0.1 is not in the cert's list");
    } finally {
      await pretender.stop();
      writeFileSync(certFile, made.cert);
      writeFileSync(keyFile, made.key);
    }
  });

  const withoutOpenssl = Bun.which('openssl') === null ? ' (skipped: no openssl on PATH)' : '';
  test.skipIf(withoutOpenssl !== '')(`a client shows its certificate${withoutOpenssl}`, async () => {
    const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
    const files = [
      '-subj',
      '/CN=client',
      '-addext',
      'extendedKeyUsage=clientAuth',
      '-keyout',
      clientKey,
      '-out',
      clientCert,
    ];
    expect(Bun.spawnSync(['openssl', ...request, ...files]).exitCode).toBe(0);
    const [cert, key] = [readFileSync(clientCert, 'utf8'), readFileSync(clientKey, 'utf8')];
    const args = [...serverArgs, '--client-cert-auth', `--trusted-ca-file=${clientCert}`];
    const server = await EtcdServer.start({ scheme: 'https', args, client: { cert, key } });
    try {
      const endpoints = [server.url];
      expect(await outcome(open({ endpoints, tls: { ca: made.ca, cert, key } }).list(GlobalNetworkSet))).toBe('done');
      expect(await outcome(open({ endpoints, tls: { ca: made.ca } }).list(GlobalNetworkSet))).toBe('Unavailable');
    } finally {
      await server.stop();
    }
  });
});
