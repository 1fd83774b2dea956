import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IPPool } from '@calico/api';
import { EtcdClient } from '@calico/datastore/etcd';
import { type DatastoreConfig, environmentConfig, fileOrEnvironmentConfig, parseConfig } from './config.ts';
import { felixDatastoreConfig } from './felix-config.ts';
import { openDatastore } from './open.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'calico-datastore-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const open = (config: DatastoreConfig) => openDatastore(config, { env: { HOME: folder } });

describe('the configuration', () => {
  test('of the environment is read with CALICO_ in front first', () => {
    const env = { DATASTORE_TYPE: 'etcdv3', CALICO_DATASTORE_TYPE: 'kubernetes', KUBECONFIG: '/a', K8S_CA_FILE: '' };
    expect(environmentConfig(env)).toEqual({ datastoreType: 'kubernetes', kubeconfig: '/a' });
  });

  test('of the environment has every variable that Calico has', () => {
    const names =
      'DATASTORE_TYPE CALICO_API_GROUP KUBECONFIG USE_POD_CIDR ETCD_ENDPOINTS ETCD_DISCOVERY_SRV ETCD_USERNAME ETCD_PASSWORD ETCD_KEY_FILE ETCD_CERT_FILE ETCD_CA_CERT_FILE K8S_API_ENDPOINT K8S_KEY_FILE K8S_CERT_FILE K8S_CA_FILE K8S_INSECURE_SKIP_TLS_VERIFY K8S_DISABLE_NODE_POLL K8S_CLIENT_QPS K8S_CLIENT_BURST K8S_CURRENT_CONTEXT';
    for (const name of names.split(' '))
      expect({ name, read: Object.values(environmentConfig({ [name]: 'x' })) }).toEqual({ name, read: ['x'] });
    expect(environmentConfig({ ETCD_KEY: 'x', ETCD_CERT: 'x', ETCD_CA_CERT: 'x', KUBECONFIG_INLINE: 'x' })).toEqual({});
  });

  test('of a file is used alone, whatever the environment says', async () => {
    const path = join(folder, 'ctl.cfg');
    const head = 'apiVersion: projectcalico.org/v3\nkind: CalicoAPIConfig\nmetadata:\n';
    writeFileSync(path, `${head}spec: {datastoreType: kubernetes, k8sClientQPS: 5}\n`);
    const read = await fileOrEnvironmentConfig(path, { KUBECONFIG: '/a' });
    expect(read).toEqual({ datastoreType: 'kubernetes', k8sClientQPS: '5' });
  });
});

describe("Felix's old parameters", () => {
  const etcd = { datastoreType: 'etcdv3', etcdEndpoints: 'http://a:2379' };
  const cases: { name: string; config: DatastoreConfig; felix: Record<string, string>; want: DatastoreConfig }[] = [
    { name: 'that are absent change nothing', config: etcd, felix: { LOGSEVERITYSCREEN: 'Info' }, want: etcd },
    {
      name: 'choose the type before DATASTORE_TYPE',
      config: { datastoreType: 'kubernetes' },
      felix: { DATASTORETYPE: 'etcdv3' },
      want: { datastoreType: 'etcdv3' },
    },
    {
      name: 'name endpoints, files and no discovery, in any case',
      config: { ...etcd, etcdDiscoverySrv: 'example.org' },
      felix: {
        EtcdEndpoints: 'https://b:2379,https://c:2379',
        ETCDCAFILE: '/ca',
        etcdkeyfile: '/key',
        EtcdCertFile: '/c',
      },
      want: {
        datastoreType: 'etcdv3',
        etcdEndpoints: 'https://b:2379,https://c:2379',
        etcdCACertFile: '/ca',
        etcdKeyFile: '/key',
        etcdCertFile: '/c',
      },
    },
    {
      name: 'name an address and a scheme',
      config: { datastoreType: 'etcdv3' },
      felix: { ETCDADDR: '127.0.0.1:4001', ETCDSCHEME: 'https' },
      want: { datastoreType: 'etcdv3', etcdEndpoints: 'https://127.0.0.1:4001' },
    },
    {
      name: 'of etcd have no meaning with Kubernetes',
      config: { kubeconfig: '/a' },
      felix: { ETCDENDPOINTS: 'http://b:2379', ETCDCAFILE: '/ca' },
      want: { kubeconfig: '/a' },
    },
  ];
  test.each(cases)('$name', ({ config, felix, want }) => {
    expect(felixDatastoreConfig(config, felix)).toEqual(want);
  });

  test('of no meaning are refused by name', () => {
    expect(() => felixDatastoreConfig({}, { DATASTORETYPE: 'etcd' })).toThrow(
      'DatastoreType (FELIX_DATASTORETYPE) is "etcd"; allowed: kubernetes, etcdv3',
    );
    expect(() => felixDatastoreConfig(etcd, { EtcdScheme: 'ftp' })).toThrow('"ftp"; allowed: http, https');
  });
});

describe('a file is refused', () => {
  const base = { apiVersion: 'projectcalico.org/v3', kind: 'CalicoAPIConfig' };
  const cases: { name: string; document: unknown; error: string }[] = [
    { name: 'that is empty', document: null, error: 'kind is undefined; allowed: "CalicoAPIConfig"' },
    { name: 'of another version', document: { ...base, apiVersion: 'v1' }, error: 'apiVersion is "v1"; allowed: ' },
    { name: 'with a field beside', document: { ...base, data: {} }, error: 'data is no field of it; allowed: ' },
    { name: 'with an unknown field', document: { ...base, spec: { etcd: 'x' } }, error: 'spec.etcd is no field of it' },
    { name: 'with a list', document: { ...base, spec: { kubeconfig: [] } }, error: 'spec.kubeconfig is []; allowed: ' },
  ];
  test.each(cases)('$name', ({ document, error }) => {
    expect(() => parseConfig(document)).toThrow(error);
  });
});

describe('openDatastore', () => {
  const etcd: { name: string; config: DatastoreConfig }[] = [
    { name: 'by its type', config: { datastoreType: 'etcdv3' } },
    { name: 'by its endpoints alone', config: { etcdEndpoints: 'http://127.0.0.1:1' } },
  ];
  test.each(etcd)('opens etcd $name', async ({ config }) => {
    const { type, client, close } = await open(config);
    expect(type).toBe('etcdv3');
    expect(client).toBeInstanceOf(EtcdClient);
    close();
  });

  const refused: { name: string; config: DatastoreConfig; error: string }[] = [
    { name: 'another type', config: { datastoreType: 'etcd' }, error: '"etcd"; allowed: kubernetes, etcdv3' },
    { name: 'an endpoint that is no URL', config: { etcdEndpoints: 'a:2379' }, error: 'endpoint is "a:2379"' },
    {
      name: 'certificates as files and as texts',
      config: { datastoreType: 'etcdv3', etcdCACertFile: '/ca', etcdCert: 'x', etcdKey: 'x' },
      error: 'given as files and as texts',
    },
    { name: 'no kubeconfig there', config: { kubeconfig: '/nowhere' }, error: 'kubeconfig /nowhere' },
    {
      name: 'an inline kubeconfig of nonsense',
      config: { kubeconfigInline: 'x' },
      error: 'kubeconfig kubeconfigInline',
    },
    {
      name: 'a certificate without its key',
      config: { k8sAPIEndpoint: 'https://a', k8sCertFile: '/a' },
      error: 'k8sKeyFile (K8S_KEY_FILE) only one is set',
    },
    {
      name: 'a flag that is neither true nor false',
      config: { k8sAPIEndpoint: 'https://a', k8sInsecureSkipTLSVerify: 'yes' },
      error: 'k8sInsecureSkipTLSVerify (K8S_INSECURE_SKIP_TLS_VERIFY) is "yes"; allowed: true, false',
    },
    {
      name: 'a limit that is no number',
      config: { k8sAPIEndpoint: 'https://a', k8sClientQPS: 'many' },
      error: 'k8sClientQPS (K8S_CLIENT_QPS) is "many"; allowed: a whole number',
    },
    { name: 'nothing at all', config: {}, error: 'there is no kubeconfig' },
  ];
  test.each(refused)('refuses $name', async ({ config, error }) => {
    await expect(open(config)).rejects.toThrow(error);
  });
});

describe('openDatastore asks the Kubernetes API server', () => {
  let server: Server;
  let url: string;
  /** The Authorization of the last request. */
  let authorization: string | undefined;
  beforeEach(async () => {
    authorization = undefined;
    server = createServer((request, response) => {
      authorization = request.headers.authorization;
      response.setHeader('content-type', 'application/json');
      response.end('{"items":[],"metadata":{"resourceVersion":"1"}}');
    });
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => new Promise(resolve => server.close(resolve)));

  const kubeconfig = (server: string, user = 'one'): string =>
    JSON.stringify({
      'current-context': 'one',
      contexts: [
        { name: 'one', context: { cluster: 'one', user } },
        { name: 'two', context: { cluster: 'one', user: 'two' } },
      ],
      clusters: [{ name: 'one', cluster: { server } }],
      users: [
        { name: 'one', user: { token: 'token-1' } },
        { name: 'two', user: { token: 'token-2' } },
      ],
    });
  const elsewhere = 'http://127.0.0.1:1';
  const group = { calicoAPIGroup: 'projectcalico.org/v3' };

  const cases: { name: string; config: () => DatastoreConfig; token: string | undefined }[] = [
    { name: 'of a kubeconfig', config: () => ({ kubeconfig: join(folder, 'here') }), token: 'token-1' },
    {
      name: 'of an inline kubeconfig, before a file',
      config: () => ({ kubeconfigInline: kubeconfig(url), kubeconfig: join(folder, 'elsewhere') }),
      token: 'token-1',
    },
    {
      name: 'of another context',
      config: () => ({ kubeconfig: join(folder, 'here'), k8sCurrentContext: 'two' }),
      token: 'token-2',
    },
    {
      name: 'that is named, with the credentials of the kubeconfig',
      config: () => ({ kubeconfig: join(folder, 'elsewhere'), k8sAPIEndpoint: url }),
      token: 'token-1',
    },
    {
      name: 'that is named, with a token',
      config: () => ({ k8sAPIEndpoint: url, k8sAPIToken: 'token-3' }),
      token: 'token-3',
    },
    {
      name: 'that is named, and does not look for a kubeconfig',
      config: () => ({ k8sAPIEndpoint: url }),
      token: undefined,
    },
  ];
  test.each(cases)('$name', async ({ config, token }) => {
    writeFileSync(join(folder, 'here'), kubeconfig(url));
    writeFileSync(join(folder, 'elsewhere'), kubeconfig(elsewhere));
    const { type, client } = await open({ ...group, ...config() });
    expect(type).toBe('kubernetes');
    await client.list(IPPool);
    expect(authorization).toBe(token === undefined ? undefined : `Bearer ${token}`);
  });
});
