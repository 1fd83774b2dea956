// npm run ok: everything a committer runs. Format, lint, import direction, docstrings, types, unit tests.
import { join } from 'node:path';
import { runChecks } from './checks.ts';

const root = join(import.meta.dir, '..');
const failed = await runChecks(root, { fix: !process.env.CI });
if (failed > 0) process.exit(1);
/** What is generated from the sources is committed with them. */
const generated = 'tests/crds/generated.test.ts';
const tests = Bun.spawnSync(
  [process.execPath, 'test', '--timeout=120000', 'packages', 'tests/oracle', 'tests/cases', generated],
  {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  },
);
process.exit(tests.exitCode);
