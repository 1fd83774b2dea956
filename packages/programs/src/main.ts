import { basename } from 'node:path';
import { commit, version } from './version.ts';

/** What the executable can be, each loaded only when it is asked for: starting is most of what the plugin's time is. */
const commands: Readonly<
  Record<string, { readonly about: string; readonly run: (args: string[]) => Promise<number> }>
> = {
  version: {
    about: 'print the version',
    async run() {
      process.stdout.write(`Version:    ${version}\nGit commit: ${commit}\n`);
      return 0;
    },
  },
  component: {
    about: 'run a part of the system: node, felix, …',
    run: async args => (await import('./component.ts')).runComponent(args),
  },
  ctl: {
    about: 'the command line for Calico resources, also called calicoctl',
    run: async args => (await import('./calicoctl/main.ts')).runCalicoctl(args),
  },
  debug: {
    about: 'look into the agent of this node',
    run: async args => (await import('./debug/command.ts')).runDebug(args, process.env),
  },
  lab: {
    about: 'a cluster in network namespaces on this machine',
    run: async args => (await import('./lab.ts')).runLab(args),
  },
  api: {
    about: 'the embedded API server',
    run: async args => (await import('./api.ts')).runApi(args),
  },
};

/** Chooses the program by the name it was called by, or by its first argument. Gives the exit code. */
async function main(name: string, args: string[]): Promise<number> {
  if (process.env.CNI_COMMAND !== undefined && args[0] !== '-append-to-log') {
    // What runs once is not worth compiling: 1 ms of the 10 that a call of the plugin takes of a processor.
    Bun.unsafe.setJITPolicy(1000);
    return (await import('./cni.ts')).runCni(name);
  }
  if (args[0]?.startsWith('-') && args.length === 1) {
    const code = await (await import('./cni.ts')).runCniFlag(name, args);
    if (code !== undefined) return code;
  }
  if (name === 'calico-ipam') return (await import('./cni.ts')).runCni(name);
  if (name === 'calicoctl') return commands.ctl?.run(args) ?? 1;
  const [first = 'help', ...rest] = args;
  const command = commands[first];
  if (command !== undefined) return command.run(rest);
  const known = first === 'help' || first === '--help' || first === '-h';
  const out = known ? process.stdout : process.stderr;
  if (!known) out.write(`Cannot run "${first}": it is no command of calico.\n`);
  out.write(`Usage: calico <command> …\n\n`);
  for (const [word, { about }] of Object.entries(commands)) out.write(`  ${word.padEnd(10)} ${about}\n`);
  return known ? 0 : 1;
}

main(basename(process.argv0), process.argv.slice(2)).then(
  code => process.exit(code),
  error => {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    if (process.env.CALICO_DEBUG !== undefined && error instanceof Error) process.stderr.write(`${error.stack}\n`);
    process.exit(1);
  },
);
