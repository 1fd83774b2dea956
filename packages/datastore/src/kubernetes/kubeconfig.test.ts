import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatastoreError } from '../error.ts';
import type { Credential, KubernetesConfig } from './config.ts';
import { readKubeconfigs } from './kubeconfig.ts';
import { inClusterConfig, loadKubeconfig } from './load-kubeconfig.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'calico-kubeconfig-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

function write(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** A kubeconfig with one context, whose user and cluster have these further lines. */
function kubeconfig(user: string, cluster = ''): string {
  return `apiVersion: v1
kind: Config
current-context: lab
contexts:
- name: lab
  context: { cluster: c, user: u, namespace: shop }
clusters:
- name: c
  cluster:
    server: https://192.0.2.1:6443
${cluster}
users:
- name: u
  user:
${user}
`;
}

const credential = async (config: KubernetesConfig): Promise<Credential | undefined> => await config.credentials?.get();

describe('readKubeconfigs', () => {
  const users: { name: string; user: string; want: Credential }[] = [
    { name: 'a token', user: '    token: abc', want: { authorization: 'Bearer abc' } },
    {
      name: 'a file with a token, relative to the kubeconfig, before a token',
      user: '    tokenFile: token\n    token: abc',
      want: { authorization: 'Bearer from-file' },
    },
    {
      name: 'name and password',
      user: '    username: me\n    password: secret',
      want: { authorization: `Basic ${base64('me:secret')}` },
    },
    {
      name: 'an inline certificate',
      user: `    client-certificate-data: ${base64('CERT')}\n    client-key-data: ${base64('KEY')}`,
      want: { certificate: { cert: 'CERT', key: 'KEY' } },
    },
    {
      name: 'files with certificate and key',
      user: '    client-certificate: cert.pem\n    client-key: key.pem',
      want: { certificate: { cert: 'CERT-FILE', key: 'KEY-FILE' } },
    },
  ];
  for (const { name, user, want } of users) {
    test(`takes ${name}`, async () => {
      write('token', 'from-file\n');
      write('cert.pem', 'CERT-FILE');
      write('key.pem', 'KEY-FILE');
      const config = readKubeconfigs([write('config', kubeconfig(user))]);
      expect(config).toMatchObject({ server: 'https://192.0.2.1:6443', namespace: 'shop' });
      expect(await credential(config)).toEqual(want);
    });
  }

  test('takes what a cluster says', () => {
    const cluster = `    certificate-authority-data: ${base64('CA')}
    tls-server-name: api.example.com
    insecure-skip-tls-verify: true
    proxy-url: http://proxy:3128`;
    expect(readKubeconfigs([write('config', kubeconfig('    token: a', cluster))])).toMatchObject({
      ca: 'CA',
      serverName: 'api.example.com',
      insecureSkipTlsVerify: true,
      proxyUrl: 'http://proxy:3128',
    });
  });

  test('reads a CA file anew when it was replaced', () => {
    const ca = write('ca.pem', 'ONE');
    const config = readKubeconfigs([write('config', kubeconfig('    token: a', '    certificate-authority: ca.pem'))]);
    const read = (): unknown => (typeof config.ca === 'function' ? config.ca() : config.ca);
    expect(read()).toBe('ONE');
    writeFileSync(ca, 'TWO');
    utimesSync(ca, 1, 1);
    expect(read()).toBe('TWO');
  });

  test('takes another context, and the first of several files that names a thing', async () => {
    const first = write(
      'first',
      'contexts: [{ name: other, context: { cluster: c, user: u } }]\nusers: [{ name: u, user: { token: first } }]',
    );
    const second = write('second', kubeconfig('    token: second'));
    const config = readKubeconfigs([first, second], { context: 'other' });
    expect(config.namespace).toBeUndefined();
    expect(await credential(config)).toEqual({ authorization: 'Bearer first' });
  });

  test('reads JSON too', () => {
    const text = JSON.stringify({
      'current-context': 'x',
      contexts: [{ name: 'x', context: { cluster: 'c' } }],
      clusters: [{ name: 'c', cluster: { server: 'http://localhost:8080' } }],
    });
    expect(readKubeconfigs([write('config', text)])).toEqual({ server: 'http://localhost:8080' });
  });

  const faults: { name: string; text: string; want: string }[] = [
    { name: 'no context', text: 'clusters: []', want: 'current-context is missing' },
    {
      name: 'an unknown context',
      text: 'current-context: x\ncontexts: [{ name: y }]',
      want: 'context is "x"; allowed: one of contexts: "y"',
    },
    {
      name: 'no server',
      text: kubeconfig('    token: a').replace(/ +server:.*/, '    x: y'),
      want: 'clusters[].cluster.server is missing',
    },
    {
      name: 'a certificate without key',
      text: kubeconfig(`    client-certificate-data: ${base64('CERT')}`),
      want: 'the user has a client certificate only; allowed: both',
    },
    { name: 'no YAML', text: 'a: [', want: 'it is no YAML' },
  ];
  for (const { name, text, want } of faults) {
    test(`names the file and the fault: ${name}`, () => {
      const path = write('config', text);
      const attempt = () => readKubeconfigs([path]);
      expect(attempt).toThrow(DatastoreError);
      expect(attempt).toThrow(`Cannot load kubeconfig ${path}: ${want}`);
    });
  }
});

describe('a user with an exec plugin', () => {
  /** A plugin that counts its runs in a file and prints an ExecCredential. */
  function plugin(status: object, exit = 0): string {
    const answer = { apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status };
    const script = write(
      'plugin',
      `#!/bin/sh\necho run >> ${directory}/runs\necho "$KUBERNETES_EXEC_INFO" > ${directory}/info\n[ ${exit} = 0 ] || { echo "$WORD" >&2; exit ${exit}; }\ncat <<'END'\n${JSON.stringify(answer)}\nEND\n`,
    );
    chmodSync(script, 0o755);
    return `    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: ./plugin
      provideClusterInfo: true
      installHint: install it
      env: [{ name: WORD, value: no luck }]`;
  }
  const runs = async (): Promise<number> => (await Bun.file(join(directory, 'runs')).text()).trim().split('\n').length;

  test.each([
    { name: 'of no version', exec: '{command: x}', problem: 'exec.apiVersion is ""; allowed: client.authentication' },
    { name: 'of another version', exec: '{command: x, apiVersion: v1}', problem: 'exec.apiVersion is "v1"; allowed' },
    {
      name: 'without a command',
      exec: '{apiVersion: client.authentication.k8s.io/v1}',
      problem: 'exec.command is missing',
    },
  ])('$name is refused with the file and the field', ({ exec, problem }) => {
    const file = write('config', kubeconfig(`    exec: ${exec}`));
    expect(() => readKubeconfigs([file])).toThrow(`Cannot load kubeconfig ${file}: users[].user.${problem}`);
  });

  test('gets its token, once until it expires or is refused, whatever the wall clock does meanwhile', async () => {
    const clock = { now: () => now, wallTime: () => now + wallStart };
    let now = 5000;
    let wallStart = Date.parse('2026-01-01T00:00:00Z') - now;
    const user = plugin({ token: 'abc', expirationTimestamp: '2026-01-01T01:00:00Z' });
    const config = readKubeconfigs([write('config', kubeconfig(user))], { clock });
    const get = () => credential(config);
    const both = await Promise.all([get(), get()]);
    expect(both.map(found => found?.authorization ?? '')).toEqual(['Bearer abc', 'Bearer abc']);
    for (const jump of [5, -10, 5]) {
      wallStart += jump * 3_600_000;
      await get();
    }
    expect(await runs()).toBe(1);
    now += 3_595_000;
    wallStart -= 5 * 3_600_000;
    await get();
    expect(await runs()).toBe(2);
    await get();
    expect(await runs()).toBe(2);
    expect(config.credentials?.refused()).toBe(true);
    await get();
    expect(await runs()).toBe(3);
    expect(await Bun.file(join(directory, 'info')).json()).toMatchObject({
      kind: 'ExecCredential',
      spec: { interactive: false, cluster: { server: 'https://192.0.2.1:6443' } },
    });
  });

  test('says what the plugin said when it fails, and how to get it', async () => {
    const config = readKubeconfigs([write('config', kubeconfig(plugin({}, 3)))]);
    await expect(credential(config)).rejects.toThrow('no luck\ninstall it');
  });

  test('is refused an answer without credentials', async () => {
    const config = readKubeconfigs([write('config', kubeconfig(plugin({})))]);
    await expect(credential(config)).rejects.toThrow('its output has no status.token');
  });
});

describe('loadKubeconfig', () => {
  const text = (server: string): string => kubeconfig('    token: a').replace('https://192.0.2.1:6443', server);

  test('looks at $KUBECONFIG, then at the home directory', () => {
    mkdirSync(join(directory, '.kube'));
    write('.kube/config', text('https://home'));
    const listed = write('listed', text('https://listed'));
    const missing = join(directory, 'missing');
    expect(loadKubeconfig({ env: { HOME: directory, KUBECONFIG: `${missing}:${listed}` } }).server).toBe(
      'https://listed',
    );
    expect(loadKubeconfig({ env: { HOME: directory } }).server).toBe('https://home');
  });

  test('finds nothing, and says where it looked', () => {
    expect(() => loadKubeconfig({ env: { HOME: directory } })).toThrow('allowed: a file given, $KUBECONFIG');
    expect(() => loadKubeconfig({ env: {}, inCluster: true })).toThrow('KUBERNETES_SERVICE_HOST is ""');
  });

  test('a pod uses its service account, whose token is read anew when it was replaced', async () => {
    const token = write('token', 'one\n');
    write('ca.crt', 'CA');
    write('namespace', 'calico-system');
    const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '6443' };
    const config = inClusterConfig(env, directory);
    if (config === undefined) throw new Error('no configuration');
    expect(config).toMatchObject({ server: 'https://[fd00::1]:6443', namespace: 'calico-system' });
    expect(await credential(config)).toEqual({ authorization: 'Bearer one' });
    writeFileSync(token, 'two\n');
    utimesSync(token, 1, 1);
    expect(await credential(config)).toEqual({ authorization: 'Bearer two' });
  });
});
