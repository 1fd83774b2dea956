/** The generated files are what the declarations of the kinds make now. */
import { expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { crdFiles } from '../../tools/crd-files.ts';
import { referencePages } from '../../tools/reference-pages.ts';

test.each([
  { folder: 'manifests/crds', command: 'bun tools/generate-crds.ts', files: crdFiles() },
  { folder: 'docs/reference', command: 'bun tools/generate-reference.ts', files: referencePages() },
])('$folder is up to date; if not: $command', ({ folder, files }) => {
  const root = new URL(`../../${folder}/`, import.meta.url);
  expect(readdirSync(root).sort()).toEqual(files.map(({ name }) => name).sort());
  const outdated = files.filter(({ name, text }) => readFileSync(new URL(name, root), 'utf8') !== text);
  expect(outdated.map(({ name }) => name)).toEqual([]);
});
