import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { IPPool, ResourceUpdate } from '@calico/api';
import { fakeKernel } from '@calico/kernel/fake';
import { createLogger } from '@calico/process';
import { readNodeEnvironment } from './environment.ts';
import { mtuWatch } from './mtu-watch.ts';
import { NodeView } from './node-view.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'calico-mtu-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function watch(parameters: Record<string, string> = {}) {
  const kernel = fakeKernel();
  kernel.createLink({ kind: 'dummy', name: 'eth0', mtu: 1500, up: true });
  kernel.createLink({ kind: 'dummy', name: 'bond0', mtu: 9000, up: true });
  const lines: string[] = [];
  const log = createLogger({ component: 'test', write: line => void lines.push(line) });
  const environment = readNodeEnvironment({ NODENAME: 'n', CALICO_LIB_DIR: folder });
  const view = new NodeView('n');
  const mtu = mtuWatch({ kernel, environment, log }, view, parameters);
  await mtu.start();
  return { kernel, view, mtu, lines, file: () => readFileSync(join(folder, 'mtu'), 'utf8') };
}

const vxlan: IPPool = {
  apiVersion: 'projectcalico.org/v3',
  kind: 'IPPool',
  metadata: { name: 'p' },
  spec: { cidr: '10.0.0.0/16', vxlanMode: 'Always' },
};

test('the file and the log follow the pools, and say which interface it was', async () => {
  const { kernel, view, mtu, lines, file } = await watch();
  expect(file).toThrow('ENOENT');
  view.onInSync();
  expect(file()).toBe('1500');
  expect(lines.join('')).toContain('eth0 has 1500, the smallest');
  view.onUpdates([{ kind: 'IPPool', name: 'p', resource: vxlan } as ResourceUpdate]);
  expect([file(), mtu.mtu()]).toEqual(['1450', 1450]);
  kernel.setLink(kernel.link('eth0')?.index ?? 0, { mtu: 1400 });
  await Promise.resolve();
  expect([file(), mtu.mtu()]).toEqual(['1350', 1350]);
  expect(lines.join('')).toContain('vxlan takes 50');
  await mtu.stop();
});

test('Felix’s parameters choose the interfaces and set an overlay’s MTU; a pattern that is none is told', async () => {
  const { view, mtu, file } = await watch({ MTUIfacePattern: '^bond', vxlanmtu: '8000' });
  view.onInSync();
  expect(file()).toBe('9000');
  view.onUpdates([{ kind: 'IPPool', name: 'p', resource: vxlan } as ResourceUpdate]);
  expect(file()).toBe('8000');
  await mtu.stop();
  const bad = await watch({ MTUIfacePattern: '(' });
  bad.view.onInSync();
  expect(bad.file()).toBe('1500');
  expect(bad.lines.join('')).toContain('MTUIfacePattern is no regular expression');
  await bad.mtu.stop();
});
