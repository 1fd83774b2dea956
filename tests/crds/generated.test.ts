/** The generated files are what the declarations make of themselves now. */
import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { crdFiles } from '../../tools/crd-files.ts';

test.each(crdFiles())('manifests/crds/$name is up to date (bun tools/generate-crds.ts)', ({ name, text }) => {
  expect(readFileSync(new URL(`../../manifests/crds/${name}`, import.meta.url), 'utf8') === text).toBe(true);
});
