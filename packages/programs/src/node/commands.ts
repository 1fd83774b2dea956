import { Command, Option } from 'commander';
import type { Environment } from '../datastore/config.ts';
import type { HealthFlags } from './health.ts';

/**
 * Runs `calico component node …`: the agent when nothing else is asked for, else one of its parts alone, by Calico's names.
 * Gives the exit code; rejects with the cause.
 */
export async function runNode(args: string[], env: Environment): Promise<number> {
  let exitCode = 0;
  await nodeCommands(env, code => {
    exitCode = code;
  }).parseAsync(args, { from: 'user' });
  return exitCode;
}

/** The commands; `ended` is told each exit code. */
export function nodeCommands(env: Environment, ended: (code: number) => void = () => {}): Command {
  const program = new Command('calico component node')
    .description('The node agent, and its parts alone.')
    .action(async () => {
      ended(await (await import('./agent.ts')).runNodeAgent(env));
    });
  const part = (name: string, about: string, run: (flags: never) => Promise<number>): Command =>
    program
      .command(name)
      .description(about)
      .action(async flags => {
        ended(await run(flags as never));
      });
  part('startup', 'put this node, pools and default objects into the datastore', async (flags: StartupFlags) =>
    (await import('./lifecycle.ts')).runStartup(env, flags),
  ).option('--complete-startup', 'tell Kubernetes at once that the network is up');
  part('complete-startup', 'tell Kubernetes that the network is up, once it is', async () =>
    (await import('./lifecycle.ts')).runCompleteStartup(env),
  );
  part('shutdown', 'tell Kubernetes that the network is about to go', async () =>
    (await import('./lifecycle.ts')).runShutdown(env),
  );
  part('monitor-addresses', 'keep the addresses of this node up to date', async () =>
    (await import('./monitors.ts')).runMonitorAddresses(env),
  );
  part('allocate-tunnel-addrs', 'keep the addresses of tunnels up to date', async (flags: { runOnce?: true }) =>
    (await import('./monitors.ts')).runAllocateTunnelAddresses(env, flags),
  ).option('--run-once', 'end after one round');
  part('monitor-token', "keep the token in the CNI plugin's kubeconfig fresh", async () =>
    (await import('./cni-token.ts')).runMonitorToken(env),
  );
  part('hostpath-init', 'make folders of the host usable by a user that is not root', async () =>
    (await import('./hostpaths.ts')).runHostpathInit(env),
  );
  part('health', 'say whether this node works: exit code 0, or 1 and why not', async (flags: HealthFlags) =>
    (await import('./health.ts')).runHealth(env, flags),
  )
    .option('--felix-live', 'Felix works at all')
    .option('--felix-ready', 'Felix does its job')
    .option('--bird-live', 'BIRD answers')
    .option('--bird6-live', 'the same: one BIRD does both families')
    .option('--bird-ready', 'the IPv4 sessions of BGP stand')
    .option('--bird6-ready', 'the IPv6 sessions of BGP stand')
    .addOption(
      new Option('--threshold-time <duration>', 'how long after a start all sessions have to stand').default('30s'),
    );
  const status = program.command('status').description('what BIRD says of this node');
  for (const [name, about] of [
    ['show', 'print it'],
    ['report', 'keep the CalicoNodeStatus objects that ask for it up to date'],
  ] as const) {
    status
      .command(name)
      .description(about)
      .action(async () => {
        const { runStatusReport, runStatusShow } = await import('./status.ts');
        ended(await (name === 'show' ? runStatusShow(env) : runStatusReport(env)));
      });
  }
  return program;
}

/** Flags of `startup`. */
export interface StartupFlags {
  readonly completeStartup?: true;
}
