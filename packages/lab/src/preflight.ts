import { spawnSync } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';

/** The lab can't run here: what is missing and what to do, for the user. Exit code 2. */
export class CannotRunHere extends Error {
  override readonly name = 'CannotRunHere';
}

/** What the machine answers; tests give their own. */
export interface Surroundings {
  readonly platform: string;
  readonly uid: number;
  /** Content of a small file, undefined where it can't be read. */
  read(path: string): string | undefined;
  writable(path: string): boolean;
  /** Runs a command; true when it ended with 0. */
  succeeds(command: readonly string[]): boolean;
}

/** How the inner half enters its namespaces: the command in front of the executable. */
export type Launcher = readonly string[];

const withoutUserNamespace = [
  'unshare',
  '--net',
  '--mount',
  '--pid',
  '--fork',
  '--kill-child=SIGKILL',
  '--propagation=private',
];
const withUserNamespace = ['unshare', '--user', '--map-root-user', ...withoutUserNamespace.slice(1)];

/**
 * Finds out how to make the lab's private namespaces here. Root needs no user namespace, but takes one where it lacks the
 * capability. Throws CannotRunHere, with the setting to change, where it can't be done.
 */
export function chooseLauncher(around: Surroundings): Launcher {
  if (around.platform !== 'linux') {
    throw new CannotRunHere(`Cannot run on ${around.platform}: the lab needs Linux network namespaces and nftables.
Use a Linux machine or virtual machine (Debian 12 or later, Ubuntu 22.04 or later).`);
  }
  if (around.read('/proc/self/status') === undefined) {
    throw new CannotRunHere('Cannot run without /proc: mount it with `mount -t proc proc /proc` and try again.');
  }
  const launchers = around.uid === 0 ? [withoutUserNamespace, withUserNamespace] : [withUserNamespace];
  const launcher = launchers.find(candidate => around.succeeds([...candidate, 'true']));
  if (launcher === undefined) throw new CannotRunHere(explainRefusal(around));
  // The switches of a namespace's network live in /proc/sys; a container may show it read-only.
  if (!around.succeeds([...launcher, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward'])) {
    throw new CannotRunHere(`Cannot switch on forwarding in a network namespace of our own: /proc/sys is read-only or hidden here, as in an unprivileged container.
Start the container with --security-opt systempaths=unconfined (docker, podman), or run on the host.`);
  }
  return launcher;
}

/** The system as it is. */
export function realSurroundings(): Surroundings {
  return {
    platform: process.platform,
    uid: process.getuid?.() ?? -1,
    read(path) {
      try {
        return readFileSync(path, 'utf8').trim();
      } catch {
        return undefined;
      }
    },
    writable(path) {
      try {
        accessSync(path, constants.W_OK);
        return true;
      } catch {
        return false;
      }
    },
    succeeds([command = '', ...args]) {
      return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
    },
  };
}

/** The settings by which distributions forbid user namespaces to ordinary users, each with its remedy. */
function explainRefusal(around: Surroundings): string {
  const start = 'Cannot make network namespaces as this user:';
  if (!around.succeeds(['unshare', '--version'])) {
    return 'Cannot make network namespaces: the command unshare is missing. Install util-linux: sudo apt-get install util-linux';
  }
  if (around.read('/proc/sys/kernel/apparmor_restrict_unprivileged_userns') === '1') {
    return `${start} AppArmor restricts user namespaces (kernel.apparmor_restrict_unprivileged_userns is 1).
Allow them: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0
or run as root: sudo npm start`;
  }
  if (around.read('/proc/sys/kernel/unprivileged_userns_clone') === '0') {
    return `${start} kernel.unprivileged_userns_clone is 0.
Allow them: sudo sysctl kernel.unprivileged_userns_clone=1
or run as root: sudo npm start`;
  }
  if (around.read('/proc/sys/user/max_user_namespaces') === '0') {
    return `${start} user.max_user_namespaces is 0.
Allow them: sudo sysctl user.max_user_namespaces=15000
or run as root: sudo npm start`;
  }
  return `${start} the kernel or a security module refuses them (a seccomp profile of a container, for example).
Run as root on the host: sudo npm start
or allow the container: --security-opt seccomp=unconfined --security-opt apparmor=unconfined`;
}
