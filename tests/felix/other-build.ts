// Loaded before the agent's sources: makes of them another build, that has every map and chain by another name and is called by
// the kernel at other places.
import { join } from 'node:path';
import { plugin } from 'bun';

const folder = join(import.meta.dir, '../../packages/dataplane/src/policy');
/** What is replaced in each file. */
const changes: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  'names.ts': [
    ["=== 'egress' ? 'from' : 'to'", "=== 'egress' ? 'next-from' : 'next-to'"],
    ["'lookup/'", "'next-lookup/'"],
    ['return `${id.replaceAll', 'return `next-${id.replaceAll'],
    ['maxNameLength - 13)}/$', 'maxNameLength - 13)}/next-$'],
  ],
  'base-chains.ts': [
    ['priority: -300 }', 'priority: -299 }'],
    ["hook: 'forward', priority: 0 }", "hook: 'forward', priority: -5 }"],
    ["hook: 'forward', priority: 1 }", "hook: 'forward', priority: -4 }"],
  ],
};

plugin({
  name: 'other build',
  setup(build) {
    for (const [name, replaced] of Object.entries(changes)) {
      const file = join(folder, name);
      build.onLoad({ filter: new RegExp(`^${file.replaceAll('.', '\\.')}$`) }, async () => {
        let contents = await Bun.file(file).text();
        for (const [from, to] of replaced) {
          // A change of the sources must not make this the same build unnoticed.
          if (!contents.includes(from)) throw new Error(`Cannot make another build: ${file} has no ${from}`);
          contents = contents.replace(from, to);
        }
        return { contents, loader: 'ts' };
      });
    }
  },
});
