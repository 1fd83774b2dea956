import { readFileSync, writeSync } from 'node:fs';
import { type PluginIo, runCniPlugin } from '@calico/cni/plugin';
import type { LogRequest } from '@calico/cni/shim-call';
import { version } from './version.ts';

/**
 * Runs the CNI plugin: parameters from the environment, configuration from standard input, the answer to standard output.
 * Synchronous reads and writes: the runtime's streams cost 2 ms to set up, and every pod waits for them.
 */
export async function runCni(calledAs: string): Promise<number> {
  return runCniPlugin(processIo(calledAs));
}

/**
 * What Calico's plugins do without CNI_COMMAND: `-v` prints the version, `-t` reads a network configuration and tells
 * whether the datastore answers, for those who install it; `calico-ipam -upgrade` takes over what host-local gave out, for an init
 * container of the node. Gives the exit code, undefined for other arguments.
 */
export async function runCniFlag(calledAs: string, args: readonly string[]): Promise<number | undefined> {
  const [flag, ...rest] = args;
  if (rest.length === 0 && calledAs === 'calico-ipam' && /^--?upgrade$/.test(flag ?? '')) return upgrade();
  if (rest.length === 0 && flag === APPEND_TO_LOG) return appendLines();
  if (rest.length > 0 || (flag !== '-v' && flag !== '-t')) return undefined;
  const io = processIo(calledAs);
  if (flag === '-v') {
    io.stdout.write(`${version}\n`);
    return 0;
  }
  return testConnection(io, () => readFileSync(0, 'utf8'));
}

/** What the shim has the plugin do where it cannot append to the log itself: the file is to be made, or is full. */
const APPEND_TO_LOG = '-append-to-log';

async function appendLines(): Promise<number> {
  const { file, lines, exitCode } = JSON.parse(readFileSync(0, 'utf8')) as LogRequest;
  const { appendToLog } = await import('@calico/process/log-file');
  try {
    await appendToLog(file, lines, new Date());
  } catch (err) {
    writeSync(2, `Cannot write log file ${file.path}: ${err instanceof Error ? err.message : err}\n`);
  }
  return exitCode;
}

async function upgrade(): Promise<number> {
  const { env } = process;
  const log = (text: string) => writeSync(2, `calico-ipam -upgrade: ${text}\n`);
  const node = env.KUBERNETES_NODE_NAME || '';
  if (node === '') {
    log('KUBERNETES_NODE_NAME is not set; allowed: the name of this node, whose addresses they are');
    return 1;
  }
  const [{ upgradeHostLocal }, { environmentConfig }, { openDatastore, openKubernetesBeside }, { Ipam }, time] =
    await Promise.all([
      import('./host-local-upgrade.ts'),
      import('./datastore/config.ts'),
      import('./datastore/open.ts'),
      import('@calico/ipam'),
      import('@calico/process/system'),
    ]);
  const options = { env, clock: time.systemClock, random: time.systemRandom };
  try {
    const config = environmentConfig(env);
    const datastore = await openDatastore(config, options);
    const ipam = new Ipam({ client: datastore.client, clock: time.systemClock, random: time.systemRandom });
    const kubernetes = await openKubernetesBeside(datastore, config, options);
    await upgradeHostLocal({ node, ipam, kubernetes, log });
    datastore.close();
    return 0;
  } catch (err) {
    log(err instanceof Error ? err.message : String(err));
    return 1;
  }
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
    standalone: async (request, log) => (await import('./cni-standalone.ts')).openStandalone(request, process.env, log),
  };
}
