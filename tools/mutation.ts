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

/** For faults of IPAM: its unit tests, then its simulation, which notices most of the rest within a hundred runs. */
const ipamStages: readonly Stage[] = [
  { args: ['packages/ipam'], env: {} },
  { args: ['tests/ipam'], env: { IPAM_SEEDS: '1500' } },
];

/** What is run in turn until a test fails; first the tests of the fault's own package, which notice most. */
function stagesOf({ file }: Pick<Fault, 'file'>): readonly Stage[] {
  if (['packages/ipam/', 'packages/controllers/'].some(each => file.startsWith(each))) return ipamStages;
  const isOwn = ({ args }: Stage) => args.some(folder => file.startsWith(`${folder}/`));
  return [...policyStages.filter(isOwn), ...policyStages.filter(stage => !isOwn(stage))];
}

/** A run that takes longer than this, in milliseconds, is taken for caught: a fault can make a loop endless. */
const limit = 120_000;

interface Outcome {
  readonly name: string;
  /** The first test that failed; undefined when the fault survived. */
  readonly caughtBy: string | undefined;
  readonly seconds: number;
}

const wanted = faults.filter(
  fault => process.argv.length < 3 || process.argv.slice(2).some(w => fault.name.includes(w)),
);
if (wanted.length === 0) throw new Error(`Cannot seed faults: no name contains ${process.argv.slice(2).join(' or ')}`);

process.exit(await main());

async function main(): Promise<number> {
  const copies = Array.from({ length: Math.max(1, Math.min(2, availableParallelism())) }, () => copySources(root));
  try {
    const [first] = copies;
    const stages = new Set(wanted.flatMap(stagesOf));
    const broken = first && (await runStages(first.path, [...stages]));
    if (broken !== undefined) {
      console.error(`Cannot seed faults: without any, this test fails: ${broken}`);
      return 1;
    }
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
  writeFileSync(path, applyFault(fault, text));
  const caughtBy = await runStages(copy, stagesOf(fault));
  writeFileSync(path, text);
  return { name: fault.name, caughtBy, seconds: (performance.now() - started) / 1000 };
}

/** Runs the tests until one fails, and gives its name. */
async function runStages(copy: string, stages: readonly Stage[]): Promise<string | undefined> {
  for (const { args, env } of stages) {
    const failed = await runTests(copy, args, env);
    if (failed !== undefined) return failed;
  }
  return undefined;
}

/** Throws when the tests could not be run at all, as for a fault that is no TypeScript. */
function runTests(copy: string, args: readonly string[], env: Record<string, string>): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const options = { cwd: copy, env: { ...process.env, ...env } } as const;
    const child = spawn(process.execPath, ['test', '--bail=1', '--timeout=60000', ...args], options);
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
