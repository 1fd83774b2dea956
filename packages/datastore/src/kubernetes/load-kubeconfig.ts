import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { DatastoreError } from '../error.ts';
import { CachedFile } from './cached-file.ts';
import type { KubernetesConfig } from './config.ts';
import { tokenFileCredentials } from './credentials.ts';
import { type KubeconfigOptions, readKubeconfigs } from './kubeconfig.ts';

/** Where Kubernetes mounts a pod's own service account. */
const SERVICE_ACCOUNT_DIRECTORY = '/var/run/secrets/kubernetes.io/serviceaccount';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The configuration of a program that runs in a pod: the environment names the server, a mounted directory holds token, CA
 * and namespace. Undefined outside of a pod. Source: Kubernetes documentation, "Accessing the Kubernetes API from a Pod".
 */
export function inClusterConfig(
  env: Environment = process.env,
  directory = SERVICE_ACCOUNT_DIRECTORY,
): KubernetesConfig | undefined {
  const host = env.KUBERNETES_SERVICE_HOST;
  const tokenPath = join(directory, 'token');
  if (!host || !existsSync(tokenPath)) return undefined;
  const ca = new CachedFile(join(directory, 'ca.crt'));
  const namespacePath = join(directory, 'namespace');
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${env.KUBERNETES_SERVICE_PORT || '443'}`,
    ...(existsSync(ca.path) ? { ca: () => ca.text() } : {}),
    ...(existsSync(namespacePath) ? { namespace: new CachedFile(namespacePath).text().trim() } : {}),
    credentials: tokenFileCredentials(tokenPath),
  };
}

/** Options of loadKubeconfig. */
export interface LoadKubeconfigOptions extends KubeconfigOptions {
  /** A file; nothing else is looked at then. */
  readonly path?: string;
  /** The environment; the process's own when absent. */
  readonly env?: Environment;
  /** Only what a pod has, or never that; both are tried when absent. */
  readonly inCluster?: boolean;
}

/**
 * Finds the API server as kubectl does: the given file, else the files of $KUBECONFIG, else ~/.kube/config, else the pod's
 * service account. Throws a DatastoreError (Invalid) that names the file and field, or says that there is nothing.
 */
export function loadKubeconfig(options: LoadKubeconfigOptions = {}): KubernetesConfig {
  const env = options.env ?? process.env;
  if (options.path !== undefined) return readKubeconfigs([options.path], options);
  if (options.inCluster !== true) {
    const listed = (env.KUBECONFIG ?? '').split(':').filter(path => path !== '');
    // Like kubectl: files of the list that are missing are passed over, unless all are.
    const present = listed.filter(path => existsSync(path));
    if (listed.length > 0) return readKubeconfigs(present.length > 0 ? present : listed, options);
    const home = join(env.HOME ?? homedir(), '.kube', 'config');
    if (existsSync(home)) return readKubeconfigs([home], options);
  }
  const config = options.inCluster === false ? undefined : inClusterConfig(env);
  if (config !== undefined) return config;
  throw new DatastoreError({
    code: 'Invalid',
    op: 'find',
    resource: 'the Kubernetes API server',
    reason:
      options.inCluster === true
        ? `KUBERNETES_SERVICE_HOST is "${env.KUBERNETES_SERVICE_HOST ?? ''}"; allowed: a host, with a token in ${SERVICE_ACCOUNT_DIRECTORY}`
        : 'there is no kubeconfig; allowed: a file given, $KUBECONFIG, ~/.kube/config, or the service account of a pod',
  });
}
