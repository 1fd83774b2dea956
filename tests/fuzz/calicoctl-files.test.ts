// Whatever a file holds, calicoctl's reader gives objects that can be written and read again, or an error that names the file.
import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { printJson } from '@calico/api';
import { Failure } from '../../packages/programs/src/calicoctl/failure.ts';
import { loadResources } from '../../packages/programs/src/calicoctl/files/load-resources.ts';
import { parseDocuments } from '../../packages/programs/src/calicoctl/files/parse-documents.ts';
import type { World } from '../../packages/programs/src/calicoctl/world.ts';
import { asBytes, fuzz } from './fuzz.ts';
import { bytes } from './inputs.ts';
import { explodingAliases, indentedMaps, yamlWords } from './yaml-inputs.ts';

const folder = mkdtempSync(join(tmpdir(), 'calico-fuzz-'));
const file = join(folder, 'input.yaml');
afterAll(() => rmSync(folder, { recursive: true }));

/** Nothing outside of the file is looked at. */
const world = { readStdin: () => new Uint8Array() } as unknown as World;

/** What the file is refused with; undefined when it was read. */
function refusalOf(content: Uint8Array | string): string | undefined {
  writeFileSync(file, content);
  try {
    loadResources({ filename: file }, world);
    return undefined;
  } catch (error) {
    if (error instanceof Failure) return error.message;
    throw error;
  }
}

/** The values of a text, if it has any. */
function valuesOf(text: string): unknown[] | undefined {
  try {
    return parseDocuments(text, 'f').map(({ value }) => value);
  } catch {
    return undefined;
  }
}

const set = (rest: string) =>
  `apiVersion: projectcalico.org/v3\nkind: GlobalNetworkSet\nmetadata: {name: a}\nspec: {nets: []}\n${rest}`;

describe("calicoctl's files", () => {
  fuzz({
    name: 'calicoctl-file',
    form: asBytes,
    runs: 400,
    inputs: corpus => bytes(yamlWords, corpus),
    check: content => {
      const refusal = refusalOf(content);
      if (refusal !== undefined) {
        expect(refusal).toStartWith(`failed to execute command: ${file}: `);
        // A terminal obeys control characters.
        expect(refusal).not.toMatch(/\p{Cc}/u);
        expect(refusal.length).toBeLessThan(5000);
      }
      const values = valuesOf(new TextDecoder().decode(content));
      if (values !== undefined) expect(printJson(valuesOf(printJson(values)))).toBe(printJson(values));
    },
  });

  const tenMegabytes = 10 * 2 ** 20;
  test.each([
    { name: 'aliases that explode', content: explodingAliases(9, 9), want: /aliases make it larger/ },
    { name: 'a value within itself', content: set('x: &x [*x]'), want: /within itself/ },
    { name: 'duplicate keys', content: set('kind: Tier'), want: /duplicated mapping key at line 5/ },
    { name: 'invalid UTF-8', content: Buffer.from(set('x: \xff'), 'latin1'), want: /UTF-8/ },
    { name: 'control characters', content: set('x: "\u0007"'), want: /at line 5/ },
    { name: '20,000 open lists', content: '['.repeat(20_000), want: /nested/ },
    { name: '100,000 lists', content: `${'['.repeat(100_000)}${']'.repeat(100_000)}`, want: /nested/ },
    { name: '5,000 indented maps', content: indentedMaps(5000), want: /nested/ },
    { name: '10 MB of one value', content: set(`x: ${'x'.repeat(tenMegabytes)}`), want: /not recognized.*: x$/ },
    { name: '10 MB of items', content: set(`x:\n${'- x\n'.repeat(tenMegabytes / 4)}`), want: /not recognized.*: x$/ },
    {
      name: '10 MB of keys',
      content: set(`x:\n${Array.from({ length: tenMegabytes / 12 }, (_, i) => `  k${i}: 1\n`).join('')}`),
      want: /not recognized.*: x$/,
    },
  ])(
    'with $name are refused in words',
    ({ content, want }) => {
      const before = process.cpuUsage();
      const refusal = refusalOf(content) ?? 'nothing';
      expect(refusal).toMatch(want);
      expect(refusal.length).toBeLessThan(5000);
      expect(process.cpuUsage(before).user / 1e6).toBeLessThan(30);
    },
    60_000,
  );

  test('with 10,000 documents are read', () => {
    const document = (i: number) => set('').replace('name: a', `name: a-${i}`);
    writeFileSync(file, Array.from({ length: 10_000 }, (_, i) => document(i)).join('---\n'));
    const loaded = loadResources({ filename: file }, world);
    expect([loaded.length, loaded.at(-1)?.where]).toEqual([10_000, `${file}: object 10000`]);
  }, 60_000);
});
