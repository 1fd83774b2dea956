import { loadavg } from 'node:os';

/** One measured figure with what it is to reach and what Calico was measured at on two cores. */
export interface Figure {
  readonly name: string;
  readonly values: readonly number[];
  readonly target: string;
  readonly calico: string;
  readonly unit: string;
}

/** Prints the figures on standard output: a table, or with `--json` on the command line every value. */
export function report(figures: readonly Figure[]): void {
  console.log(process.argv.includes('--json') ? JSON.stringify(figures, null, 2) : printFigures(figures));
}

/** Says on standard error what else the machine has to do: its load averages over 1, 5 and 15 minutes. */
export function noteLoad(when: 'at the start' | 'at the end'): void {
  const loads = loadavg().map(load => load.toFixed(1));
  console.error(`load ${when}: ${loads.join(' ')}`);
}

/** Aligned: minimum, median, 90th percentile, target, Calico. */
function printFigures(figures: readonly Figure[]): string {
  const rows = [
    ['', 'min', 'median', 'p90', 'unit', 'runs', 'at most', 'Calico'],
    ...figures.map(({ name, values, target, calico, unit }) => [
      name,
      ...[0, 0.5, 0.9].map(q => printValue(quantile(values, q))),
      unit,
      String(values.length),
      target,
      calico,
    ]),
  ];
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map(row => row[i]?.length ?? 0))) ?? [];
  return rows
    .map(row =>
      row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  '),
    )
    .join('\n');
}

/** Two digits behind the point for what is below 10, one for the rest. */
function printValue(value: number): string {
  return value.toFixed(Math.abs(value) < 10 ? 2 : 1);
}

/** The value below which the share `q` of the values lies. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

/** Milliseconds of a whole process, run again and again; the first two runs warm the caches up. */
export async function timeProcess(
  command: string[],
  runs: number,
  env: Record<string, string> = {},
): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < runs + 2; i++) {
    const startedAt = performance.now();
    const child = Bun.spawn(command, { env: { ...process.env, ...env }, stdout: 'ignore', stderr: 'ignore' });
    const code = await child.exited;
    if (code !== 0) throw new Error(`Cannot measure ${command.join(' ')}: exit code ${code}`);
    if (i >= 2) times.push(performance.now() - startedAt);
  }
  return times;
}
