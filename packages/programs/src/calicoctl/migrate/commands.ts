import type { Command } from 'commander';
import type { ConnectionFlags } from '../session.ts';
import type { World } from '../world.ts';

/** Adds the commands of `calicoctl datastore`. `withConfig` adds the flags that every command has which talks to the datastore. */
export function addDatastoreCommands(
  datastore: Command,
  world: World,
  withConfig: (command: Command) => Command,
): void {
  const migrate = datastore.command('migrate').description('lock, unlock, export, import');
  for (const [name, lock, about] of [
    ['lock', true, 'say that the datastore is not ready: addresses stay as they are, and no pods start'],
    ['unlock', false, 'say that it is ready again'],
  ] as const) {
    withConfig(migrate.command(name).description(about)).action(async (_flags: unknown, command: Command) => {
      const { runDatastoreLock } = await import('../commands/datastore-lock.ts');
      await runDatastoreLock(lock, command.optsWithGlobals<ConnectionFlags>(), world);
    });
  }
  withConfig(migrate.command('export').description('write what a locked etcd has, for import, to stdout')).action(
    async (_flags: unknown, command: Command) => {
      await (await import('./export.ts')).runExport(command.optsWithGlobals<ConnectionFlags>(), world);
    },
  );
  withConfig(
    migrate.command('import').description('store what export wrote in a Kubernetes cluster without data of Calico'),
  )
    .requiredOption('-f, --filename <path>', 'what export wrote; - is stdin')
    .action(async (_flags: unknown, command: Command) => {
      const { runImport } = await import('./import.ts');
      await runImport(command.optsWithGlobals<ConnectionFlags & { filename: string }>(), world);
    });
}
