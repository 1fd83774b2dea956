import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  readlinkSync,
  readSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { basename } from 'node:path';
import { placeFile } from '../files/replace-file.ts';

/** How a program came to its place. */
export type Placement = 'already there' | 'linked' | 'copied';

/**
 * Puts a program in its place in one step, so that it can be replaced while it runs: a hard link where both are on one file system,
 * else a copy, shared with the original by file systems that can, and compared with it. Throws the file system's error.
 */
export function installProgram(source: string, target: string): Placement {
  if (isSameFile(source, target) || sameContent(source, target)) {
    chmodSync(target, 0o755);
    return 'already there';
  }
  let placement: Placement = 'linked';
  placeFile(target, temporary => {
    try {
      linkSync(source, temporary);
    } catch {
      // Another file system, or one without links.
      placement = 'copied';
      copyFileSync(source, temporary, constants.COPYFILE_FICLONE);
      chmodSync(temporary, 0o755);
      const fd = openSync(temporary, 'r');
      fsyncSync(fd);
      closeSync(fd);
      if (!sameContent(source, temporary)) throw new Error(`Cannot install ${target}: its copy differs from ${source}`);
    }
  });
  return placement;
}

/** Makes a second name for a program in its own folder, which follows it through every update. */
export function installAlias(program: string, alias: string): Placement {
  const name = basename(program);
  if (isLink(alias) && readlinkSync(alias) === name) return 'already there';
  try {
    placeFile(alias, temporary => symlinkSync(name, temporary));
    return 'linked';
  } catch {
    // A file system without symbolic links.
    return installProgram(program, alias);
  }
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
}

/** Whether both names lead to one file that is no link: renaming a third name over such a pair does nothing. */
function isSameFile(source: string, target: string): boolean {
  const [a, b] = [statSync(source), lstatSync(target, { throwIfNoEntry: false })];
  return b !== undefined && a.ino === b.ino && a.dev === b.dev;
}

const CHUNK = 1 << 20;

function sameContent(a: string, b: string): boolean {
  if (!existsSync(b) || isLink(b) || statSync(a).size !== statSync(b).size) return false;
  const fds = [openSync(a, 'r'), openSync(b, 'r')];
  try {
    const [left, right] = [Buffer.alloc(CHUNK), Buffer.alloc(CHUNK)];
    for (;;) {
      const [m, n] = [readSync(fds[0] ?? 0, left), readSync(fds[1] ?? 0, right)];
      if (m !== n || !left.subarray(0, m).equals(right.subarray(0, n))) return false;
      if (m === 0) return true;
    }
  } finally {
    for (const fd of fds) closeSync(fd);
  }
}
