// npm test: set up what is missing, then run every check and every test of the project.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import {
  buildExecutable,
  bun,
  installDebianPackages,
  installNpmPackages,
  requireLinux,
  root,
  testPackages,
} from './setup.mjs';

requireLinux();
installNpmPackages();
installDebianPackages(testPackages);
buildExecutable();

const tests = spawnSync(bun, [join(root, 'tools', 'test.ts'), ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
});
process.exit(tests.status ?? 1);
