import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { World } from '../world.ts';

/** A file's name as the user knows it, and its text. */
export interface SourceFile {
  readonly name: string;
  readonly text: string;
}

const EXTENSION = /\.(ya?ml|json)$/;

/** The files that `--filename` means: stdin for `-`, a file, or those of a directory, in order. Throws an Error that names the file. */
export function readFiles(filename: string, recursive: boolean, world: Pick<World, 'readStdin'>): SourceFile[] {
  if (filename === '-') return [{ name: 'stdin', text: world.readStdin() }];
  try {
    if (!statSync(filename).isDirectory()) return [{ name: filename, text: readFileSync(filename, 'utf8') }];
    return listDirectory(filename, recursive).map(name => ({ name, text: readFileSync(name, 'utf8') }));
  } catch (err) {
    throw new Error(`cannot read ${filename}: ${err instanceof Error ? err.message : String(err)}`, { cause: err });
  }
}

function listDirectory(directory: string, recursive: boolean): string[] {
  const entries = readdirSync(directory, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  return entries.flatMap(entry => {
    const path = join(directory, entry.name);
    if (statSync(path).isDirectory()) return recursive ? listDirectory(path, recursive) : [];
    return EXTENSION.test(entry.name) ? [path] : [];
  });
}
