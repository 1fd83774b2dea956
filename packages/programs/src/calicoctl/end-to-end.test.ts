import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ApiServer, createCertificates, printKubeconfig, startApiServer } from '@calico/apiserver';
import { addr } from '@calico/ip';
import { Ipam } from '@calico/ipam';
import { systemClock, systemRandom } from '@calico/process';
import { openDatastore } from '../datastore/open.ts';
import { Desk } from './testing.ts';

// Every step starts a process, on a machine that may have much else to do.
setDefaultTimeout(60_000);

const SILENT = { info: () => {}, warn: () => {}, error: () => {} };
const TOKEN = 'end-to-end';
let server: ApiServer;
let desk: Desk;
let env: Record<string, string>;
beforeAll(async () => {
  desk = new Desk();
  const certificates = createCertificates({ hosts: ['127.0.0.1'], now: systemClock.wallTime() });
  server = await startApiServer({
    storePath: ':memory:',
    listen: [{ host: '127.0.0.1', port: 0 }],
    tls: certificates,
    tokens: [{ token: TOKEN, user: 'tests' }],
    clock: systemClock,
    log: SILENT,
  });
  const kubeconfig = join(desk.folder, 'kubeconfig');
  writeFileSync(kubeconfig, printKubeconfig({ server: server.urls[0] ?? '', ca: certificates.ca, token: TOKEN }));
  env = { KUBECONFIG: kubeconfig, HOME: desk.folder, PATH: process.env.PATH ?? '' };
});
afterAll(async () => {
  await server.stop();
  desk.close();
});

/** Runs the program as a process, on the server. */
async function calicoctl(args: string[], stdin = ''): Promise<{ code: number; out: string; err: string }> {
  const call = `import { runCalicoctl } from '${join(import.meta.dir, 'main.ts')}'; process.exit(await runCalicoctl(process.argv.slice(1)));`;
  const child = Bun.spawn([process.execPath, '-e', call, '--', ...args], {
    env,
    stdin: new Blob([stdin]),
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const [code, out, err] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code, out, err };
}

test('apply, get and delete on the embedded API server', async () => {
  const pool = 'apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {name: one}\nspec: {cidr: 10.244.0.0/16}\n';
  const applied = "Successfully applied 1 'IPPool' resource(s)\n";
  expect(await calicoctl(['apply', '-f', '-'], pool)).toEqual({ code: 0, out: applied, err: '' });
  expect(await calicoctl(['apply', '-f', '-'], pool)).toEqual({ code: 0, out: applied, err: '' });
  expect(await calicoctl(['get', 'ippools'])).toEqual({
    code: 0,
    out: 'NAME   CIDR            SELECTOR   \none    10.244.0.0/16   all()      \n\n',
    err: '',
  });
  expect((await calicoctl(['create', '-f', '-'], pool)).err).toBe(
    `failed to create 'IPPool' resource: [resource already exists: IPPool(one) with error: ippools.projectcalico.org "one" already exists]\n`,
  );
  expect((await calicoctl(['delete', 'ippool', 'one'])).code).toBe(0);
  expect((await calicoctl(['get', 'ippool', 'one'])).err).toBe(
    'resource does not exist: IPPool(one) with error: ippools.projectcalico.org "one" not found\n',
  );
});

test('a large answer reaches a slow reader whole', async () => {
  const set = (i: number): string =>
    `{"apiVersion":"projectcalico.org/v3","kind":"GlobalNetworkSet","metadata":{"name":"set-${i}","annotations":{"note":"${'x'.repeat(20_000)}"}},"spec":{"nets":["10.0.0.${i}/32"]}}`;
  const sets = `[${Array.from({ length: 20 }, (_, i) => set(i)).join(',')}]`;
  expect((await calicoctl(['create', '-f', '-'], sets)).out).toBe(
    "Successfully created 20 'GlobalNetworkSet' resource(s)\n",
  );
  const { out } = await calicoctl(['get', 'gnetsets', '-o', 'json']);
  expect(out.length).toBeGreaterThan(400_000);
  expect(JSON.parse(out).items).toHaveLength(20);
});

test('a server that is not there, and one that refuses, are named', async () => {
  const unreachable = await calicoctl(['version', '-c', desk.file('c.cfg', cfg('https://127.0.0.1:1'))]);
  expect(unreachable.code).toBe(1);
  expect(unreachable.err).toContain(
    'Unable to retrieve Cluster Version or Type: Cannot discover the API groups: https://127.0.0.1:1',
  );
  const refused = await calicoctl(['get', 'ippools', '-c', desk.file('d.cfg', cfg(server.urls[0] ?? '', 'wrong'))]);
  expect(refused).toMatchObject({ code: 1, out: '' });
  expect(refused.err).toStartWith('failed to get resources: connection is unauthorized: ');
});

function cfg(endpoint: string, token = TOKEN): string {
  return `apiVersion: projectcalico.org/v3\nkind: CalicoAPIConfig\nspec:\n  k8sAPIEndpoint: ${endpoint}\n  k8sAPIToken: ${token}\n  k8sInsecureSkipTLSVerify: true\n`;
}

test('ipam check, release, configure and split on the embedded API server', async () => {
  const pool = 'apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {name: leaky}\nspec: {cidr: 10.99.0.0/24}\n';
  expect((await calicoctl(['apply', '-f', '-'], pool)).code).toBe(0);
  expect((await calicoctl(['datastore', 'migrate', 'lock'])).code).toBe(0);
  const { client } = await openDatastore({ kubeconfig: env.KUBECONFIG ?? '' }, { env });
  const ipam = new Ipam({ client, clock: systemClock, random: systemRandom });
  const attributes = { node: 'node-1', namespace: 'shop', pod: 'gone-0' };
  await ipam.assignIp({ address: addr('10.99.0.7'), handle: 'k8s-pod-network.gone', attributes, node: 'node-1' });
  const report = join(desk.folder, 'report.json');
  const check = await calicoctl(['ipam', 'check', '--show-problem-ips', '-o', report]);
  expect({ code: check.code, err: check.err }).toEqual({ code: 0, err: '' });
  expect(check.out).toContain('10.99.0.7 leaked; attrs Main:k8s-pod-network.gone');
  const released = await calicoctl(['ipam', 'release', `--from-report=${report}`]);
  expect(released).toEqual({
    code: 0,
    out: "Releasing 1 old IPs...\nReleased 1 IPs successfully\nReport didn't contain any handles to clean up.\n",
    err: '',
  });
  expect((await calicoctl(['ipam', 'check'])).out).toEndWith('Check complete; found 0 problems.\n');
  const split = await calicoctl(['ipam', 'split', '2', '--name=leaky']);
  expect(split.err).toBe('');
  expect(split.out).toContain('Created split-leaky-1 with CIDR 10.99.0.128/25.');
  expect((await calicoctl(['ipam', 'configure', '--strictaffinity=true'])).out).toBe(
    'Successfully set StrictAffinity to: true\n',
  );
  expect((await calicoctl(['datastore', 'migrate', 'unlock'])).code).toBe(0);
});
