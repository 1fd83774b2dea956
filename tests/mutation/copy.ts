import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What of the repository the tests need. */
const copied = ['package.json', 'tsconfig.json', 'tsconfig.base.json', 'packages', 'tests', 'examples'];

/**
 * Copies the sources to a temporary folder. Third parties' packages are links to the original's; the workspace's own
 * are links into the copy, so that a change of the copy is seen by all of its packages.
 */
export function copySources(root: string): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'calico-mutation-'));
  const filter = (source: string) => !/\/(node_modules|dist|\.git)$/.test(source);
  for (const name of copied) cpSync(join(root, name), join(path, name), { recursive: true, filter });
  const [from, to] = [join(root, 'node_modules'), join(path, 'node_modules')];
  mkdirSync(join(to, '@calico'), { recursive: true });
  for (const name of readdirSync(from)) if (name !== '@calico') symlinkSync(join(from, name), join(to, name));
  for (const name of readdirSync(join(path, 'packages'))) {
    symlinkSync(join(path, 'packages', name), join(to, '@calico', name));
  }
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
