// Seeds faults, one at a time, into a copy of the sources and requires that a test notices each: `npm run test:mutation`.
// With words as arguments, only the faults whose names contain one of them.
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { applyFault } from '../tests/mutation/apply-fault.ts';
import { copySources } from '../tests/mutation/copy.ts';
import { type Fault, faults } from '../tests/mutation/faults.ts';

const root = join(import.meta.dir, '..');

interface Stage {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** The unit tests of what decides about policy, and, as root, a few random clusters on the real kernel. */
const policyStages: readonly Stage[] = [
  ...['packages/policy', 'packages/dataplane', 'packages/calc'].map(args => ({ args: [args], env: {} })),
  ...(process.getuid?.() === 0 ? [{ args: ['tests/cluster'], env: { CALICO_CASES: '8' } }] : []),
];

/** For faults of IPAM: its unit tests, then its simulation, which notices most of the rest within three hundred runs. */
const ipamStages: readonly Stage[] = [
  { args: ['packages/ipam'], env: {} },
  ...['300', '1500'].map(IPAM_SEEDS => ({ args: ['tests/ipam'], env: { IPAM_SEEDS } })),
];

/**
 * What is run in turn until a test fails: the file that has noticed the fault so far, then everything that may notice it, the tests of
 * its own package first.
 */
function stagesOf({ file, noticedBy }: Fault): readonly Stage[] {
  const isOf = (path: string, { args }: Stage) => args.some(folder => path.startsWith(`${folder}/`));
  const ofIpam = ['packages/ipam/', 'packages/controllers/'].some(each => file.startsWith(each));
  const own = (ofIpam ? ipamStages : policyStages).toSorted((a, b) => Number(isOf(file, b)) - Number(isOf(file, a)));
  const env = own.find(stage => isOf(noticedBy, stage))?.env ?? {};
  return [{ args: [noticedBy], env }, ...own];
}

/** A run that takes longer than this, in milliseconds, is taken for caught: a fault can make a loop endless. */
const limit = 120_000;

interface Outcome {
  readonly name: string;
  /** The first test that failed; undefined when the fault survived. */
  readonly caughtBy: string | undefined;
  readonly seconds: number;
}

/** What stages without any fault give, by their JSON: nothing where they pass. */
const withoutFault = new Map<string, Promise<string | undefined>>();

const wanted = faults.filter(
  fault => process.argv.length < 3 || process.argv.slice(2).some(w => fault.name.includes(w)),
);
if (wanted.length === 0) throw new Error(`Cannot seed faults: no name contains ${process.argv.slice(2).join(' or ')}`);

process.exit(await main());

async function main(): Promise<number> {
  const copies = Array.from({ length: Math.max(1, Math.min(2, availableParallelism())) }, () => copySources(root));
  try {
    const queue = [...wanted];
    const outcomes: Outcome[] = [];
    const work = async (copy: string) => {
      for (let fault = queue.shift(); fault !== undefined; fault = queue.shift()) {
        const outcome = await tryFault(copy, fault);
        outcomes.push(outcome);
        print(outcome);
      }
    };
    await Promise.all(copies.map(copy => work(copy.path)));
    const survived = outcomes.filter(outcome => outcome.caughtBy === undefined);
    console.log(`${outcomes.length - survived.length} faults caught, ${survived.length} survived`);
    return survived.length === 0 ? 0 : 1;
  } finally {
    for (const copy of copies) copy.remove();
  }
}

function print({ name, caughtBy, seconds }: Outcome): void {
  const time = `${seconds.toFixed(1)} s`.padStart(7);
  console.log(`${caughtBy === undefined ? 'SURVIVED' : 'caught  '} ${time}  ${name.padEnd(62)} ${caughtBy ?? ''}`);
}

async function tryFault(copy: string, fault: Fault): Promise<Outcome> {
  const started = performance.now();
  const path = join(copy, fault.file);
  const text = readFileSync(path, 'utf8');
  let caughtBy: string | undefined;
  for (const stage of stagesOf(fault)) {
    writeFileSync(path, applyFault(fault, text));
    caughtBy = await runTests(copy, stage);
    writeFileSync(path, text);
    if (caughtBy === undefined) continue;
    await requirePass(copy, stage);
    break;
  }
  return { name: fault.name, caughtBy, seconds: (performance.now() - started) / 1000 };
}

/** Throws when a stage fails without any fault too: it has noticed nothing then. */
async function requirePass(copy: string, stage: Stage): Promise<void> {
  const key = JSON.stringify(stage);
  const running = withoutFault.get(key) ?? runTests(copy, stage);
  withoutFault.set(key, running);
  const failed = await running;
  if (failed !== undefined) throw new Error(`Cannot seed faults: without any, this test fails: ${failed}`);
}

/** Throws when the tests could not be run at all, as for a fault that is no TypeScript. */
function runTests(copy: string, { args, env }: Stage): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const options = { cwd: copy, env: { ...process.env, ...env } } as const;
    const settings = ['--bail=1', '--timeout=60000', '--preload=./tests/mutation/first-failure.ts'];
    const child = spawn(process.execPath, ['test', ...settings, ...args], options);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', data => {
        output += data;
      });
    }
    const timer = setTimeout(() => child.kill('SIGKILL'), limit);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const failed = /^\(fail\) (.*?)(?: \[[\d.]+ms\])?$/m.exec(output)?.[1];
      if (code === 0) resolve(undefined);
      else if (failed !== undefined) resolve(failed);
      else if (signal === 'SIGKILL') resolve(`no end within ${limit / 1000} s`);
      else reject(new Error(`Cannot run ${args.join(' ')}: no test failed, yet the exit code is ${code}\n${output}`));
    });
  });
}
