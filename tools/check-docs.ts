// Checks that every exported function and class of a package carries a docstring, and that every package has its README.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Glob } from 'bun';

const root = join(import.meta.dir, '..');
const problems: string[] = [];

for (const name of readdirSync(join(root, 'packages'))) {
  if (!existsSync(join(root, 'packages', name, 'README.md'))) problems.push(`packages/${name}: README.md is missing`);
}
for await (const path of new Glob('packages/*/src/**/*.ts').scan({ cwd: root })) {
  if (/\.test\.ts$|\/gen\//.test(path)) continue;
  const lines = readFileSync(join(root, path), 'utf8').split('\n');
  for (const [i, line] of lines.entries()) {
    if (!/^export (async function|function|class|abstract class)\b/.test(line)) continue;
    // An overload or an implementation under its documented overloads needs no second docstring.
    const name = /(?:function|class)\*? ?(\w+)/.exec(line)?.[1];
    const before = lines[i - 1]?.trim() ?? '';
    if (before.endsWith('*/') || before.startsWith(`export function ${name}`)) continue;
    problems.push(`${path}:${i + 1}: ${name} has no docstring; say what it gives, units, errors and source`);
  }
}
for (const problem of problems) console.error(problem);
process.exit(problems.length === 0 ? 0 : 1);
