import { runCniPlugin } from '@calico/cni/plugin';

/** Runs the CNI plugin: parameters from the environment, configuration from standard input, the answer to standard output. */
export async function runCni(calledAs: string): Promise<number> {
  return runCniPlugin({
    env: process.env,
    stdin: await Bun.stdin.text(),
    stdout: process.stdout,
    stderr: process.stderr,
    argv0: calledAs,
  });
}
