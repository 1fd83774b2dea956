import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type InstallDeps, installCni, installTlsFiles } from './install-cni.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'calico-install-'));
  for (const folder of ['host/opt/cni/bin', 'image/bin', 'opt/cni/bin'])
    mkdirSync(join(root, folder), { recursive: true });
  put('image/bin/calico', 'program 1', 0o755);
});
afterEach(() => rmSync(root, { recursive: true }));

function put(path: string, text: string, mode = 0o644): void {
  writeFileSync(join(root, path), text, { mode });
  chmodSync(join(root, path), mode);
}

const read = (path: string) => readFileSync(join(root, path), 'utf8');
const names = (path: string) => readdirSync(join(root, path)).sort();
const mode = (path: string) => (statSync(join(root, path)).mode & 0o777).toString(8);

const bin = 'host/opt/cni/bin';
const net = 'host/etc/cni/net.d';

async function install(env: Record<string, string> = {}, more: Partial<InstallDeps> = {}): Promise<string[]> {
  const lines: string[] = [];
  const say = (fields: object, message: string) => lines.push(`${message} ${JSON.stringify(fields)}`);
  await installCni({
    env,
    root,
    executable: join(root, 'image/bin/calico'),
    hostname: 'host-1',
    account: undefined,
    log: { debug: say, info: say, warn: say },
    ...more,
  });
  return lines;
}

const config = (name = '10-calico.conflist') => JSON.parse(read(`${net}/${name}`));

describe('installCni puts programs', () => {
  test('as a link to the original, and a name that follows it', async () => {
    await install();
    expect(names(bin)).toEqual(['calico', 'calico-ipam']);
    expect(statSync(join(root, bin, 'calico')).ino).toBe(statSync(join(root, 'image/bin/calico')).ino);
    expect(readlinkSync(join(root, bin, 'calico-ipam'))).toBe('calico');
  });

  test('with the shim where there is one, and the executable under the name by which it is found', async () => {
    put('image/bin/calico-cni-shim', 'shim 1', 0o755);
    await install();
    expect(names(bin)).toEqual(['calico', 'calico-ipam', 'calico-plugin']);
    expect([read(`${bin}/calico`), read(`${bin}/calico-ipam`)]).toEqual(['shim 1', 'shim 1']);
    expect(statSync(join(root, bin, 'calico-plugin')).ino).toBe(statSync(join(root, 'image/bin/calico')).ino);
  });

  test('in place of others, also of links, through which nothing is written', async () => {
    put('elsewhere', 'not ours');
    symlinkSync(join(root, 'elsewhere'), join(root, bin, 'calico'));
    put(`${bin}/calico-ipam`, 'Calico’s own', 0o755);
    await install();
    expect(read('elsewhere')).toBe('not ours');
    expect(lstatSync(join(root, bin, 'calico')).isSymbolicLink()).toBe(false);
    expect(read(`${bin}/calico-ipam`)).toBe('program 1');
  });

  test('of a new version in place of an old one, which who runs it keeps', async () => {
    await install();
    const old = statSync(join(root, bin, 'calico')).ino;
    // As an image's update: another file.
    rmSync(join(root, 'image/bin/calico'));
    put('image/bin/calico', 'program 2', 0o755);
    await install();
    expect(read(`${bin}/calico-ipam`)).toBe('program 2');
    expect(statSync(join(root, bin, 'calico')).ino).not.toBe(old);
  });

  test('of the image too, but for those that are to be skipped', async () => {
    for (const name of ['bandwidth', 'portmap', 'tuning', 'install', 'calico']) put(`opt/cni/bin/${name}`, name, 0o755);
    await install({ SKIP_CNI_BINARIES: 'tuning, flannel' });
    expect(names(bin)).toEqual(['bandwidth', 'calico', 'calico-ipam', 'portmap']);
    expect(read(`${bin}/calico`)).toBe('program 1');
  });

  test('into the second folder too', async () => {
    mkdirSync(join(root, 'host/secondary-bin-dir'));
    await install();
    expect(names('host/secondary-bin-dir')).toEqual(['calico', 'calico-ipam']);
  });

  test('never over those that are there when it is not to update', async () => {
    put(`${bin}/calico`, 'of the image of the host', 0o755);
    await install({ UPDATE_CNI_BINARIES: 'false' });
    expect(read(`${bin}/calico`)).toBe('of the image of the host');
    expect(readlinkSync(join(root, bin, 'calico-ipam'))).toBe('calico');
  });

  test('by copy onto another file system, whole and executable', async () => {
    const other = mkdtempSync('/dev/shm/calico-install-');
    try {
      if (statSync(other).dev === statSync(root).dev) return;
      const executable = join(other, 'calico');
      writeFileSync(executable, 'x'.repeat(3_000_000), { mode: 0o700 });
      const lines = await install({}, { executable });
      expect(lines.join('\n')).toContain('"how":"copied"');
      expect(readFileSync(executable).equals(readFileSync(join(root, bin, 'calico')))).toBe(true);
      expect(mode(`${bin}/calico`)).toBe('755');
      const again = await install({}, { executable });
      expect(again.join('\n')).not.toContain('"how":"copied"');
    } finally {
      rmSync(other, { recursive: true });
    }
  });

  test('nowhere, and says what to do', async () => {
    rmSync(join(root, bin), { recursive: true });
    expect(install()).rejects.toThrow('none of /host/opt/cni/bin, /host/secondary-bin-dir can be written; mount');
    expect(install({ UPDATE_CNI_BINARIES: 'false' })).rejects.toThrow('can be written');
    expect(existsSync(join(root, net, '10-calico.conflist'))).toBe(false);
  });
});

describe('installCni writes the network configuration', () => {
  test('of pods that are the agent’s where nothing is said', async () => {
    await install();
    expect(config()).toEqual({
      name: 'k8s-pod-network',
      cniVersion: '1.0.0',
      plugins: [
        {
          type: 'calico',
          log_level: 'info',
          log_file_path: '/var/log/calico/cni/cni.log',
          datastore_type: 'kubernetes',
          nodename: 'host-1',
          ipam: { type: 'calico-ipam' },
          policy: { type: 'k8s' },
          kubernetes: { kubeconfig: '/etc/cni/net.d/calico-kubeconfig' },
          agent: '/var/run/calico/cni.sock',
        },
      ],
    });
    expect(mode(`${net}/10-calico.conflist`)).toBe('600');
    expect(names(net)).toEqual(['10-calico.conflist']);
  });

  test('with portmap where it is installed, and with what the environment says', async () => {
    put('opt/cni/bin/portmap', 'portmap', 0o755);
    await install({
      KUBERNETES_NODE_NAME: 'node-1',
      CNI_MTU: '1400',
      CALICO_API_GROUP: 'projectcalico.org/v3',
      CNI_NET_DIR: '/etc/k3s/cni',
      CALICO_RUN_DIR: '/run/calico',
      LOG_LEVEL: 'debug',
    });
    const [calico, portmap] = config().plugins;
    expect(calico).toMatchObject({
      nodename: 'node-1',
      mtu: 1400,
      log_level: 'debug',
      calico_api_group: 'projectcalico.org/v3',
      agent: '/run/calico/cni.sock',
      kubernetes: { kubeconfig: '/etc/k3s/cni/calico-kubeconfig' },
    });
    expect(portmap).toEqual({ type: 'portmap', snat: true, capabilities: { portMappings: true } });
  });

  const template = JSON.stringify(
    Object.fromEntries(
      ['LOG_LEVEL', 'LOG_FILE_PATH', 'LOG_FILE_MAX_SIZE', 'LOG_FILE_MAX_AGE', 'LOG_FILE_MAX_COUNT', 'DATASTORE_TYPE']
        .concat(['KUBERNETES_NODE_NAME', 'KUBECONFIG_FILEPATH', 'CNI_MTU', 'KUBERNETES_SERVICE_HOST'])
        .concat(['KUBERNETES_SERVICE_PORT', 'SERVICEACCOUNT_TOKEN', 'CALICO_API_GROUP', 'ETCD_ENDPOINTS'])
        .concat(['ETCD_DISCOVERY_SRV', 'ETCD_CA_CERT_FILE', 'ETCD_CERT_FILE', 'ETCD_KEY_FILE', 'REQUIRE_MTU_FILE'])
        .map(name => [name, `__${name}__`]),
    ),
  );
  const defaults = {
    LOG_LEVEL: 'info',
    LOG_FILE_PATH: '/var/log/calico/cni/cni.log',
    LOG_FILE_MAX_SIZE: '100',
    LOG_FILE_MAX_AGE: '30',
    LOG_FILE_MAX_COUNT: '10',
    DATASTORE_TYPE: 'kubernetes',
    KUBERNETES_NODE_NAME: 'host-1',
    KUBECONFIG_FILEPATH: '/etc/cni/net.d/calico-kubeconfig',
    CNI_MTU: '1500',
    KUBERNETES_SERVICE_HOST: '',
    KUBERNETES_SERVICE_PORT: '',
    SERVICEACCOUNT_TOKEN: '',
    CALICO_API_GROUP: 'crd.projectcalico.org/v1',
    ETCD_ENDPOINTS: '',
    ETCD_DISCOVERY_SRV: '',
    ETCD_CA_CERT_FILE: '',
    ETCD_CERT_FILE: '',
    ETCD_KEY_FILE: '',
    REQUIRE_MTU_FILE: 'false',
  };

  test('from a template, every placeholder with Calico’s default', async () => {
    await install({ CNI_NETWORK_CONFIG: template });
    expect(config()).toEqual(defaults);
  });

  test('from a template, every placeholder with the variable of its name', async () => {
    const given = Object.fromEntries(Object.keys(defaults).map(name => [name, `value-of-${name}`]));
    await install({ ...given, CNI_NETWORK_CONFIG: template });
    const computed = [
      'KUBECONFIG_FILEPATH',
      'SERVICEACCOUNT_TOKEN',
      'ETCD_CA_CERT_FILE',
      'ETCD_CERT_FILE',
      'ETCD_KEY_FILE',
    ];
    const kept = Object.fromEntries(computed.map(name => [name, defaults[name as keyof typeof defaults]]));
    expect(config()).toEqual({ ...given, ...kept });
  });

  test('from a file before the variable, under another name, and takes the old one away', async () => {
    put(`host-config`, '{"name": "from-file", "other": "__MINE__"}');
    await install();
    const lines = await install({
      CNI_NETWORK_CONFIG_FILE: '/host-config',
      CNI_NETWORK_CONFIG: template,
      CNI_CONF_NAME: '05-mine.conflist',
    });
    expect(config('05-mine.conflist')).toEqual({ name: 'from-file', other: '__MINE__' });
    expect(names(net)).toEqual(['05-mine.conflist']);
    expect(lines.join('\n')).toContain('{"unknown":["__MINE__"]}');
    await install({ CNI_OLD_CONF_NAME: '05-mine.conflist' });
    expect(names(net)).toEqual(['10-calico.conflist']);
  });

  test.each([
    ['a template that is no JSON', { CNI_NETWORK_CONFIG: '{"secret": __SERVICEACCOUNT_TOKEN__' }, 'is no JSON'],
    ['a file that is not there', { CNI_NETWORK_CONFIG_FILE: '/nowhere' }, 'CNI_NETWORK_CONFIG_FILE is "/nowhere"'],
    ['a name that leads elsewhere', { CNI_CONF_NAME: '../../x' }, 'CNI_CONF_NAME is "../../x"; allowed: the name'],
    ['an old name that leads elsewhere', { CNI_OLD_CONF_NAME: 'a/b' }, 'CNI_OLD_CONF_NAME is "a/b"'],
  ])('never from %s', async (_, env, words) => {
    const account = { token: 'my-own-secret', ca: 'CA', requestToken: async () => 'for-plugin' };
    const failure = await install(
      { KUBERNETES_SERVICE_HOST: 'k', ...(env as Record<string, string>) },
      { account },
    ).catch((error: Error) => error.message);
    expect(failure).toContain(words);
    expect(failure).not.toContain('my-own-secret');
  });
});

describe('in a pod installCni writes a kubeconfig', () => {
  const account = { token: 'own-token', ca: 'THE CA', requestToken: async () => 'plugin-token' };
  const pod = { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '6443' };

  test('with a token made for the plugin, readable by root alone', async () => {
    await install(pod, { account });
    expect(mode(`${net}/calico-kubeconfig`)).toBe('600');
    expect(Bun.YAML.parse(read(`${net}/calico-kubeconfig`))).toEqual({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [
        {
          name: 'local',
          cluster: {
            server: 'https://10.96.0.1:6443',
            'certificate-authority-data': Buffer.from('THE CA').toString('base64'),
          },
        },
      ],
      users: [{ name: 'calico', user: { token: 'plugin-token' } }],
      contexts: [{ name: 'calico-context', context: { cluster: 'local', user: 'calico' } }],
      'current-context': 'calico-context',
    });
  });

  test.each([
    [
      'SKIP_TLS_VERIFY',
      { SKIP_TLS_VERIFY: 'true' },
      { server: 'https://10.96.0.1:6443', 'insecure-skip-tls-verify': true },
    ],
    ['another protocol', { KUBERNETES_SERVICE_PROTOCOL: 'http' }, { server: 'http://10.96.0.1:6443' }],
    ['IPv6', { KUBERNETES_SERVICE_HOST: 'fd00::1' }, { server: 'https://[fd00::1]:6443' }],
  ])('with %s', async (_, env, cluster) => {
    await install({ ...pod, ...(env as Record<string, string>) }, { account });
    const kubeconfig = Bun.YAML.parse(read(`${net}/calico-kubeconfig`)) as { clusters: { cluster: object }[] };
    expect(kubeconfig.clusters[0]?.cluster).toMatchObject(cluster);
  });

  test('no network configuration appears while there is no token', async () => {
    const refused = { ...account, requestToken: () => Promise.reject(new Error('forbidden')) };
    expect(install(pod, { account: refused })).rejects.toThrow('forbidden');
    expect(names(net)).toEqual([]);
  });

  test('tokens are in no line of the log', async () => {
    const lines = await install({ ...pod, CNI_NETWORK_CONFIG: '{"t": "__SERVICEACCOUNT_TOKEN__"}' }, { account });
    expect(config()).toEqual({ t: 'own-token' });
    expect(lines.join('\n')).not.toMatch(/own-token|plugin-token/);
  });
});

describe('installCni keeps etcd’s certificates on the host', () => {
  const log = { debug() {}, info() {}, warn() {} };
  beforeEach(() => mkdirSync(join(root, 'calico-secrets')));

  test('as they are mounted, named in the configuration by their place on the host', async () => {
    put('calico-secrets/etcd-ca', 'CA', 0o444);
    put('calico-secrets/etcd-cert', 'CERT');
    put('calico-secrets/etcd-key', 'KEY', 0o400);
    const template = '["__ETCD_CA_CERT_FILE__", "__ETCD_CERT_FILE__", "__ETCD_KEY_FILE__"]';
    await install({ CNI_NETWORK_CONFIG: template });
    expect(config()).toEqual(['etcd-ca', 'etcd-cert', 'etcd-key'].map(name => `/etc/cni/net.d/calico-tls/${name}`));
    expect(names(`${net}/calico-tls`)).toEqual(['etcd-ca', 'etcd-cert', 'etcd-key']);
    expect(mode(`${net}/calico-tls/etcd-key`)).toBe('400');

    put('calico-secrets/etcd-cert', 'CERT 2');
    rmSync(join(root, 'calico-secrets/etcd-ca'));
    installTlsFiles({ env: {}, root, log });
    expect(read(`${net}/calico-tls/etcd-cert`)).toBe('CERT 2');
    expect(names(`${net}/calico-tls`)).toEqual(['etcd-cert', 'etcd-key']);
  });

  test('not once they are gone', async () => {
    put('secrets-ca', 'CA');
    mkdirSync(join(root, net, 'calico-tls'), { recursive: true });
    put(`${net}/calico-tls/etcd-ca`, 'OLD');
    await install({ TLS_ASSETS_DIR: '/calico-secrets', CNI_NETWORK_CONFIG: '["__ETCD_CA_CERT_FILE__"]' });
    expect(config()).toEqual(['']);
    expect(existsSync(join(root, net, 'calico-tls'))).toBe(false);
  });
});

test('a second run changes nothing, and one after a crash leaves nothing unfinished', async () => {
  await install();
  const facts = () =>
    [`${net}/10-calico.conflist`, `${bin}/calico`, `${bin}/calico-ipam`].map(path => lstatSync(join(root, path)).ino);
  const before = facts();
  put(`${net}/.10-calico.conflist.calico-new`, '{"half": ');
  put(`${bin}/.portmap.calico-new`, 'half');
  await install();
  expect(facts()).toEqual(before);
  expect(readdirSync(join(root, net))).toEqual(['10-calico.conflist']);
  expect(names(bin)).toEqual(['calico', 'calico-ipam']);
});
