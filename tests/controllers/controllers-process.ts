import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../kubernetes/free-port.ts';
import type { Cluster } from './cluster.ts';

const MAIN = join(import.meta.dir, '..', '..', 'packages', 'programs', 'src', 'main.ts');

/** kube-controllers in a process of its own. */
export interface ControllersProcess {
  readonly statusFile: string;
  readonly healthPort: number;
  /** What it has logged so far. */
  readonly output: () => string;
  /** What it has told on its standard error. */
  readonly errors: () => string;
  /** Resolves with the exit code. */
  readonly exited: Promise<number>;
  /** Its status file says that all is ready. */
  ready(): boolean;
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number>;
}

let count = 0;

/** Starts it on a cluster; does not wait until it is ready. */
export async function startProcess(
  cluster: Cluster,
  env: Readonly<Record<string, string>> = {},
  statusFile = join(cluster.folder, `status-${count++}.json`),
): Promise<ControllersProcess> {
  const healthPort = await freePort();
  const args = ['--status-file', statusFile, '--health-port', String(healthPort)];
  const child = Bun.spawn([process.execPath, MAIN, 'component', 'kube-controllers', ...args], {
    env: { ...cluster.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const killAtExit = (): void => child.kill('SIGKILL');
  process.once('exit', killAtExit);
  const texts = { output: '', errors: '' };
  const read = async (stream: ReadableStream<Uint8Array>, into: keyof typeof texts) => {
    const decoder = new TextDecoder();
    for await (const chunk of stream) texts[into] += decoder.decode(chunk, { stream: true });
  };
  const reading = Promise.all([read(child.stdout, 'output'), read(child.stderr, 'errors')]);
  const exited = child.exited.then(async code => {
    process.off('exit', killAtExit);
    await reading;
    return code;
  });
  return {
    statusFile,
    healthPort,
    output: () => texts.output,
    errors: () => texts.errors,
    exited,
    ready: () => {
      if (!existsSync(statusFile)) return false;
      const { Readiness } = JSON.parse(readFileSync(statusFile, 'utf8'));
      return Object.values(Readiness).every(part => (part as { Ready: boolean }).Ready);
    },
    end: async signal => {
      child.kill(signal);
      return await exited;
    },
  };
}

/** Runs check-status. */
export async function checkStatus(
  cluster: Cluster,
  ...args: string[]
): Promise<{ readonly code: number; readonly error: string }> {
  const child = Bun.spawn([process.execPath, MAIN, 'component', 'kube-controllers', 'check-status', ...args], {
    env: cluster.env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const [code, error] = await Promise.all([child.exited, new Response(child.stderr).text()]);
  return { code, error };
}
