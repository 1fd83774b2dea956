import { copyFileSync, existsSync, statSync, truncateSync } from 'node:fs';

/** So much of a log is kept, twice. */
const LIMIT = 1024 * 1024;

/** Starts a log anew when it has become too large; what it held is in `<path>.1` then. Its writer appends and goes on. */
export function capLog(path: string): void {
  if (!existsSync(path) || statSync(path).size <= LIMIT) return;
  copyFileSync(path, `${path}.1`);
  truncateSync(path);
}
