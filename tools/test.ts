// What npm test runs once everything is set up: the checks, then every test, then one line of counts.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Glob } from 'bun';
import { checkCount, runChecks } from './checks.ts';

const root = join(import.meta.dir, '..');
const scratch = mkdtempSync(join(tmpdir(), 'calico-test-'));

const failedChecks = await runChecks(root, { fix: false });

// A process for each group: what one leaves behind in memory costs the next nothing.
const groups = [
  'packages',
  ...readdirSync(join(root, 'tests'), { withFileTypes: true }).flatMap(entry =>
    entry.isDirectory() ? [`tests/${entry.name}`] : [],
  ),
].filter(group => !new Glob('**/*.test.ts').scanSync({ cwd: join(root, group) }).next().done);
const counts = { passed: 0, failed: 0, skippedNames: [] as string[] };
for (const group of groups) {
  const started = performance.now();
  const report = join(scratch, `${group.replaceAll('/', '-')}.xml`);
  const reporting = ['--reporter=junit', `--reporter-outfile=${report}`];
  const tests = Bun.spawnSync([process.execPath, 'test', '--timeout=120000', ...reporting, `${group}/`], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const found = existsSync(report)
    ? countCases(readFileSync(report, 'utf8'))
    : { passed: 0, failed: 0, skippedNames: [] };
  counts.passed += found.passed;
  // A crash of the runner must not look like success.
  counts.failed += found.failed + (tests.exitCode !== 0 && found.failed === 0 ? 1 : 0);
  counts.skippedNames.push(...found.skippedNames);
  console.log(`${group}: ${found.passed} passed in ${Math.round((performance.now() - started) / 1000)} s`);
}

// The tests themselves are tested: faults planted in the policy compiler must not survive them.
const mutation = Bun.spawnSync([process.execPath, 'tools/mutation.ts'], {
  cwd: root,
  stdio: ['ignore', 'inherit', 'inherit'],
});
const survivors = mutation.exitCode === 0 ? 0 : 1;

rmSync(scratch, { recursive: true });
for (const name of counts.skippedNames) console.log(`skipped: ${name}`);

const passed = counts.passed + checkCount - failedChecks + 1 - survivors;
const failed = counts.failed + failedChecks + survivors;
console.log(`${passed} passed, ${failed} failed, ${counts.skippedNames.length} skipped`);
process.exit(failed === 0 && counts.passed > 0 ? 0 : 1);

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
