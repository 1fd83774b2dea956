// What npm test runs once everything is set up: the checks, then every test, then one line of counts.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkCount, runChecks } from './checks.ts';

const root = join(import.meta.dir, '..');
const scratch = mkdtempSync(join(tmpdir(), 'calico-test-'));
const report = join(scratch, 'junit.xml');

const failedChecks = await runChecks(root, { fix: false });

const tests = Bun.spawnSync(
  [
    process.execPath,
    'test',
    '--timeout=120000',
    '--reporter=junit',
    `--reporter-outfile=${report}`,
    'packages',
    'tests',
  ],
  { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] },
);

// The tests themselves are tested: faults planted in the policy compiler must not survive them.
const mutation = Bun.spawnSync([process.execPath, 'tools/mutation.ts'], {
  cwd: root,
  stdio: ['ignore', 'inherit', 'inherit'],
});
const survivors = mutation.exitCode === 0 ? 0 : 1;

const counts = countCases(readFileSync(report, 'utf8'));
rmSync(scratch, { recursive: true });
for (const name of counts.skippedNames) console.log(`skipped: ${name}`);

const passed = counts.passed + checkCount - failedChecks + 1 - survivors;
const failed = counts.failed + failedChecks + survivors;
// A crash of the runner must not look like success.
const crashed = tests.exitCode !== 0 && counts.failed === 0 ? 1 : 0;
console.log(`${passed} passed, ${failed + crashed} failed, ${counts.skippedNames.length} skipped`);
process.exit(failed + crashed === 0 && counts.passed > 0 ? 0 : 1);

/** The counts of a JUnit report, from its root; a skipped test carries its reason in its name. */
function countCases(xml: string): { passed: number; failed: number; skippedNames: string[] } {
  const [root = ''] = /<testsuites\b[^>]*>/.exec(xml) ?? [];
  const count = (name: string) => Number(new RegExp(` ${name}="(\\d+)"`).exec(root)?.[1]);
  const failed = count('failures');
  const skipped = count('skipped');
  const skippedNames = [...xml.matchAll(/<testcase\b([^>]*[^/])>\s*<skipped\b/g)].map(
    ([, attributes = '']) => /\bname="([^"]*)"/.exec(attributes)?.[1] ?? '?',
  );
  if (skippedNames.length !== skipped)
    throw new Error(`Cannot count: ${skipped} skipped, ${skippedNames.length} found`);
  return { passed: count('tests') - failed - skipped, failed, skippedNames };
}
