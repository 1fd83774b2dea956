import { readFileSync } from 'node:fs';
import { type Client, calicoWriteRules, type Log } from '@calico/datastore';
import type { EtcdValues } from '@calico/datastore/etcd';
import type { KubernetesConfig } from '@calico/datastore/kubernetes';
import type { Clock, Random } from '@calico/reconcile';
import {
  type DatastoreConfig,
  type DatastoreType,
  datastoreType,
  type Environment,
  flag,
  wholeNumber,
} from './config.ts';

/** A datastore that is open. */
export interface Datastore {
  readonly type: DatastoreType;
  readonly client: Client;
  /** Keys of an etcd that are no resources; absent elsewhere. */
  readonly values?: StatusValues;
  /** Ends its connections, after what is under way on them. */
  close(): void;
}

/** Keys of an etcd that are no resources, such as Felix's status. */
export type StatusValues = Pick<EtcdValues, 'list' | 'put' | 'delete'>;

/** What opening a datastore can be told; time and chance are the process's own unless given. */
export interface OpenOptions {
  /** Where kubectl's own settings are: HOME, and the service account of a pod. */
  readonly env: Environment;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Told of values in etcd that cannot be read. */
  readonly log?: Log;
}

/**
 * The datastore that the configuration names; this is where every program opens it. Only the client that is used is
 * loaded, and no connection is made before the first request. Rejects with an Error that says what cannot be used.
 */
export async function openDatastore(config: DatastoreConfig, options: OpenOptions): Promise<Datastore> {
  const type = datastoreType(config);
  if (type === 'kubernetes') return { type, client: await openKubernetes(config, options), close: () => {} };
  const { env: _env, ...rest } = options;
  const { etcdClient, loadEtcdConfig } = await import('@calico/datastore/etcd');
  const client = etcdClient(await loadEtcdConfig(config), { ...rest, rules: calicoWriteRules });
  return { type, client, values: client.values, close: () => client.close() };
}

/** A client of the Kubernetes cluster that the configuration names, also where Calico's datastore is an etcd. */
export async function openKubernetes(config: DatastoreConfig, options: OpenOptions): Promise<Client> {
  const { log: _log, ...rest } = options;
  const { calicoClient } = await import('@calico/datastore/kubernetes');
  const env = { CALICO_API_GROUP: config.calicoAPIGroup };
  return calicoClient(await kubernetesConfig(config, options.env), { ...rest, env, rules: calicoWriteRules });
}

/**
 * The API of Kubernetes beside a datastore: the datastore itself, or with etcd the cluster that the configuration or the
 * environment of a pod names; undefined where they name none.
 */
export async function openKubernetesBeside(
  { type, client }: Datastore,
  config: DatastoreConfig,
  options: OpenOptions,
): Promise<Client | undefined> {
  if (type === 'kubernetes') return client;
  const { kubeconfig, kubeconfigInline, k8sAPIEndpoint } = config;
  const named = kubeconfig ?? kubeconfigInline ?? k8sAPIEndpoint ?? options.env.KUBERNETES_SERVICE_HOST;
  return named === undefined ? undefined : await openKubernetes(config, options);
}

/** The server of kubeconfig, context and service account, with what the configuration says itself before that. */
async function kubernetesConfig(config: DatastoreConfig, env: Environment): Promise<KubernetesConfig> {
  const { certificateCredentials, combinedCredentials, tokenCredentials } = await import(
    '@calico/datastore/kubernetes'
  );
  const { k8sAPIEndpoint, k8sCAFile, k8sCertFile, k8sKeyFile, k8sAPIToken } = config;
  if ((k8sCertFile === undefined) !== (k8sKeyFile === undefined))
    throw new Error(
      'of k8sCertFile (K8S_CERT_FILE) and k8sKeyFile (K8S_KEY_FILE) only one is set; allowed: both or none',
    );
  const base = await baseConfig(config, env);
  const sources = [
    ...(k8sAPIToken === undefined ? [] : [tokenCredentials(k8sAPIToken)]),
    ...(k8sCertFile === undefined || k8sKeyFile === undefined
      ? []
      : [certificateCredentials({ path: k8sCertFile }, { path: k8sKeyFile })]),
  ];
  return {
    ...base,
    ...(k8sAPIEndpoint === undefined ? {} : { server: k8sAPIEndpoint }),
    ...(k8sCAFile === undefined ? {} : { ca: () => readFileSync(k8sCAFile, 'utf8') }),
    ...(flag(config, 'k8sInsecureSkipTLSVerify') ? { insecureSkipTlsVerify: true } : {}),
    ...requestLimit(config),
    ...(sources.length === 0 ? {} : { credentials: combinedCredentials(sources) }),
  };
}

/** As in client-go: ten requests need not wait, unless the configuration says how many. */
function requestLimit(config: DatastoreConfig): Pick<KubernetesConfig, 'requestLimit'> {
  const perSecond = wholeNumber(config, 'k8sClientQPS');
  const burst = wholeNumber(config, 'k8sClientBurst') || 10;
  return perSecond === 0 ? {} : { requestLimit: { perSecond, burst } };
}

async function baseConfig(config: DatastoreConfig, env: Environment): Promise<KubernetesConfig> {
  const { kubeconfig, kubeconfigInline, k8sAPIEndpoint, k8sCurrentContext } = config;
  const { loadKubeconfig, parseKubeconfig } = await import('@calico/datastore/kubernetes');
  const context = k8sCurrentContext === undefined ? {} : { context: k8sCurrentContext };
  if (kubeconfigInline !== undefined) return parseKubeconfig(kubeconfigInline, 'kubeconfigInline', context);
  // As Calico: with an endpoint given, the user's own kubeconfig is not looked for.
  if (kubeconfig === undefined && k8sAPIEndpoint !== undefined) return { server: k8sAPIEndpoint };
  // It may list several files; the loader takes lists from the environment.
  return loadKubeconfig({ env: { ...env, KUBECONFIG: kubeconfig }, ...context });
}
