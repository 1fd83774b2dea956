import { chmodSync, lstatSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { dirname, join } from 'node:path';

/**
 * Puts a unix socket at `path` with mode 0600: `listen` makes it in a folder that nobody else may enter, from where it is moved,
 * so that it is never open to others and never absent. Missing folders are made, a socket that a process which is gone has
 * left is replaced. Gives what takes it away again. Rejects when somebody listens there, or with what `listen` throws.
 */
export async function placeSocket(path: string, listen: (own: string) => unknown): Promise<() => void> {
  if (await isAnswered(path)) throw new Error(`Cannot listen on ${path}: another node agent listens there`);
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  const folder = mkdtempSync(join(dirname(path), '.s-'));
  const own = join(folder, 's');
  try {
    await listen(own);
    chmodSync(own, 0o600);
    renameSync(own, path);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const ours = lstatSync(path).ino;
  return () => {
    if (lstatSync(path, { throwIfNoEntry: false })?.ino === ours) rmSync(path);
  };
}

/** Whether somebody listens on a socket. */
function isAnswered(path: string): Promise<boolean> {
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return Promise.resolve(false);
  return new Promise(resolve => {
    const probe = createConnection({ path });
    const end = (answered: boolean): void => {
      resolve(answered);
      probe.destroy();
    };
    probe.on('connect', () => end(true));
    probe.on('error', () => end(false));
  });
}
