import { expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { privileged } from './testing.ts';

// The event thread is a file of its own: this is where a bundler would lose it.
const program = `
import { openKernel } from '${join(import.meta.dir, 'index.ts')}';
const kernel = openKernel();
const subscription = kernel.subscribe(['link'], event => {
  console.log(event.kind === 'link' && event.link.name);
  subscription.close();
  kernel.close();
  clearTimeout(patience);
});
const patience = setTimeout(() => process.exit(3), 5000);
kernel.createLink({ kind: 'bridge', name: 'br0' });
`;

privileged(import.meta.path, () => {
  test('a compiled executable receives kernel events, and ends by itself', () => {
    const folder = mkdtempSync(join(tmpdir(), 'kernel-compile-'));
    try {
      writeFileSync(join(folder, 'main.ts'), program);
      const options = ['--compile', '--minify', '--bytecode', '--outfile', join(folder, 'main')];
      const build = Bun.spawnSync([process.execPath, 'build', ...options, join(folder, 'main.ts')]);
      expect(build.exitCode === 0 ? '' : build.stderr.toString()).toBe('');
      const run = Bun.spawnSync(['unshare', '-n', join(folder, 'main')], { cwd: folder });
      expect({ out: run.stdout.toString(), errors: run.stderr.toString(), code: run.exitCode }).toEqual({
        out: 'br0\n',
        errors: '',
        code: 0,
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  }, 30_000);
});
