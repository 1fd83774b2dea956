/** Writes the CustomResourceDefinitions of every kind to manifests/crds, one file per group. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { crdFiles } from './crd-files.ts';

const folder = new URL('../manifests/crds/', import.meta.url);
mkdirSync(folder, { recursive: true });
for (const { name, text } of crdFiles()) writeFileSync(new URL(name, folder), text);
