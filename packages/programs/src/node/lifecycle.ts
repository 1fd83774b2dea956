import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { Ipam } from '@calico/ipam';
import { calicoIsDown, replaceFile, setNetworkState } from '@calico/node';
import { createLogger, Lifecycle, parseLogLevel, runUntilSignal, systemClock, systemRandom } from '@calico/process';
import type { Environment } from '../datastore/config.ts';
import type { StartupFlags } from './commands.ts';
import { notReady } from './health.ts';
import { completeStartup, markAvailable } from './node-services.ts';
import { type OpenNode, openNode } from './open-node.ts';
import { startThisNode, warnOfManagers } from './this-node.ts';

const times = { clock: systemClock, random: systemRandom };

/** `calico component node startup`. Gives 0; rejects with why the node can't start. */
export async function runStartup(env: Environment, flags: StartupFlags): Promise<number> {
  return await withNode(env, 'startup', async node => {
    warnOfManagers(node.log);
    const ipam = new Ipam({ ...times, client: node.datastore.client, log: node.log });
    await startThisNode(node, ipam);
    if (flags.completeStartup) await markAvailable(node);
  });
}

/** `calico component node complete-startup`: stays until it is told to end, as Calico's does. */
export async function runCompleteStartup(env: Environment): Promise<number> {
  return await withNode(env, 'complete-startup', async node => {
    const felix = env.FELIX_HEALTHENABLED === 'true' ? { felixReady: true as const } : {};
    const bird = node.environment.bird ? { birdReady: true as const, bird6Ready: true as const } : {};
    const flags = { ...felix, ...bird, thresholdTime: '5m' };
    const component = completeStartup(node, async () =>
      Object.keys(flags).length === 1 ? undefined : await notReady(env, flags),
    );
    await runUntilSignal(new Lifecycle({ components: [component], clock: systemClock, log: node.log }));
  });
}

/** How long Kubernetes is told of a shutdown: as long as whoever stops us lets us; ms. */
const shutdownPatience = 24 * 3_600_000;

/** `calico component node shutdown`: notes the time first, as it may be killed at any moment. */
export async function runShutdown(env: Environment): Promise<number> {
  return await withNode(env, 'shutdown', async ({ kubernetes, environment, log }) => {
    const { shutdownFile, networking, kubernetesNodeName } = environment;
    mkdirSync(dirname(shutdownFile), { recursive: true });
    replaceFile(shutdownFile, `${new Date(systemClock.wallTime()).toISOString().slice(0, 19)}Z`, 0o644);
    if (kubernetes === undefined || !networking) return;
    await setNetworkState(kubernetes, kubernetesNodeName, calicoIsDown, {
      ...times,
      patienceMs: shutdownPatience,
      log,
    });
  });
}

/** Opens the node for one program and closes it after. Gives 0; rejects with what the work rejects with. */
export async function withNode(
  env: Environment,
  component: string,
  work: (node: OpenNode) => Promise<void>,
): Promise<number> {
  const level = parseLogLevel(env.CALICO_STARTUP_LOGLEVEL ?? '') ?? 'info';
  const node = await openNode(env, createLogger({ component, level }));
  try {
    await work(node);
    return 0;
  } finally {
    node.close();
  }
}
