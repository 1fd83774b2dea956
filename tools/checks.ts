/** The checks that need no test runner: each is a command, its effect in words, and how to mend a failure. */
const checks = [
  {
    name: 'format and lint',
    command: ['biome', 'check', '--error-on-warnings'],
    fix: ['biome', 'check', '--write', '--error-on-warnings'],
  },
  { name: 'imports flow one way', command: ['bun', 'tools/check-imports.ts'] },
  { name: 'docstrings and READMEs', command: ['bun', 'tools/check-docs.ts'] },
  { name: 'types of the pure packages, no platform in sight', command: ['tsc', '-p', 'tsconfig.values.json'] },
  { name: 'types', command: ['tsc', '-p', 'tsconfig.json'] },
] as const;

/** Runs every check, prints a line each with its time, and gives the number that failed. With `fix`, formats first. */
export async function runChecks(root: string, options: { fix: boolean }): Promise<number> {
  let failed = 0;
  for (const check of checks) {
    const started = performance.now();
    const command = options.fix && 'fix' in check ? check.fix : check.command;
    const [program, ...args] = command;
    const done = Bun.spawnSync([`${root}/node_modules/.bin/${program}`, ...args], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ok = done.exitCode === 0;
    if (!ok) failed++;
    console.log(`${ok ? 'ok  ' : 'FAIL'} ${check.name} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
    if (!ok) console.log(`${done.stdout}${done.stderr}`);
  }
  return failed;
}

/** How many checks there are. */
export const checkCount = checks.length;
