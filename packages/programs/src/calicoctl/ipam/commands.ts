import type { Command } from 'commander';
import type { IpamCheckFlags } from '../commands/ipam-check.ts';
import type { IpamConfigureFlags } from '../commands/ipam-configure.ts';
import type { IpamReleaseFlags } from '../commands/ipam-release.ts';
import type { IpamShowFlags } from '../commands/ipam-show.ts';
import type { IpamSplitFlags } from '../commands/ipam-split.ts';
import type { World } from '../world.ts';

/** Adds the commands of `calicoctl ipam`. `withConfig` adds the flags that every command has which talks to the datastore. */
export function addIpamCommands(ipam: Command, world: World, withConfig: (command: Command) => Command): void {
  withConfig(ipam.command('show').description('show how addresses are used'))
    .option('--ip <address>', 'who has this address')
    .option('--show-blocks', 'blocks too, below their pools')
    .option('--show-borrowed', 'addresses used by nodes other than the owner of the block')
    .option('--show-configuration', 'how addresses are given out')
    .action(async (_flags: unknown, command: Command) => {
      await (await import('../commands/ipam-show.ts')).runIpamShow(command.optsWithGlobals<IpamShowFlags>(), world);
    });
  withConfig(ipam.command('check').description('compare what is allocated with what is used'))
    .option('--show-all-ips', 'every address that is allocated or used')
    .option('--show-problem-ips', 'every address with which something is wrong, and why')
    .option('-o, --output <file>', 'write a report that ipam release takes')
    .action(async (_flags: unknown, command: Command) => {
      await (await import('../commands/ipam-check.ts')).runIpamCheck(command.optsWithGlobals<IpamCheckFlags>(), world);
    });
  withConfig(ipam.command('release').description('give back addresses that nobody uses'))
    .option('--ip <address>', 'this one')
    .option('--from-report <file>', 'those that all reports given call unused', (file, files: string[] = []) => [
      ...files,
      file,
    ])
    .option('--force', 'although the datastore is not locked; with --ip although it is in use')
    .action(async (_flags: unknown, command: Command) => {
      const { runIpamRelease } = await import('../commands/ipam-release.ts');
      await runIpamRelease(command.optsWithGlobals<IpamReleaseFlags>(), world);
    });
  withConfig(ipam.command('configure').description('change how addresses are given out'))
    .option('--strictaffinity <bool>', 'whether nodes never borrow addresses of each other')
    .option('--max-blocks-per-host <number>', 'the most blocks a node may have; 0: no limit')
    .option('--kubevirt-ip-persistence <how>', 'whether virtual machines keep their addresses: Enabled or Disabled')
    .option('--ip-cooldown-seconds <number>', 'how long a released address rests')
    .action(async (_flags: unknown, command: Command) => {
      const { runIpamConfigure } = await import('../commands/ipam-configure.ts');
      await runIpamConfigure(command.optsWithGlobals<IpamConfigureFlags>(), world);
    });
  withConfig(ipam.command('split').description('replace a pool by smaller ones; the datastore must be locked'))
    .argument('<number>', 'of the new pools, a power of 2')
    .option('--cidr <cidr>', 'of the pool')
    .option('--name <name>', 'of the pool')
    .action(async (parts: string, _flags: unknown, command: Command) => {
      const { runIpamSplit } = await import('../commands/ipam-split.ts');
      await runIpamSplit(parts, command.optsWithGlobals<IpamSplitFlags>(), world);
    });
}
