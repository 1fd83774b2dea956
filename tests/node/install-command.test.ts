import { afterEach, beforeEach, expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './node-host.ts';

const MAIN = join(import.meta.dir, '../../packages/programs/src/main.ts');
setDefaultTimeout(60_000);

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'calico-install-command-'));
  for (const folder of ['host/opt/cni/bin', 'usr/bin']) mkdirSync(join(root, folder), { recursive: true });
  writeFileSync(join(root, 'usr/bin/calico'), '#!/bin/sh\necho installed as $0\n', { mode: 0o755 });
});
afterEach(() => rmSync(root, { recursive: true }));

const install = (env: Record<string, string>) =>
  Bun.spawn([process.execPath, MAIN, 'component', 'cni', 'install', '--root', root], {
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });

test('calico component cni install ends when it is not to sleep, and both programs run', async () => {
  const child = install({ SLEEP: 'false', KUBERNETES_NODE_NAME: 'node-1' });
  expect(await child.exited).toBe(0);
  const bin = join(root, 'host/opt/cni/bin');
  expect(readlinkSync(join(bin, 'calico-ipam'))).toBe('calico');
  const { stdout } = Bun.spawnSync([join(bin, 'calico-ipam')]);
  expect(stdout.toString()).toContain('installed as');
  const { plugins } = JSON.parse(readFileSync(join(root, 'host/etc/cni/net.d/10-calico.conflist'), 'utf8'));
  expect(plugins[0].nodename).toBe('node-1');
});

test('calico component cni install stays, follows etcd’s certificates, and ends when it is told to', async () => {
  const child = install({});
  const config = join(root, 'host/etc/cni/net.d/10-calico.conflist');
  const certificate = join(root, 'host/etc/cni/net.d/calico-tls/etcd-cert');
  try {
    await until('it has installed', () => existsSync(config));
    mkdirSync(join(root, 'calico-secrets'));
    writeFileSync(join(root, 'calico-secrets/etcd-cert'), 'renewed');
    await until('the certificate is there', () => existsSync(certificate));
    expect(readFileSync(certificate, 'utf8')).toBe('renewed');
  } finally {
    child.kill('SIGTERM');
  }
  expect(await child.exited).toBe(0);
});

test('calico component cni install ends with 1 and the cause where nothing can be written', async () => {
  rmSync(join(root, 'host/opt'), { recursive: true });
  const child = install({ SLEEP: 'false' });
  const text = await new Response(child.stderr).text();
  expect(await child.exited).toBe(1);
  expect(text).toContain('Cannot install the CNI plugin: none of /host/opt/cni/bin');
});
