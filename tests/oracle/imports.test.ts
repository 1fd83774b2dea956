import { expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = import.meta.dirname;
const programs = readdirSync(folder).filter(name => name.endsWith('.ts') && !name.endsWith('.test.ts'));

test('the oracle shares nothing with what it judges: its files import only each other, the yaml package and node:', () => {
  expect(programs).toContain('oracle.ts');
  for (const program of programs) {
    const text = readFileSync(join(folder, program), 'utf8');
    const imported = [...text.matchAll(/(?:from|import|require)\s*\(?\s*['"]([^'"]+)['"]/g)].map(
      ([, path]) => path ?? '',
    );
    const foreign = imported.filter(path => !/^\.\/[a-z-]+\.ts$/.test(path) && !/^(yaml|node:.*)$/.test(path));
    expect({ program, foreign }).toEqual({ program, foreign: [] });
  }
});
