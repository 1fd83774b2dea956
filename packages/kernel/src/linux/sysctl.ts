import { readFileSync, writeFileSync } from 'node:fs';
import { KernelError } from '../error.ts';
import { EINVAL } from '../netlink/libc.ts';
import { asKernelError } from './file-error.ts';

/**
 * Reads /proc/sys/<path> without its closing newline. Those under net/ are of the namespace this thread is in. Throws
 * KernelError: ENOENT if absent.
 */
export function readSysctl(path: string): string {
  const op = `read sysctl ${path}`;
  return asKernelError(op, () => readFileSync(fileOf(path, op), 'latin1').trimEnd());
}

/** Writes /proc/sys/<path>. Throws KernelError: ENOENT if absent, EINVAL for a value the kernel does not take. */
export function writeSysctl(path: string, value: string): void {
  const op = `set sysctl ${path} to ${value}`;
  asKernelError(op, () => writeFileSync(fileOf(path, op), value, { flag: 'r+' }));
}

function fileOf(path: string, op: string): string {
  // An interface name is part of the path; none may climb out of /proc/sys.
  if (path.split('/').some(part => part === '' || part === '.' || part === '..')) {
    throw new KernelError(op, EINVAL, 'path has an empty or relative part');
  }
  return `/proc/sys/${path}`;
}
