import { Command, CommanderError, Option } from 'commander';
import type { CreateFlags } from './commands/create.ts';
import type { DeleteFlags } from './commands/delete.ts';
import type { GetFlags } from './commands/get.ts';
import type { LabelFlags } from './commands/label.ts';
import type { PatchFlags } from './commands/patch.ts';
import type { VersionFlags } from './commands/version.ts';
import { errorText } from './error-text.ts';
import { Failure } from './failure.ts';
import type { FileFlags } from './files/load-resources.ts';
import { addIpamCommands } from './ipam/commands.ts';
import { addDatastoreCommands } from './migrate/commands.ts';
import { addPolicyCommands } from './policy/commands.ts';
import type { ConnectionFlags } from './session.ts';
import type { World } from './world.ts';

type WriteFlags = FileFlags & ConnectionFlags;

/** Commands of Calico's that this one does not have yet, by the group they stand in. */
const MISSING: Readonly<Record<string, string>> = {
  ipam: 'ipam show, ipam check, ipam release, ipam configure, ipam split',
  node: 'node status',
  datastore: 'datastore migrate lock, unlock, export, import',
  cluster: 'none of its commands',
};

/** Runs one command line. Gives the exit code: 0, or 1 after any error, which was told to the user. */
export async function calicoctl(args: readonly string[], world: World): Promise<number> {
  try {
    await program(world).parseAsync(args, { from: 'user' });
    return 0;
  } catch (err) {
    // Commander has written its own messages; help is no error.
    if (err instanceof CommanderError) return err.exitCode === 0 ? 0 : 1;
    const text = `${errorText(err).replace(/\n$/, '')}\n`;
    if (err instanceof Failure && err.stream === 'out') world.out(text);
    else world.err(text);
    return 1;
  }
}

function program(world: World): Command {
  const root = new Command('calicoctl')
    .description('Manages the resources of Calico, and shows its state.')
    .option('-l, --log-level <level>', 'for compatibility; nothing is logged')
    .option('--context <name>', 'the context of the kubeconfig to use')
    .option('--allow-version-mismatch', 'work on a cluster of another version')
    .exitOverride()
    .configureOutput({ writeOut: text => world.out(text), writeErr: text => world.err(text) });

  const fileCommand = (name: string, about: string): Command =>
    withNamespace(withFiles(withConfig(root.command(name).description(about))));

  withAllNamespaces(fileCommand('get', 'show resources by kind and name, or those in a file'))
    .argument('[kind]', 'such as ippool, networkpolicy, node')
    .argument('[names...]', 'of the resources; all when there is none')
    .option('-o, --output <format>', 'ps, wide, yaml, json, custom-columns=<heading>,…', 'ps')
    .option('--export', 'without what belongs to this cluster; only with names')
    .action(async (kind: string | undefined, names: string[], _flags: unknown, command: Command) => {
      const { runGet } = await import('./commands/get.ts');
      await runGet(kind === undefined ? [] : [kind, ...names], command.optsWithGlobals<GetFlags>(), world);
    });
  requireFile(fileCommand('create', 'store new resources'))
    .option('--skip-exists', 'pass over resources that exist already')
    .action(async (_flags: unknown, command: Command) => {
      await (await import('./commands/create.ts')).runCreate(command.optsWithGlobals<CreateFlags>(), world);
    });
  requireFile(fileCommand('apply', 'store resources, whether they exist or not')).action(
    async (_flags: unknown, command: Command) => {
      await (await import('./commands/apply.ts')).runApply(command.optsWithGlobals<WriteFlags>(), world);
    },
  );
  requireFile(fileCommand('replace', 'replace resources that exist')).action(
    async (_flags: unknown, command: Command) => {
      await (await import('./commands/replace.ts')).runReplace(command.optsWithGlobals<WriteFlags>(), world);
    },
  );
  requireFile(fileCommand('validate', 'look at files, without a cluster')).action(
    async (_flags: unknown, command: Command) => {
      await (await import('./commands/validate.ts')).runValidate(command.optsWithGlobals<FileFlags>(), world);
    },
  );
  fileCommand('delete', 'delete resources by kind and name, or those in a file')
    .argument('[kind]')
    .argument('[names...]')
    .option('-s, --skip-not-exists', 'pass over resources that do not exist')
    .action(async (kind: string | undefined, names: string[], _flags: unknown, command: Command) => {
      const { runDelete } = await import('./commands/delete.ts');
      await runDelete(kind === undefined ? [] : [kind, ...names], command.optsWithGlobals<DeleteFlags>(), world);
    });
  withNamespace(withConfig(root.command('patch').description('change fields of a resource')))
    .argument('<kind>')
    .argument('<name>')
    .requiredOption('-p, --patch <patch>', 'the fields to change, in JSON or YAML')
    .option('-t, --type <type>', 'of the patch', 'strategic')
    .action(async (kind: string, name: string, _flags: unknown, command: Command) => {
      const { runPatch } = await import('./commands/patch.ts');
      await runPatch(kind, name, command.optsWithGlobals<PatchFlags>(), world);
    });
  withNamespace(withConfig(root.command('label').description('set or remove a label of a resource')))
    .argument('<kind>')
    .argument('<name>')
    .argument('<label>', 'key=value; with --remove the key')
    .option('--overwrite', 'change a label that is set already')
    .option('--remove', 'remove the label')
    .action(async (kind: string, name: string, label: string, _flags: unknown, command: Command) => {
      const { runLabel } = await import('./commands/label.ts');
      await runLabel([kind, name, label], command.optsWithGlobals<LabelFlags>(), world);
    });
  withConfig(root.command('version').description('show the versions of this program and of the cluster'))
    .option('--client', 'only of this program')
    .action(async (_flags: unknown, command: Command) => {
      await (await import('./commands/version.ts')).runVersion(command.optsWithGlobals<VersionFlags>(), world);
    });

  const groups = Object.fromEntries(Object.entries(MISSING).map(([name, there]) => [name, group(root, name, there)]));
  const ipam = groups.ipam?.description('addresses: pools, blocks, who has which');
  if (ipam !== undefined) addIpamCommands(ipam, world, withConfig);
  addPolicyCommands(root.command('policy').description('what policy does'), world, withConfig);
  groups.node
    ?.description('this node')
    .command('status')
    .description('show whether Calico runs here, and its BGP sessions')
    .action(async () => (await import('./commands/node-status.ts')).runNodeStatus(world));
  const datastore = groups.datastore?.description('the datastore as a whole');
  if (datastore !== undefined) addDatastoreCommands(datastore, world, withConfig);
  return root;
}

/** A group of commands; what it does not have is refused with what it has. */
function group(root: Command, name: string, there: string): Command {
  return root
    .command(name)
    .argument('[command...]')
    .allowUnknownOption()
    .action((words: string[]) => {
      throw new Failure(
        `Cannot run "${[name, ...words.slice(0, 1)].join(' ')}"; allowed: ${there} (the rest is not there yet)`,
      );
    });
}

function withConfig(command: Command): Command {
  return command.option('-c, --config <file>', 'where to find the datastore; /etc/calico/calicoctl.cfg if it exists');
}

function withNamespace(command: Command): Command {
  return command.option('-n, --namespace <namespace>', 'of the resources; default if not given');
}

function withAllNamespaces(command: Command): Command {
  return command
    .option('-A, --all-namespaces', 'resources of all namespaces')
    .addOption(new Option('-a').hideHelp().implies({ allNamespaces: true }));
}

function withFiles(command: Command): Command {
  return command
    .option('-f, --filename <path>', 'a file or directory with resources in YAML or JSON; - is stdin')
    .option('-R, --recursive', 'directories below the directory too')
    .option('--skip-empty', 'a file without resources is no error');
}

function requireFile(command: Command): Command {
  return command.hook('preAction', (_root, called) => {
    if (called.opts<FileFlags>().filename === undefined)
      throw new Failure('--filename is missing; allowed: a file, a directory, or - for stdin');
  });
}
