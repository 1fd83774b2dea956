import { expect, test } from 'bun:test';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defaultPools } from '../../packages/node/src/default-pools.ts';
import { renderNetworkConfig } from '../../packages/node/src/installer/network-config.ts';

const ROOT = join(import.meta.dir, '..', '..');

/** The variables of the table in docs/node.md. */
function documented(): string[] {
  const [, table = ''] = readFileSync(join(ROOT, 'docs/node.md'), 'utf8').split('## Environment');
  return [...table.matchAll(/^\| `([A-Z0-9_]+)`/gm)].map(([, name = '']) => name);
}

/** An environment that notes what it is asked for. */
function listening(heard: Set<string>): Record<string, string | undefined> {
  return new Proxy({}, { get: (_, name) => void heard.add(String(name)) });
}

/** The variables that the sources read by a fixed name, and those whose names they put together. */
function read(): string[] {
  const names = new Set<string>();
  const files = [
    'packages/node/src/**/*.ts',
    'packages/programs/src/node/*.ts',
    'packages/programs/src/cni-install.ts',
  ];
  for (const file of files.flatMap(pattern => globSync(pattern, { cwd: ROOT }))) {
    if (file.endsWith('.test.ts')) continue;
    const text = readFileSync(join(ROOT, file), 'utf8');
    for (const [, a, b] of text.matchAll(/\benv\.([A-Z][A-Z0-9_]+)|\(env, '([A-Z0-9_]+)'/g)) names.add(a ?? b ?? '');
  }
  const random = { next: () => 0 };
  defaultPools(listening(names), { podSubnets: [], hostAddresses: [], present: [], ipv6: true, random });
  const common = { netDir: '', hostname: '', tlsFiles: new Set<string>(), portmap: false, token: '' };
  renderNetworkConfig({ ...common, env: listening(names), template: '{}' });
  return [...names];
}

test('docs/node.md lists every variable that the programs of a node read, and no other', () => {
  const missing = read().filter(name => !documented().includes(name));
  const foreign = documented().filter(name => !read().includes(name));
  expect({ missing, foreign }).toEqual({ missing: [], foreign: [] });
  expect(documented()).toEqual([...new Set(documented())]);
});

test('docs/node.md lists every subcommand of calico component node, and no other', async () => {
  const { nodeCommands } = await import('../../packages/programs/src/node/commands.ts');
  const [, programs = ''] = readFileSync(join(ROOT, 'docs/node.md'), 'utf8').split('## Programs');
  const [table = ''] = programs.split('## Addresses');
  const rows = [...table.matchAll(/^\| `([a-z-]+)/gm)].map(([, name = '']) => name).filter(name => name !== 'calico');
  expect(rows.sort()).toEqual(
    nodeCommands({})
      .commands.map(command => command.name())
      .sort(),
  );
});
