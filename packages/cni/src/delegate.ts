import { accessSync, constants } from 'node:fs';
import { CniError, errorCodes } from './cni-error.ts';
import type { CniCommand, CniDelegate } from './protocol.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Runs one delegated plugin with a command. */
export type DelegateRun = (command: CniCommand) => Promise<object | undefined>;

/** Longer than any IPAM plugin takes. */
const timeoutMs = 60_000;

/**
 * Runs another plugin as the CNI specification 1.1.0 says ("Delegation"): with the same parameters, found in CNI_PATH. Gives
 * what it printed, undefined for nothing. Throws CniError with its own code and words, 999 when it cannot be run.
 */
export async function runDelegate(
  command: CniCommand,
  { type, config }: CniDelegate,
  env: Environment,
): Promise<object | undefined> {
  const child = Bun.spawn([findPlugin(type, env.CNI_PATH ?? '')], {
    env: { ...env, CNI_COMMAND: command },
    stdin: new TextEncoder().encode(JSON.stringify(config)),
    stdout: 'pipe',
    stderr: 'pipe',
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  });
  const [output, diagnosis, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  const printed = parseObject(output);
  if (exitCode === 0) {
    if (printed !== undefined || output.trim() === '') return printed;
    throw failed(command, type, 'it printed no JSON object');
  }
  const { code, msg, details } = (printed ?? {}) as { code?: unknown; msg?: unknown; details?: unknown };
  if (typeof code !== 'number') throw failed(command, type, diagnosis.trim() || `exit code ${exitCode}`);
  throw new CniError(code, `IPAM plugin ${type}: ${msg}`, typeof details === 'string' ? details : undefined);
}

function findPlugin(type: string, paths: string): string {
  const found = paths
    .split(':')
    .filter(folder => folder !== '')
    .map(folder => `${folder}/${type}`)
    .find(isExecutable);
  if (found !== undefined) return found;
  throw new CniError(
    errorCodes.internal,
    `Cannot run IPAM plugin: ipam.type is "${type}", which is not in CNI_PATH ${paths}`,
  );
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function parseObject(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function failed(command: string, type: string, reason: string): CniError {
  return new CniError(errorCodes.internal, `Cannot ${command} addresses by IPAM plugin ${type}: ${reason}`);
}
