// npm run bench: set up what is missing, then measure.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { buildExecutable, bun, installNpmPackages, requireLinux, root } from './setup.mjs';

requireLinux();
installNpmPackages();
buildExecutable();
const bench = spawnSync(bun, [join(root, 'bench', 'lab.ts'), ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
});
process.exit(bench.status ?? 1);
