import type { Command } from 'commander';
import type { ExplainFlags } from '../commands/policy-explain.ts';
import type { SimulateFlags } from '../commands/policy-simulate.ts';
import type { UnusedFlags } from '../commands/policy-unused.ts';
import type { World } from '../world.ts';

/** Adds the commands of `calicoctl policy`. `withConfig` adds the flags that every command has which talks to the datastore. */
export function addPolicyCommands(policy: Command, world: World, withConfig: (command: Command) => Command): void {
  withConfig(policy.command('explain'))
    .description('tell which tier, policy and rule decides a connection, and why others did not')
    .requiredOption('--from <pod or address>', 'who opens the connection: namespace/name or an address')
    .requiredOption('--to <pod or address>', 'to whom')
    .requiredOption('--port <port>', 'such as 443/tcp or 53/udp; icmp has none')
    .option('-n, --namespace <namespace>', 'of pods that are named without one')
    .option('-o, --output <format>', 'json, or nothing for text')
    .action(async (_flags: unknown, command: Command) => {
      const { runPolicyExplain } = await import('../commands/policy-explain.ts');
      await runPolicyExplain(command.optsWithGlobals<ExplainFlags>(), world);
    });
  withConfig(policy.command('simulate'))
    .description('tell which connections between pods would change if files were applied; writes nothing')
    .option('-f, --filename <path>', 'a file or directory with policies, tiers, network sets, …; - is stdin')
    .option('-R, --recursive', 'directories below the directory too')
    .option('-n, --namespace <namespace>', 'of objects that have none in the file')
    .option('--enforce-staged', 'as if all staged policies were committed too')
    .option('--port <port>', 'asked about at every pod, besides the ports it declares; may be given again', collect)
    .option('--limit <number>', 'the most changes to show; the rest is counted', '100')
    .option('-o, --output <format>', 'json, or nothing for a table')
    .action(async (_flags: unknown, command: Command) => {
      const { runPolicySimulate } = await import('../commands/policy-simulate.ts');
      await runPolicySimulate(command.optsWithGlobals<SimulateFlags>(), world);
    });
  policy
    .command('unused')
    .description('list rules that no packet met, on this node or on those that --from or --prometheus tell of')
    .option('--node <name...>', 'of several nodes these alone')
    .option('--from <file...>', 'what "calico debug tables rules -o json" printed on nodes; - is stdin')
    .option('--prometheus <url>', 'a Prometheus that has the metrics of all nodes')
    .option('--window <duration>', 'how far --prometheus looks back', '30d')
    .option('-o, --output <format>', 'json, or nothing for a table')
    .action(async (_flags: unknown, command: Command) => {
      const { runPolicyUnused } = await import('../commands/policy-unused.ts');
      await runPolicyUnused(command.optsWithGlobals<UnusedFlags>(), world);
    });
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}
