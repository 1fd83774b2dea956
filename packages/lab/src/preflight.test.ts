import { expect, test } from 'bun:test';
import { CannotRunHere, chooseLauncher, type Surroundings } from './preflight.ts';

/** A Linux machine where everything works, with changes. */
function machine(changes: {
  platform?: string;
  uid?: number;
  files?: Readonly<Record<string, string | undefined>>;
  fails?: (command: string) => boolean;
}): Surroundings {
  const { platform = 'linux', uid = 1000, fails = () => false } = changes;
  const files: Readonly<Record<string, string | undefined>> = { '/proc/self/status': 'Name: calico', ...changes.files };
  return {
    platform,
    uid,
    read: path => files[path],
    writable: () => true,
    succeeds: command => !fails(command.join(' ')),
  };
}

test('chooseLauncher gives an ordinary user a user namespace, with net, mount and pid namespaces', () => {
  const launcher = chooseLauncher(machine({}));
  expect(launcher.slice(0, 3)).toEqual(['unshare', '--user', '--map-root-user']);
  for (const flag of ['--net', '--mount', '--pid', '--fork']) expect(launcher).toContain(flag);
});

test('chooseLauncher gives root no user namespace', () => {
  expect(chooseLauncher(machine({ uid: 0 }))).not.toContain('--user');
});

test('chooseLauncher gives root without the capability, as in a container, a user namespace', () => {
  const launcher = chooseLauncher(machine({ uid: 0, fails: command => !command.includes('--user') }));
  expect(launcher).toContain('--user');
});

const noNamespaces = (command: string) => command.startsWith('unshare --') && command !== 'unshare --version';

test.each([
  { name: 'macOS', around: machine({ platform: 'darwin' }), says: ['darwin', 'Linux'] },
  {
    name: 'no /proc',
    around: machine({ files: { '/proc/self/status': undefined } }),
    says: ['/proc', 'mount -t proc'],
  },
  {
    name: 'AppArmor restricts user namespaces, as on Ubuntu 24.04',
    around: machine({ fails: noNamespaces, files: { '/proc/sys/kernel/apparmor_restrict_unprivileged_userns': '1' } }),
    says: ['AppArmor', 'sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0', 'sudo npm start'],
  },
  {
    name: 'unprivileged_userns_clone is 0, as on a hardened Debian',
    around: machine({ fails: noNamespaces, files: { '/proc/sys/kernel/unprivileged_userns_clone': '0' } }),
    says: ['sudo sysctl kernel.unprivileged_userns_clone=1', 'sudo npm start'],
  },
  {
    name: 'max_user_namespaces is 0',
    around: machine({ fails: noNamespaces, files: { '/proc/sys/user/max_user_namespaces': '0' } }),
    says: ['sudo sysctl user.max_user_namespaces=', 'sudo npm start'],
  },
  {
    name: 'a seccomp profile refuses, and no setting says so',
    around: machine({ fails: noNamespaces, files: { '/proc/sys/user/max_user_namespaces': '15000' } }),
    says: ['--security-opt seccomp=unconfined', 'sudo npm start'],
  },
  {
    name: 'unshare is missing',
    around: machine({ fails: command => command.startsWith('unshare') }),
    says: ['unshare is missing', 'apt-get install util-linux'],
  },
  {
    name: '/proc/sys is read-only',
    around: machine({ fails: command => command.includes('ip_forward') }),
    says: ['/proc/sys is read-only or hidden', '--security-opt systempaths=unconfined'],
  },
])('chooseLauncher says what to do where the lab cannot run: $name', ({ around, says }) => {
  let message = '';
  try {
    chooseLauncher(around);
  } catch (error) {
    expect(error).toBeInstanceOf(CannotRunHere);
    message = String(error);
  }
  for (const text of says) expect(message).toContain(text);
});
