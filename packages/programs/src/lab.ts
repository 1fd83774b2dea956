import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  CannotRunHere,
  chooseLauncher,
  encapsulations,
  enterLab,
  type LabUpOptions,
  ManifestError,
  mostNodes,
  realSurroundings,
  runFateProbe,
  runInner,
  runLabUp,
} from '@calico/lab';
import { Command, InvalidArgumentError, Option } from 'commander';
import { version } from './version.ts';

/** Runs `calico lab …`. Exit code 2: this machine can't run a lab; 1: anything else went wrong, or a cell was not as expected. */
export async function runLab(args: string[]): Promise<number> {
  if (args[0] === 'inner') {
    await runInner(args[1] ?? '');
    return 0;
  }
  if (args[0] === 'fate') {
    const [fromNetns = '', toNetns = '', source = '', destination = '', port = ''] = args.slice(1);
    await runFateProbe({ fromNetns, toNetns, source, destination, port: Number(port) });
    return 0;
  }
  let exitCode = 0;
  const program = new Command('calico lab')
    .description('A cluster in network namespaces on this machine.')
    .enablePositionalOptions();
  program
    .command('up', { isDefault: true })
    .description('bring a cluster up, check every connection, and keep it until Ctrl-C')
    .addOption(new Option('--nodes <n>', `nodes, 1 to ${mostNodes}`).default(3).argParser(parseNodes))
    .addOption(
      new Option('--encapsulation <kind>', 'how packets travel between nodes')
        .choices([...encapsulations])
        .default('vxlan'),
    )
    .option('--manifests <path...>', 'YAML files or folders to run instead of the example application')
    .addOption(new Option('--port <n>', 'port of the API server on this machine').default(0).argParser(parsePort))
    .option('--once', 'check, print, tear down; exit code 0 only if every connection was as expected')
    .option('--json', 'print the report as JSON')
    .option('--verbose', 'log what the parts do')
    .action(
      async (
        options: Omit<LabUpOptions, 'executable' | 'version' | 'launcher' | 'manifests'> & { manifests?: string[] },
      ) => {
        const launcher = chooseLauncher(realSurroundings());
        const manifests = options.manifests ?? [exampleFolder()];
        exitCode = await runLabUp({ ...options, manifests, launcher, executable: process.execPath, version });
      },
    );
  program
    .command('shell <name> [command...]')
    .description('a shell, or one command, inside a pod (namespace/name) or node of the running lab')
    .passThroughOptions()
    .action(async (name: string, command: string[]) => {
      exitCode = await enterLab(name, command);
    });
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CannotRunHere) return fail(error.message, 2);
    if (error instanceof ManifestError) return fail(error.message, 1);
    throw error;
  }
}

function fail(message: string, code: number): number {
  process.stderr.write(`${message}\n`);
  return code;
}

function parseNodes(text: string): number {
  const nodes = Number(text);
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > mostNodes)
    throw new InvalidArgumentError(`Allowed: 1 to ${mostNodes}.`);
  return nodes;
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65535)
    throw new InvalidArgumentError('Allowed: 0 (any free one) to 65535.');
  return port;
}

/** The example application: beside the executable in a checkout, or where a package installs it. */
function exampleFolder(): string {
  const candidates = [
    join(dirname(process.execPath), '..', 'examples', 'online-boutique'),
    '/usr/share/calico/examples/online-boutique',
  ];
  const found = candidates.find(existsSync);
  if (found === undefined)
    throw new Error(`Cannot find the example application: looked in ${candidates.join(', ')}; give --manifests`);
  return found;
}
