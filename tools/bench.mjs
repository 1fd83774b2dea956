// npm run bench and its kin: set up what is missing, then measure. The first argument may name a file of bench/.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { buildExecutable, bun, installNpmPackages, requireLinux, root } from './setup.mjs';

requireLinux();
installNpmPackages();
buildExecutable();
const [first = '', ...rest] = process.argv.slice(2);
const [file, args] = first.endsWith('.ts') ? [first, rest] : ['lab.ts', process.argv.slice(2)];
const bench = spawnSync(bun, [join(root, 'bench', file), ...args], { cwd: root, stdio: 'inherit' });
process.exit(bench.status ?? 1);
