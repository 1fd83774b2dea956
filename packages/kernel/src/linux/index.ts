import type { Machine } from '../kernel.ts';
import { createNamespace, currentNamespace, deleteNamespace, inNamespace, openNamespace } from './namespace.ts';
import { openKernel } from './open-kernel.ts';

/** The machine that this process runs on. */
export const linuxMachine: Machine = {
  openNamespace,
  currentNamespace,
  createNamespace,
  deleteNamespace,
  inNamespace,
  openKernel,
};

export { mountTmpfs } from './mount.ts';
export { fillThreadPool } from './thread-pool.ts';
export { connectUnixDatagrams, type UnixDatagrams } from './unix-datagrams.ts';
export { createNamespace, currentNamespace, deleteNamespace, inNamespace, openKernel, openNamespace };
