import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { type InstallDeps, installCni, installTlsFiles, RepeatedWork } from '@calico/node';
import { createLogger, Lifecycle, runUntilSignal, systemClock, systemRandom } from '@calico/process';
import { Command } from 'commander';
import type { Environment } from './datastore/config.ts';
import { podAccount } from './node/cni-token.ts';

/** How often certificates of etcd are looked at, which are renewed in place; ms. */
const lookInterval = 2_000;

/** Runs `calico component cni …`. Gives the exit code; rejects with what can't be installed. */
export async function runCniComponent(args: string[], env: Environment): Promise<number> {
  const program = new Command('calico component cni').description('The CNI plugin on this host.');
  program
    .command('install')
    .description(
      'put the plugin, its kubeconfig and the network configuration on the host, then stay unless SLEEP=false',
    )
    .option('--root <folder>', 'what every path begins with, for images that are built', '')
    .action(({ root }: { root: string }) => install(env, root));
  await program.parseAsync(args, { from: 'user' });
  return 0;
}

async function install(env: Environment, root: string): Promise<void> {
  const log = createLogger({ component: 'cni-installer' });
  const account = podAccount(env);
  const deps: InstallDeps = {
    env,
    root,
    executable: executableOf(root),
    hostname: hostname().toLowerCase(),
    account: account && {
      token: account.token(),
      ca: account.ca,
      requestToken: async () => (await account.requestToken()).token,
    },
    log,
  };
  await installCni(deps);
  if (env.SLEEP === 'false') return;
  const work = new RepeatedWork({
    clock: systemClock,
    random: systemRandom,
    intervalMs: lookInterval,
    work: async () => {
      installTlsFiles(deps);
    },
    onRound: failure => failure && log.warn({ err: failure.error }, 'The certificates of etcd could not be installed'),
  });
  const component = { name: 'certificates', start: () => work.ask(), stop: () => work.stop() };
  log.info({}, 'The CNI plugin is installed; staying to renew the certificates of etcd');
  await runUntilSignal(new Lifecycle({ components: [component], clock: systemClock, log }));
}

/** The program to install: the image's where there is one, else this one. */
function executableOf(root: string): string {
  const ofImage = join(root, '/usr/bin/calico');
  return existsSync(ofImage) ? ofImage : process.execPath;
}
