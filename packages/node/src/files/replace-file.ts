import {
  closeSync,
  fchmodSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** The end of the names of files that are not finished; no runtime takes such a file for a configuration. */
export const unfinished = '.calico-new';

/**
 * Writes a file so that whoever reads it, also after a crash of the machine, finds the old text or the new, whole. Nothing is
 * written when the file is so already; gives whether it was. `mode` is its permissions. Throws the file system's error.
 */
export function replaceFile(path: string, content: string | Uint8Array, mode: number): boolean {
  if (isAlready(path, content, mode)) return false;
  placeFile(path, temporary => {
    const fd = openSync(temporary, 'w', 0o600);
    try {
      writeFileSync(fd, content);
      fchmodSync(fd, mode);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  });
  return true;
}

/** Has `make` make a file beside the path and puts it in its place in one step. What an earlier crash left there is replaced. */
export function placeFile(path: string, make: (temporary: string) => void): void {
  const temporary = join(dirname(path), `.${basename(path)}${unfinished}`);
  rmSync(temporary, { force: true });
  try {
    make(temporary);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  syncFolder(dirname(path));
}

/** Makes the names in a folder last through a crash of the machine. */
export function syncFolder(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function isAlready(path: string, content: string | Uint8Array, mode: number): boolean {
  try {
    return (statSync(path).mode & 0o7777) === mode && readFileSync(path).equals(Buffer.from(content as Uint8Array));
  } catch {
    return false;
  }
}
