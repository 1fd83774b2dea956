import { readFileSync, writeSync } from 'node:fs';
import { runCniPlugin } from '@calico/cni/plugin';

/**
 * Runs the CNI plugin: parameters from the environment, configuration from standard input, the answer to standard output.
 * Synchronous reads and writes: the runtime's streams cost 2 ms to set up, and every pod waits for them.
 */
export async function runCni(calledAs: string): Promise<number> {
  return runCniPlugin({
    env: process.env,
    stdin: () => readFileSync(0, 'utf8'),
    stdout: { write: text => writeSync(1, text) },
    stderr: { write: text => writeSync(2, text) },
    argv0: calledAs,
  });
}
