import { expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { readNodeEnvironment } from './environment.ts';

test('the node’s name is NODENAME, else the file’s, else HOSTNAME, else the host’s, the last two in lower case', () => {
  const folder = mkdtempSync(join(tmpdir(), 'calico-environment-'));
  const file = join(folder, 'nodename');
  writeFileSync(file, 'from-file\n');
  const name = (env: Record<string, string>) => readNodeEnvironment({ CALICO_LIB_DIR: folder, ...env }).nodeName;
  expect(name({ NODENAME: 'given', HOSTNAME: 'Host' })).toBe('given');
  expect(name({ HOSTNAME: 'Host' })).toBe('from-file');
  rmSync(folder, { recursive: true });
  expect(name({ HOSTNAME: 'Host' })).toBe('host');
  expect(name({})).toBe(hostname().toLowerCase());
});

test.each([
  [
    'nothing: BIRD, Calico’s folders',
    {},
    { bird: true, networking: true, runFolder: '/var/run/calico', nodenameFile: '/var/lib/calico/nodename' },
  ],
  ['vxlan: no BIRD', { CALICO_NETWORKING_BACKEND: 'vxlan' }, { bird: false, networking: true }],
  ['none: policy alone', { CALICO_NETWORKING_BACKEND: 'none' }, { bird: false, networking: false }],
  ['the name in Kubernetes', { CALICO_K8S_NODE_REF: 'k' }, { nodeName: 'n', kubernetesNodeName: 'k' }],
  ['a folder for state', { CALICO_LIB_DIR: '/x' }, { nodenameFile: '/x/nodename', shutdownFile: '/x/shutdownTS' }],
  [
    'files for state',
    { CALICO_NODENAME_FILE: '/a', CALICO_SHUTDOWN_TIMESTAMP_FILE: '/b' },
    { nodenameFile: '/a', shutdownFile: '/b' },
  ],
] as const)('%s', (_, env, expected) => {
  expect(readNodeEnvironment({ NODENAME: 'n', ...env })).toMatchObject(expected);
});

test('a networking backend that is none is refused by name', () => {
  expect(() => readNodeEnvironment({ CALICO_NETWORKING_BACKEND: 'cloud' })).toThrow(
    'CALICO_NETWORKING_BACKEND is "cloud"; allowed: bird, vxlan, none',
  );
});
