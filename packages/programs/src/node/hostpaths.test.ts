import { afterEach, beforeEach, expect, test } from 'bun:test';
import { lstatSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runHostpathInit } from './hostpaths.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'calico-hostpaths-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const asRoot = process.getuid?.() === 0;

test.skipIf(!asRoot)(
  `folders and logs become the user’s, but nothing behind a link${asRoot ? '' : ' (needs root)'}`,
  async () => {
    const at = (path: string) => join(folder, path);
    mkdirSync(at('log/cni/old'), { recursive: true });
    writeFileSync(at('log/cni/old/cni.log'), '');
    writeFileSync(at('secret'), '');
    symlinkSync(at('secret'), at('log/cni/link'));
    // A user that a user namespace may know too: its own root.
    const user = 0;
    const env = { NODENAME: 'n', CALICO_LIB_DIR: at('lib'), CALICO_RUN_DIR: at('run'), NODE_USER_ID: String(user) };
    expect(await runHostpathInit(env, at('log'))).toBe(0);
    for (const path of ['lib', 'run', 'log', 'log/cni', 'log/cni/old/cni.log'])
      expect(statSync(at(path)).uid).toBe(user);
    expect(statSync(at('run')).mode & 0o777).toBe(0o700);

    const inNamespace = Bun.spawnSync(['chown', '1234', at('lib')]).exitCode !== 0;
    if (inNamespace) return;
    expect(await runHostpathInit({ ...env, NODE_USER_ID: '1234' }, at('log'))).toBe(0);
    for (const path of ['lib', 'log/cni/old/cni.log']) expect(statSync(at(path)).uid).toBe(1234);
    expect(lstatSync(at('log/cni/link')).uid).toBe(1234);
    expect(statSync(at('secret')).uid).toBe(0);
  },
);

test('a user that is no number is refused', async () => {
  expect(runHostpathInit({ NODE_USER_ID: 'calico' }, folder)).rejects.toThrow(
    'NODE_USER_ID is "calico"; allowed: the number',
  );
});
