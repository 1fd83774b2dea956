// What a fresh checkout needs before anything of the project can run: npm packages, Debian packages, the executable.
// Plain JavaScript without dependencies, because it runs on the user's Node before any package is installed.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
export const bun = join(root, 'node_modules', '.bin', 'bun');
export const executable = join(root, 'dist', 'calico');

/** Debian packages by the command that shows they are there, and what is left out without them. */
const debianPackages = [
  { name: 'bird2', command: 'bird', without: 'BGP (--encapsulation none)' },
  { name: 'nftables', command: 'nft', without: 'looking at the rules with nft, and the tests that compare with it' },
  { name: 'iproute2', command: 'ip', without: 'looking at routes with ip, and the tests that compare with it' },
];

/** What the tests need besides. */
export const testPackages = [
  // It recommends the C library's headers, which apt-get then installs too.
  { name: 'gcc', command: 'cc', without: 'shim of the CNI plugins, which then start 10 ms later, and no tests of it' },
  { name: 'etcd-server', command: 'etcd', without: 'tests of the etcd datastore and of a real kube-apiserver' },
  { name: 'etcd-client', command: 'etcdctl', without: 'tests of etcd with users' },
  { name: 'openssl', command: 'openssl', without: 'tests with certificates of clients' },
  { name: 'containerd', command: 'containerd', without: 'tests of the plugin under containerd' },
  { name: 'runc', command: 'runc', without: 'tests of the plugin under containerd' },
  { name: 'podman', command: 'podman', without: 'tests of the plugin under podman' },
  { name: 'busybox-static', command: 'busybox', without: 'images for the tests of container runtimes' },
  { name: 'containernetworking-plugins', command: '/usr/lib/cni/portmap', without: 'tests of chains of plugins' },
  { name: 'iptables', command: 'iptables', without: 'tests of ports of the host' },
  { name: 'curl', command: 'curl', without: 'tests of container runtimes and of metrics by TLS' },
];

/** Prints one line of progress on standard error, so that standard output stays for results. */
export function say(text) {
  process.stderr.write(`${text}\n`);
}

/** Ends with exit code 2 on a system where the lab cannot work. */
export function requireLinux() {
  if (process.platform === 'linux') {
    // Bun itself aborts without it, before any word of ours.
    if (existsSync('/proc/self/status')) return;
    say('Cannot run without /proc. Mount it: mount -t proc proc /proc');
    process.exit(2);
  }
  say(`Cannot run on ${process.platform}: the lab needs Linux network namespaces and nftables.`);
  say('Use a Linux machine or virtual machine (Debian 12 or later, Ubuntu 22.04 or later), for example: limactl start');
  process.exit(2);
}

/** Installs the npm packages of the lock file, once per lock file. */
export function installNpmPackages() {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  const stamp = join(root, 'node_modules', '.calico-lock');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock && existsSync(bun)) return;
  say('Installing npm packages …');
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  writeFileSync(stamp, lock);
}

/** Installs the Debian packages where root can; elsewhere says what is missing. Gives the names still missing. */
export function installDebianPackages(more = []) {
  const missing = [...debianPackages, ...more].filter(p => !findCommand(p.command));
  if (missing.length === 0) return [];
  const names = missing.map(p => p.name);
  const line = `apt-get install --yes ${names.join(' ')}`;
  if (process.getuid?.() === 0 && findCommand('apt-get')) {
    say(`Installing Debian packages: ${names.join(', ')} …`);
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const updated = spawnSync('apt-get', ['update', '--quiet=2'], { stdio: ['ignore', 2, 2], env });
    const installed = spawnSync('apt-get', ['install', '--yes', '--quiet=2', ...names], {
      stdio: ['ignore', 2, 2],
      env,
    });
    if (updated.status === 0 && installed.status === 0) return [];
    say(`Could not install them; by hand: ${line}`);
  } else {
    say(`Missing: ${names.join(', ')}. To install: sudo ${line}`);
  }
  for (const p of missing) say(`  without ${p.name}: no ${p.without}`);
  return names;
}

/** Builds dist/calico when a source is newer than it. */
export function buildExecutable() {
  const built = existsSync(executable) ? statSync(executable).mtimeMs : 0;
  const newest = Math.max(newestChange(join(root, 'packages')), statSync(join(root, 'package-lock.json')).mtimeMs);
  if (built > newest) return;
  say('Building dist/calico …');
  run(bun, [join(root, 'tools', 'build.ts')]);
}

/** Runs a command with the user's terminal; ends this program with its exit code when it fails. */
export function run(command, args) {
  const done = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (done.error) throw done.error;
  if (done.status !== 0) {
    say(`${command} ${args.join(' ')} failed with exit code ${done.status ?? done.signal}`);
    process.exit(1);
  }
}

/** The path of a command, looked for on PATH and where Debian keeps the administrator's commands. */
export function findCommand(name) {
  if (isAbsolute(name)) return isExecutable(name) ? name : undefined;
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/local/sbin'];
  return folders.map(f => join(f, name)).find(isExecutable);
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function newestChange(folder) {
  let newest = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.name === 'node_modules') continue;
    const path = join(folder, entry.name);
    newest = Math.max(newest, entry.isDirectory() ? newestChange(path) : statSync(path).mtimeMs);
  }
  return newest;
}
