import { readFileSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import type { Clock } from '@calico/reconcile';
import { DatastoreError } from '../error.ts';
import { CachedFile } from './cached-file.ts';
import type { CredentialSource, KubernetesConfig } from './config.ts';
import {
  certificateCredentials,
  combinedCredentials,
  staticCredentials,
  tokenCredentials,
  tokenFileCredentials,
} from './credentials.ts';
import { type ExecPlugin, execApiVersions, execCredentials } from './exec-credentials.ts';
import { processClock } from './system-time.ts';

/** A section of a kubeconfig: plain data that came from outside, and the file it stands in. */
class Section {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly file: string;

  constructor(value: unknown, file: string) {
    this.#fields = typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
    this.file = file;
  }

  value(field: string): unknown {
    return this.#fields[field];
  }

  text(field: string): string | undefined {
    const value = this.#fields[field];
    return typeof value === 'string' && value !== '' ? value : undefined;
  }

  flag(field: string): boolean {
    return this.#fields[field] === true;
  }

  section(field: string): Section {
    return new Section(this.#fields[field], this.file);
  }

  sections(field: string): Section[] {
    const value = this.#fields[field];
    return Array.isArray(value) ? value.map((entry: unknown) => new Section(entry, this.file)) : [];
  }

  texts(field: string): string[] {
    const value = this.#fields[field];
    return Array.isArray(value) ? value.filter((entry): entry is string => typeof entry === 'string') : [];
  }

  /** A path in a kubeconfig is relative to the file. */
  path(field: string): string | undefined {
    const value = this.text(field);
    return value === undefined || isAbsolute(value) ? value : join(dirname(this.file), value);
  }

  /** Inline base64 data of `<field>-data`, else the file that `<field>` names. */
  dataOrFile(field: string): string | { readonly path: string } | undefined {
    const data = this.text(`${field}-data`);
    if (data !== undefined) return Buffer.from(data, 'base64').toString('utf8');
    const path = this.path(field);
    return path === undefined ? undefined : { path };
  }
}

function failure(file: string, reason: string, cause?: unknown): DatastoreError {
  return new DatastoreError({ code: 'Invalid', op: 'load', resource: `kubeconfig ${file}`, reason, cause });
}

function readKubeconfig(file: string): Section {
  return parseSection(readText(file, file), file);
}

/** What is in a file that the kubeconfig names, or in itself. */
function readText(path: string, kubeconfig: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (err) {
    throw failure(kubeconfig, err instanceof Error ? err.message : String(err), err);
  }
}

function parseSection(text: string, file: string): Section {
  try {
    // YAML holds JSON, but JSON is read ten times as fast, and is what programs write.
    return new Section(text.trimStart().startsWith('{') ? JSON.parse(text) : Bun.YAML.parse(text), file);
  } catch (err) {
    throw failure(file, `it is no YAML: ${err instanceof Error ? err.message : String(err)}`, err);
  }
}

/** The named entry of a list; the first file that has it wins. */
function named(files: readonly Section[], list: string, field: string, name: string): Section {
  const all = files.flatMap(file => file.sections(list));
  const found = all.find(entry => entry.text('name') === name);
  if (found !== undefined) return found.section(field);
  const known = all.map(entry => `"${entry.text('name') ?? ''}"`).join(', ');
  const where = files.map(file => file.file).join(':');
  throw failure(where, `${field} is "${name}"; allowed: one of ${list}: ${known === '' ? 'none' : known}`);
}

function execPlugin(user: Section, cluster: Section): ExecPlugin | undefined {
  if (user.value('exec') === undefined || user.value('exec') === null) return undefined;
  const exec = user.section('exec');
  const command = exec.text('command');
  if (command === undefined) throw failure(user.file, 'users[].user.exec.command is missing');
  const apiVersion = exec.text('apiVersion') ?? '';
  if (!execApiVersions.includes(apiVersion)) {
    const allowed = execApiVersions.join(', ');
    throw failure(user.file, `users[].user.exec.apiVersion is "${apiVersion}"; allowed: ${allowed}`);
  }
  const env = exec.sections('env').map(entry => [entry.text('name') ?? '', entry.text('value') ?? ''] as const);
  const ca = cluster.dataOrFile('certificate-authority');
  const caText = typeof ca === 'object' ? readText(ca.path, user.file) : ca;
  return {
    apiVersion,
    command: command.includes('/') && !isAbsolute(command) ? join(dirname(user.file), command) : command,
    args: exec.texts('args'),
    env: Object.fromEntries(env),
    installHint: exec.text('installHint'),
    cluster: exec.flag('provideClusterInfo')
      ? {
          server: cluster.text('server'),
          'tls-server-name': cluster.text('tls-server-name'),
          'insecure-skip-tls-verify': cluster.flag('insecure-skip-tls-verify'),
          'certificate-authority-data': caText === undefined ? undefined : Buffer.from(caText).toString('base64'),
          'proxy-url': cluster.text('proxy-url'),
        }
      : undefined,
  };
}

function userCredentials(user: Section, cluster: Section, clock: KubeconfigClock): CredentialSource | undefined {
  const sources: CredentialSource[] = [];
  const tokenFile = user.path('tokenFile');
  const token = user.text('token');
  const username = user.text('username');
  const plugin = execPlugin(user, cluster);
  // As client-go: the file wins over the inline token.
  if (tokenFile !== undefined) sources.push(tokenFileCredentials(tokenFile));
  else if (token !== undefined) sources.push(tokenCredentials(token));
  else if (username !== undefined) {
    const basic = Buffer.from(`${username}:${user.text('password') ?? ''}`).toString('base64');
    sources.push(staticCredentials({ authorization: `Basic ${basic}` }));
  }
  const cert = user.dataOrFile('client-certificate');
  const key = user.dataOrFile('client-key');
  if ((cert === undefined) !== (key === undefined)) {
    throw failure(user.file, `the user has a client ${cert === undefined ? 'key' : 'certificate'} only; allowed: both`);
  }
  if (cert !== undefined && key !== undefined) sources.push(certificateCredentials(cert, key));
  if (plugin !== undefined) sources.push(execCredentials(plugin, clock));
  return sources.length === 0 ? undefined : combinedCredentials(sources);
}

type KubeconfigClock = Pick<Clock, 'now' | 'wallTime'>;

/** Options of readKubeconfigs and parseKubeconfig. */
export interface KubeconfigOptions {
  /** The context to use; the file's current-context when absent. */
  readonly context?: string;
  /** For the expiry of credentials; the system's when absent. */
  readonly clock?: KubeconfigClock;
}

/**
 * The configuration that one or several kubeconfig files give, as kubectl reads them: of several files the first that
 * names a thing wins; relative paths start at their file. Files named in it are read when used, so rotation is seen.
 */
export function readKubeconfigs(paths: readonly string[], options: KubeconfigOptions = {}): KubernetesConfig {
  return configOf(paths.map(readKubeconfig), options);
}

/** The configuration that the text of a kubeconfig gives. `name` is for errors; relative paths start at the working folder. */
export function parseKubeconfig(text: string, name: string, options: KubeconfigOptions = {}): KubernetesConfig {
  return configOf([parseSection(text, name)], options);
}

function configOf(files: readonly Section[], options: KubeconfigOptions): KubernetesConfig {
  const where = files.map(({ file }) => file).join(':');
  const contextName = options.context ?? files.map(file => file.text('current-context')).find(Boolean);
  if (contextName === undefined) throw failure(where, 'current-context is missing');
  const context = named(files, 'contexts', 'context', contextName);
  const cluster = named(files, 'clusters', 'cluster', context.text('cluster') ?? '');
  const userName = context.text('user');
  const user = userName === undefined ? new Section({}, where) : named(files, 'users', 'user', userName);

  const server = cluster.text('server');
  if (server === undefined) throw failure(cluster.file, 'clusters[].cluster.server is missing');
  const ca = cluster.dataOrFile('certificate-authority');
  const caFile = typeof ca === 'object' ? new CachedFile(ca.path) : undefined;
  const serverName = cluster.text('tls-server-name');
  const proxyUrl = cluster.text('proxy-url');
  const namespace = context.text('namespace');
  const impersonated = user.text('as');
  const credentials = userCredentials(user, cluster, options.clock ?? processClock);
  return {
    server,
    ...(caFile !== undefined ? { ca: () => caFile.text() } : typeof ca === 'string' ? { ca } : {}),
    ...(serverName === undefined ? {} : { serverName }),
    ...(cluster.flag('insecure-skip-tls-verify') ? { insecureSkipTlsVerify: true } : {}),
    ...(proxyUrl === undefined ? {} : { proxyUrl }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(impersonated === undefined ? {} : { headers: { 'impersonate-user': impersonated } }),
    ...(credentials === undefined ? {} : { credentials }),
  };
}
