// Loaded before the agent's sources: makes of them another build, by whose hand every chain and map has another name.
import { join } from 'node:path';
import { plugin } from 'bun';

const names = join(import.meta.dir, '../../packages/dataplane/src/policy/names.ts');
/** What is replaced, so that a change of the sources cannot make this the same build unnoticed. */
const changes: readonly (readonly [string, string])[] = [
  ["=== 'egress' ? 'from' : 'to'", "=== 'egress' ? 'next-from' : 'next-to'"],
  ["'lookup/'", "'next-lookup/'"],
  ['return `${id.replaceAll', 'return `next-${id.replaceAll'],
  ['maxNameLength - 13)}/$', 'maxNameLength - 13)}/next-$'],
];

plugin({
  name: 'other build',
  setup(build) {
    build.onLoad({ filter: new RegExp(`^${names.replaceAll('.', '\\.')}$`) }, async () => {
      let contents = await Bun.file(names).text();
      for (const [from, to] of changes) {
        if (!contents.includes(from)) throw new Error(`Cannot make another build: ${names} has no ${from}`);
        contents = contents.replace(from, to);
      }
      return { contents, loader: 'ts' };
    });
  },
});
