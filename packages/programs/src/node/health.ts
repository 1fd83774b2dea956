import { statSync } from 'node:fs';
import { join } from 'node:path';
import { parseDuration } from '@calico/api';
import { type BirdControl, openBird } from '@calico/bird';
import type { Family } from '@calico/ip';
import { birdNotReady } from '@calico/node';
import type { Environment } from '../datastore/config.ts';
import { type NodeEnvironment, readNodeEnvironment } from './environment.ts';

/** Flags of `health`: what is asked. */
export interface HealthFlags {
  readonly felixLive?: true;
  readonly felixReady?: true;
  readonly birdLive?: true;
  readonly bird6Live?: true;
  readonly birdReady?: true;
  readonly bird6Ready?: true;
  /** As Go writes durations. */
  readonly thresholdTime: string;
}

/** `calico component node health`: says what does not work on standard output, as probes are recorded. Gives 0 or 1. */
export async function runHealth(env: Environment, flags: HealthFlags): Promise<number> {
  const cause = await notReady(env, flags);
  if (cause === undefined) return 0;
  process.stdout.write(`${cause}\n`);
  return 1;
}

/** Why what the flags ask about does not work; undefined when all of it does. Rejects on flags that ask nothing. */
export async function notReady(env: Environment, flags: HealthFlags): Promise<string | undefined> {
  const { felixLive, felixReady, birdLive, bird6Live, birdReady, bird6Ready, thresholdTime } = flags;
  const threshold = parseDuration(thresholdTime);
  if (threshold === undefined) {
    throw new Error(`Cannot check health: --threshold-time is "${thresholdTime}"; allowed: a duration such as 30s`);
  }
  const environment = readNodeEnvironment(env);
  const bird = openBird(join(environment.runFolder, 'bird.ctl'));
  const checks = [
    ...(felixLive ? [askFelix(env, 'liveness', threshold)] : []),
    ...(felixReady ? [askFelix(env, 'readiness', threshold)] : []),
    ...(birdLive || bird6Live ? [askBird(bird)] : []),
    ...(birdReady ? [askSessions(bird, environment, 4, threshold)] : []),
    ...(bird6Ready ? [askSessions(bird, environment, 6, threshold)] : []),
  ];
  if (checks.length === 0) {
    throw new Error(
      'Cannot check health: nothing is asked; allowed: --felix-live, --felix-ready, --bird-live, --bird6-live, --bird-ready, --bird6-ready',
    );
  }
  const causes = (await Promise.all(checks)).filter(cause => cause !== undefined);
  return causes.length === 0 ? undefined : causes.map(cause => `calico/node is not ready: ${cause}`).join('\n');
}

async function askFelix(
  env: Environment,
  question: 'liveness' | 'readiness',
  limit: number,
): Promise<string | undefined> {
  const host = env.FELIX_HEALTHHOST || 'localhost';
  const port = env.FELIX_HEALTHPORT || '9099';
  const words = question === 'liveness' ? 'Felix is not live' : 'Felix is not ready';
  try {
    const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}/${question}`;
    const response = await fetch(url, { signal: AbortSignal.timeout(limit) });
    if (response.status < 400) return undefined;
    const lines = (await response.text()).trim().split('\n');
    // Below the table, a sentence for each part that is bad.
    const causes = lines.filter(line => line !== '' && !/^[+|]/.test(line));
    return `${words}: ${causes.join('; ') || `${question} probe reporting ${response.status}`}`;
  } catch (error) {
    return `${words}: nobody answers at ${host} port ${port}: ${messageOf(error)}`;
  }
}

async function askBird(bird: BirdControl): Promise<string | undefined> {
  try {
    await bird.status();
    return undefined;
  } catch (error) {
    return `BIRD is not live: ${messageOf(error)}`;
  }
}

async function askSessions(
  bird: BirdControl,
  { nodenameFile }: NodeEnvironment,
  family: Family,
  threshold: number,
): Promise<string | undefined> {
  const name = family === 4 ? 'BIRD' : 'BIRD6';
  try {
    const sinceStart = Date.now() - statSync(nodenameFile).mtimeMs;
    const [status, sessions] = await Promise.all([bird.status(), bird.bgpSessions()]);
    const cause = birdNotReady({ status, sessions, sinceStart }, family, threshold);
    return cause && `${name} is not ready: ${cause}`;
  } catch (error) {
    return `${name} is not ready: ${messageOf(error)}`;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
