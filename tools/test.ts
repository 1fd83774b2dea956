// What npm test runs once everything is set up: the checks, then every test, then one line of counts.
// With names of groups as arguments (packages, tests/cni), only those, and no planted faults. CALICO_TEST_SEED: other random input.
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Glob } from 'bun';
import { buildKubernetes } from '../tests/kubernetes/build.ts';
import { missingForKubernetes } from '../tests/kubernetes/server.ts';
import { checkCount, runChecks } from './checks.ts';

const root = join(import.meta.dir, '..');
const scratch = mkdtempSync(join(tmpdir(), 'calico-test-'));
const named = process.argv.slice(2);
/** What random input begins with: the same in every run unless told otherwise. */
const { CALICO_TEST_SEED: seed = '1' } = process.env;
const seeds = { CALICO_TEST_SEED: seed, CALICO_FUZZ_SEED: seed, FUZZ_SEED: seed };

const failedChecks = await runChecks(root, { fix: false });

/** The groups that take longest, which start first, so that none of them is left alone at the end. */
const longest = ['tests/faults', 'tests/cni', 'tests/controllers', 'tests/lab', 'tests/felix', 'tests/cluster'];

// A process for each group: what one leaves behind in memory costs the next nothing.
const groups = [
  ...new Set([
    ...longest,
    'packages',
    ...readdirSync(join(root, 'tests'), { withFileTypes: true }).flatMap(entry =>
      entry.isDirectory() ? [`tests/${entry.name}`] : [],
    ),
  ]),
].filter(group => named.length === 0 || named.includes(group));
const counts = { passed: 0, failed: 0, skippedNames: [] as string[] };
/** What failed, as the runner told it, by the name of its group. */
const failures: { group: string; told: string }[] = [];

// Minutes on a machine that has never built it: no test's time is to count it, and no two groups are to do it at once.
if (missingForKubernetes() === undefined && groups.some(group => group !== 'packages'))
  await buildKubernetes(line => console.log(line));

// Beside each other, for much of their time is waiting: for servers that start, for the kernel, for what must not happen.
const queue = groups.filter(group => !new Glob('**/*.test.ts').scanSync({ cwd: join(root, group) }).next().done);
const lanes = Array.from({ length: Math.min(2, availableParallelism()) }, async () => {
  for (let group = queue.shift(); group !== undefined; group = queue.shift()) await runGroup(group);
});
await Promise.all(lanes);

// The tests themselves are tested: faults planted in the policy compiler must not survive them.
const planted = named.length === 0 ? 1 : 0;
const survivors = planted === 1 && (await run(['tools/mutation.ts'], 'inherit').exited) !== 0 ? 1 : 0;

rmSync(scratch, { recursive: true });
for (const name of counts.skippedNames) console.log(`skipped: ${name}`);
// Once more, at the end: the first screen that somebody sees is the last that was printed.
for (const { group, told } of failures) console.log(`failed in ${group}:\n${told}`);

const passed = counts.passed + checkCount - failedChecks + planted - survivors;
const failed = counts.failed + failedChecks + survivors;
console.log(`${passed} passed, ${failed} failed, ${counts.skippedNames.length} skipped`);
process.exit(failed === 0 && counts.passed > 0 ? 0 : 1);

function run(args: readonly string[], output: 'inherit' | number) {
  return Bun.spawn([process.execPath, ...args], {
    cwd: root,
    env: { ...seeds, ...process.env },
    stdio: ['ignore', output, output],
  });
}

/** Runs the tests of a folder, prints what they said once they are over, and counts them. */
async function runGroup(group: string): Promise<void> {
  const started = performance.now();
  const file = join(scratch, group.replaceAll('/', '-'));
  const report = `${file}.xml`;
  const reporting = ['--reporter=junit', `--reporter-outfile=${report}`];
  const log = openSync(`${file}.log`, 'a');
  const tests = run(['test', '--preload=./tests/seed.ts', '--timeout=120000', ...reporting, `${group}/`], log);
  const exitCode = await tests.exited;
  closeSync(log);
  const found = existsSync(report)
    ? countCases(readFileSync(report, 'utf8'))
    : { passed: 0, failed: 0, skippedNames: [] };
  counts.passed += found.passed;
  // A crash of the runner must not look like success.
  counts.failed += found.failed + (exitCode !== 0 && found.failed === 0 ? 1 : 0);
  counts.skippedNames.push(...found.skippedNames);
  const seconds = Math.round((performance.now() - started) / 1000);
  const busy = Math.round(Number(tests.resourceUsage()?.cpuTime.total ?? 0) / 1e6);
  const told = readFileSync(`${file}.log`, 'utf8');
  if (exitCode !== 0) failures.push(...toldFailures(told).map(each => ({ group, told: each })));
  console.log(told);
  console.log(`${group}: ${found.passed} passed in ${seconds} s, with ${busy} s of processor time`);
}

/**
 * What a log of the runner tells of each test that failed: its error, which stands before the line with its name, 40 lines of it at
 * most; the runner names them once more at its end, without. If no test failed by name, the end of the log, which then tells why
 * the runner did.
 */
function toldFailures(log: string): string[] {
  const lines = log.split('\n');
  const told = new Map<string, string>();
  let start = 0;
  for (const [index, line] of lines.entries()) {
    if (!/^\((pass|fail|skip|todo)\) /.test(line)) continue;
    const isNew = line.startsWith('(fail)') && !told.has(line);
    if (isNew) told.set(line, lines.slice(Math.max(start, index - 40), index + 2).join('\n'));
    start = index + 1;
  }
  return told.size > 0 ? [...told.values()] : [lines.slice(-40).join('\n')];
}

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
