import { accessSync, constants, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pluginFiles } from '@calico/process/plugin-files';
import { replaceFile, unfinished } from '../files/replace-file.ts';
import type { NodeLog } from '../log.ts';
import { badVariable, NodeError } from '../node-error.ts';
import { isYes } from '../yes.ts';
import { printCniKubeconfig, serverOfPod } from './cni-kubeconfig.ts';
import { installAlias, installProgram } from './install-program.ts';
import { renderNetworkConfig } from './network-config.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** What installing the CNI plugin works with. */
export interface InstallDeps {
  readonly env: Environment;
  /** What the paths below begin with: empty, or a folder that stands for the machine. */
  readonly root: string;
  /** The executable that is every program; the plugins' shim may lie beside it. */
  readonly executable: string;
  readonly hostname: string;
  /** Our own service account, where we run in a pod: its token, and how to have one made for the plugin. */
  readonly account: { readonly token: string; readonly ca: string; requestToken(): Promise<string> } | undefined;
  readonly log: NodeLog;
}

/** As containers see the host: Calico's manifests mount it so. */
const hostNetDir = '/host/etc/cni/net.d';
const binDirs = ['/host/opt/cni/bin', '/host/secondary-bin-dir'];
/** Further plugins of the image. */
const extrasDir = '/opt/cni/bin';
const tlsNames = ['etcd-ca', 'etcd-cert', 'etcd-key'];
const programs = ['calico', 'calico-ipam'];

/**
 * Installs the CNI plugin on the host by Calico's environment: certificates of etcd, programs, kubeconfig, and the network
 * configuration last, for runtimes start pods when that is there. Whatever ends it in between, every file is the old or the new.
 * Idempotent. Rejects with NodeError that names what is missing.
 */
export async function installCni(deps: InstallDeps): Promise<void> {
  const { env, root, log, account, hostname } = deps;
  const netDir = join(root, hostNetDir);
  mkdirSync(netDir, { recursive: true });
  for (const dir of [netDir, ...binDirs.map(each => join(root, each))]) removeUnfinished(dir);
  const tlsFiles = installTlsFiles(deps);
  const portmap = installPrograms(deps);
  const netDirOnHost = env.CNI_NET_DIR || '/etc/cni/net.d';
  if (account !== undefined) {
    const server = serverOfPod(env);
    if (server === undefined)
      throw badVariable('KUBERNETES_SERVICE_HOST', '', 'the host of the API server, as pods have');
    const ca = env.SKIP_TLS_VERIFY === 'true' ? undefined : account.ca;
    const token = await account.requestToken();
    replaceFile(join(netDir, 'calico-kubeconfig'), printCniKubeconfig({ server, ca, token }), 0o600);
    log.info({ path: `${netDirOnHost}/calico-kubeconfig` }, 'Wrote the kubeconfig of the CNI plugin');
  }
  const { text, unknown } = renderNetworkConfig({
    env,
    template: readTemplate(env, root),
    netDir: netDirOnHost,
    hostname,
    tlsFiles,
    portmap,
    token: account?.token ?? '',
  });
  if (unknown.length > 0) log.warn({ unknown }, 'The network configuration has placeholders that mean nothing');
  const name = fileName(env, 'CNI_CONF_NAME', '10-calico.conflist');
  replaceFile(join(netDir, name), text, 0o600);
  log.info({ path: `${netDirOnHost}/${name}` }, 'Wrote the network configuration');
  const oldName = fileName(env, 'CNI_OLD_CONF_NAME', '10-calico.conflist');
  if (oldName !== name) rmSync(join(netDir, oldName), { force: true });
}

/**
 * Puts the certificates of etcd that there are on the host, and takes those away that are no more. Gives their names. Also to be
 * called when they may have changed.
 */
export function installTlsFiles({ env, root, log }: Pick<InstallDeps, 'env' | 'root' | 'log'>): Set<string> {
  const source = join(root, env.TLS_ASSETS_DIR || '/calico-secrets');
  const target = join(root, hostNetDir, 'calico-tls');
  const present = new Set(tlsNames.filter(name => existsSync(join(source, name))));
  if (present.size === 0) {
    rmSync(target, { recursive: true, force: true });
    return present;
  }
  mkdirSync(target, { recursive: true, mode: 0o700 });
  for (const name of tlsNames) {
    const path = join(source, name);
    if (!present.has(name)) rmSync(join(target, name), { force: true });
    else if (replaceFile(join(target, name), readFileSync(path), statSync(path).mode & 0o777)) {
      log.info({ name }, 'Installed a certificate or key of etcd');
    }
  }
  return present;
}

/** Installs all programs in every folder that can be written. Gives whether portmap is in one of the folders. */
function installPrograms(deps: InstallDeps): boolean {
  const { env, root, executable, log } = deps;
  const update = isYes(env.UPDATE_CNI_BINARIES, true);
  const skipped = (env.SKIP_CNI_BINARIES ?? '').split(',').map(name => name.trim());
  const folders = binDirs.map(each => join(root, each));
  const writable = folders.filter(isWritable);
  const complete = folders.filter(folder => programs.every(name => existsSync(join(folder, name))));
  if (writable.length === 0 && (update || complete.length === 0)) {
    throw new NodeError(
      `Cannot install the CNI plugin: none of ${binDirs.join(', ')} can be written; mount the host's folder of plugins there, or have calico and calico-ipam there already and set UPDATE_CNI_BINARIES=false`,
    );
  }
  const files = pluginFiles(executable);
  const extras = join(root, extrasDir);
  const others = existsSync(extras) ? readdirSync(extras) : [];
  for (const folder of writable) {
    const install = (name: string, place: (target: string) => string) => {
      const target = join(folder, name);
      if (!update && existsSync(target)) return log.info({ target }, 'Left a program as it is');
      log.info({ target, how: place(target) }, 'Installed a program');
    };
    for (const [name, file] of files) {
      if (name !== 'calico-ipam') install(name, target => installProgram(file, target));
    }
    install('calico-ipam', target => installAlias(join(folder, 'calico'), target));
    for (const name of others) {
      if (['install', ...files.keys(), ...skipped].includes(name)) continue;
      install(name, target => installProgram(join(extras, name), target));
    }
  }
  return folders.some(folder => existsSync(join(folder, 'portmap')));
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return statSync(folder).isDirectory();
  } catch {
    return false;
  }
}

/** What a run that was killed has left. */
function removeUnfinished(folder: string): void {
  if (!isWritable(folder)) return;
  for (const name of readdirSync(folder)) {
    if (name.startsWith('.') && name.endsWith(unfinished)) rmSync(join(folder, name), { force: true });
  }
}

function readTemplate(env: Environment, root: string): string | undefined {
  const file = env.CNI_NETWORK_CONFIG_FILE;
  if (!file) return env.CNI_NETWORK_CONFIG || undefined;
  try {
    return readFileSync(join(root, file), 'utf8');
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw badVariable('CNI_NETWORK_CONFIG_FILE', file, `a file that can be read (${cause})`);
  }
}

/** The name of a file in the folder of configurations, never a path out of it. */
function fileName(env: Environment, variable: string, absent: string): string {
  const name = env[variable] || absent;
  if (name.includes('/') || name === '.' || name === '..') {
    throw badVariable(variable, name, 'the name of a file, without a folder');
  }
  return name;
}
