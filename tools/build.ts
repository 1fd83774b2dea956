// npm run build: one executable, dist/calico, which is every program of the system, and the shim of its CNI plugins beside it.
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { $ } from 'bun';
import manifest from '../package.json' with { type: 'json' };

const root = join(import.meta.dir, '..');
const out = join(root, 'dist', 'calico');
mkdirSync(join(root, 'dist'), { recursive: true });

const commit = (await $`git -C ${root} rev-parse --short HEAD`.nothrow().quiet()).stdout.toString().trim() || 'unknown';
const entrypoint = join(root, 'packages/programs/src/main.ts');
const defines = [`CALICO_VERSION="v${manifest.version}"`, `CALICO_COMMIT="${commit}"`].flatMap(d => ['--define', d]);

// Split, so that starting one program loads that one alone: `calico version` takes 7 ms, from one bundle 12.
const options = ['--compile', '--minify', '--bytecode', '--format=esm', '--splitting', ...defines];
// What lies in the folder of whoever calls it is no part of its environment; not looking spares the plugin 0.5 ms.
options.push('--no-compile-autoload-dotenv', '--no-compile-autoload-bunfig');
// Written beside and renamed, so that a lab that runs from the old file keeps it.
await $`${process.execPath} build ${options} ${entrypoint} --outfile ${`${out}.new`}`.quiet();
renameSync(`${out}.new`, out);

// Without a C compiler pods start without the shim, 10 ms later.
const shim = join(root, 'dist', 'calico-cni-shim');
const source = join(root, 'packages/cni/shim/calico.c');
const compiled = await $`${process.env.CC ?? 'cc'} -std=gnu17 -O2 -static -s -o ${`${shim}.new`} ${source}`
  .nothrow()
  .quiet();
if (compiled.exitCode === 0) renameSync(`${shim}.new`, shim);
else {
  rmSync(shim, { force: true });
  process.stderr.write(`Built without the shim of the CNI plugins: ${compiled.stderr.toString().trim()}\n`);
}
