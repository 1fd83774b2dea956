import { readFileSync, writeSync } from 'node:fs';
import { type PluginIo, runCniPlugin } from '@calico/cni/plugin';
import { version } from './version.ts';

/**
 * Runs the CNI plugin: parameters from the environment, configuration from standard input, the answer to standard output.
 * Synchronous reads and writes: the runtime's streams cost 2 ms to set up, and every pod waits for them.
 */
export async function runCni(calledAs: string): Promise<number> {
  return runCniPlugin(processIo(calledAs));
}

/**
 * What Calico's plugin does without CNI_COMMAND: `-v` prints the version, `-t` reads a network configuration and tells
 * whether the datastore answers, for those who install it. Gives the exit code, undefined for other arguments.
 */
export async function runCniFlag(calledAs: string, args: readonly string[]): Promise<number | undefined> {
  const [flag, ...rest] = args;
  if (rest.length > 0 || (flag !== '-v' && flag !== '-t')) return undefined;
  const io = processIo(calledAs);
  if (flag === '-v') {
    io.stdout.write(`${version}\n`);
    return 0;
  }
  return testConnection(io, () => readFileSync(0, 'utf8'));
}

/** As long as Calico's plugin waits. */
const testSeconds = 2;

async function testConnection(io: PluginIo, stdin: () => string): Promise<number> {
  let printed = '';
  const code = await runCniPlugin({
    ...io,
    env: { ...io.env, CNI_COMMAND: 'STATUS', CNI_PATH: '/' },
    stdin: () => {
      const config: unknown = JSON.parse(stdin());
      return JSON.stringify({ ...Object(config), cniVersion: '1.1.0', agent_timeout_seconds: testSeconds });
    },
    stdout: { write: text => (printed += text) },
  });
  if (code === 0) return 0;
  const { msg = '', details = '' } = JSON.parse(printed) as { msg?: string; details?: string };
  const failure = {
    code: 100,
    msg: 'data store connection failed',
    details: [msg, details].filter(Boolean).join(': '),
  };
  io.stdout.write(`${JSON.stringify(failure)}\n`);
  return 1;
}

function processIo(calledAs: string): PluginIo {
  return {
    env: process.env,
    stdin: () => readFileSync(0, 'utf8'),
    stdout: { write: text => writeSync(1, text) },
    stderr: { write: text => writeSync(2, text) },
    argv0: calledAs,
    standalone: async (config, log) => (await import('./cni-standalone.ts')).openStandalone(config, process.env, log),
  };
}
