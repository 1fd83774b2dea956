// Whatever a file holds, reading manifests gives objects or a ManifestError whose every line names the file.
import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManifestError, readManifests } from '../../packages/lab/src/manifests.ts';
import { asBytes, fuzz } from './fuzz.ts';
import { bytes } from './inputs.ts';
import { explodingAliases, indentedMaps, yamlWords } from './yaml-inputs.ts';

const folder = mkdtempSync(join(tmpdir(), 'calico-fuzz-'));
const file = join(folder, 'input.yaml');
afterAll(() => rmSync(folder, { recursive: true }));

/** What is wrong with a file of these bytes; nothing when it could be read. */
function problemsOf(content: Uint8Array | string): readonly string[] {
  writeFileSync(file, content);
  try {
    readManifests([file]);
    return [];
  } catch (error) {
    if (error instanceof ManifestError) return error.problems;
    throw error;
  }
}

const namespace = (rest: string) => `apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n${rest}`;

describe('manifests', () => {
  fuzz({
    name: 'manifest',
    form: asBytes,
    runs: 400,
    inputs: corpus => bytes(yamlWords, corpus),
    check: content => {
      for (const problem of problemsOf(content)) {
        expect(problem).toStartWith(`${file}:`);
        // A terminal obeys control characters, and one problem is one line.
        expect(problem).not.toMatch(/\p{Cc}/u);
        expect(problem.length).toBeLessThan(5000);
      }
    },
  });

  const tenMegabytes = 10 * 2 ** 20;
  test.each([
    { name: 'aliases that explode', content: explodingAliases(9, 9), want: /alias/ },
    { name: 'duplicate keys', content: namespace('  labels: {x: "1", x: "2"}\n'), want: /unique/ },
    { name: 'invalid UTF-8', content: Buffer.from(namespace('  labels: {x: "\xff"}\n'), 'latin1'), want: /UTF-8/ },
    { name: '20,000 open lists', content: '['.repeat(20_000), want: /nested/ },
    { name: '100,000 lists', content: `${'['.repeat(100_000)}${']'.repeat(100_000)}`, want: /nested/ },
    { name: '5,000 indented maps', content: indentedMaps(5000), want: /nested/ },
    {
      name: '10 MB of one value',
      content: namespace(`  namespace: ${'x'.repeat(tenMegabytes)}\n`),
      want: /Namespace "a"/,
    },
  ])(
    'with $name are refused in words',
    ({ content, want }) => {
      const startedAt = process.cpuUsage();
      const problems = problemsOf(content).join('\n');
      expect(problems).toMatch(want);
      expect(problems.length).toBeLessThan(5000);
      expect(process.cpuUsage(startedAt).user / 1000).toBeLessThan(5000);
    },
    20_000,
  );
});
