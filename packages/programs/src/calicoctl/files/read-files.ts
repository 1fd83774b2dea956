import { isUtf8 } from 'node:buffer';
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
  if (filename === '-') return [decoded('stdin', world.readStdin())];
  return names(filename, recursive).map(name =>
    decoded(
      name,
      reading(name, () => readFileSync(name)),
    ),
  );
}

function names(filename: string, recursive: boolean): string[] {
  return reading(filename, () => (statSync(filename).isDirectory() ? listDirectory(filename, recursive) : [filename]));
}

function reading<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (err) {
    throw new Error(`cannot read ${name}: ${err instanceof Error ? err.message : String(err)}`, { cause: err });
  }
}

function decoded(name: string, bytes: Uint8Array): SourceFile {
  if (!isUtf8(bytes)) throw new Error(`${name}: it is not UTF-8 text`);
  return { name, text: new TextDecoder().decode(bytes) };
}

function listDirectory(directory: string, recursive: boolean): string[] {
  const entries = readdirSync(directory, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  return entries.flatMap(entry => {
    const path = join(directory, entry.name);
    if (statSync(path).isDirectory()) return recursive ? listDirectory(path, recursive) : [];
    return EXTENSION.test(entry.name) ? [path] : [];
  });
}
