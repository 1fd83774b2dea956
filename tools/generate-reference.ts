/** Writes one page for every kind to docs/reference. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { referencePages } from './reference-pages.ts';

const folder = new URL('../docs/reference/', import.meta.url);
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
for (const { name, text } of referencePages()) writeFileSync(new URL(name, folder), text);
