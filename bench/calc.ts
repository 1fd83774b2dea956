/**
 * npm run bench:calc: the calculation alone on three generated clusters, each in a process of its own.
 *
 *   node tools/bench.mjs calc.ts [W1 | W2 | W3] [--runs N] [--json]
 *
 * Counted: the time within `update` and `flush`, from nothing to all messages. Making the objects and decoding their JSON
 * is not. Memory is that of the whole process (VmHWM), the runtime and the garbage of the generator in it. The part is
 * bundled and minified before, as the released program is.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SyncResult } from './calc/result.ts';
import { workloads } from './calc/workloads.ts';
import { type Figure, noteLoad, quantile, report } from './figures.ts';

interface Target {
  readonly seconds: number;
  readonly peakMB: number;
  readonly calico: string;
}

const targets: Readonly<Record<string, Target>> = {
  W1: { seconds: 5.4, peakMB: 425, calico: '10.8 s, heap 283 MB' },
  W2: { seconds: 8.4, peakMB: 1190, calico: '16.8 s, heap 792 MB' },
  W3: { seconds: 0.21, peakMB: 61, calico: '0.42 s, heap 41 MB' },
};

const args = process.argv.slice(2);
const runs = Number(args[args.indexOf('--runs') + 1] ?? Number.NaN) || 3;
const chosen = Object.keys(workloads).filter(name => !args.some(arg => arg in workloads) || args.includes(name));
const MB = 1e6;

const folder = mkdtempSync(join(tmpdir(), 'calico-bench-'));
const figures: Figure[] = [];
try {
  const part = await bundle();
  noteLoad('at the start');
  for (const name of chosen) {
    const results = Array.from({ length: runs }, () => run(part, name));
    figures.push(...figuresOf(name, results));
  }
  noteLoad('at the end');
} finally {
  rmSync(folder, { recursive: true, force: true });
}
report(figures);

/** One file of the part and all that it imports. */
async function bundle(): Promise<string> {
  const built = await Bun.build({
    entrypoints: [join(import.meta.dir, 'calc', 'sync.ts')],
    target: 'bun',
    minify: true,
    outdir: folder,
  });
  const [output] = built.outputs;
  if (output === undefined) throw new Error(`Cannot bundle bench/calc/sync.ts: ${built.logs.join('; ')}`);
  return output.path;
}

function run(part: string, workload: string): SyncResult {
  const done = Bun.spawnSync([process.execPath, part, JSON.stringify({ workload })], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (done.exitCode !== 0)
    throw new Error(`Cannot measure ${workload}: bench/calc/sync.ts ended with ${done.exitCode}`);
  return JSON.parse(done.stdout.toString()) as SyncResult;
}

function figuresOf(name: string, results: readonly SyncResult[]): Figure[] {
  const target = targets[name];
  const label = workloads[name]?.name ?? name;
  const figure = (what: string, of: (result: SyncResult) => number, unit: string, most?: number, calico = '-') => ({
    name: `${label}: ${what}`,
    values: results.map(of),
    target: most === undefined ? '-' : String(most),
    calico,
    unit,
  });
  return [
    figure('first sync', result => result.syncMs / 1000, 's', target?.seconds, target?.calico),
    figure('of it on a processor', result => result.cpuMs / 1000, 's'),
    figure('longest piece', result => result.longestMs, 'ms', 20),
    figure('of it the flush', result => result.flushMs / 1000, 's'),
    figure('peak resident', result => result.peak / MB, 'MB', target?.peakMB),
    figure('of it before the first object', result => result.atStart / MB, 'MB'),
    figure('heap afterwards', result => result.heap / MB, 'MB'),
    figure('remote relabel, median', result => quantile(result.relabelRemote, 0.5) * 1000, 'µs', 1000),
    figure('remote relabel, 99%', result => quantile(result.relabelRemote, 0.99) * 1000, 'µs'),
    figure('local relabel, median', result => quantile(result.relabelLocal, 0.5) * 1000, 'µs', 1000),
    figure('local relabel, 99%', result => quantile(result.relabelLocal, 0.99) * 1000, 'µs'),
  ];
}
