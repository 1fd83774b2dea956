import { existsSync, readFileSync } from 'node:fs';
import type { Client } from '@calico/datastore';
import {
  calicoClient,
  certificateCredentials,
  combinedCredentials,
  type KubernetesConfig,
  loadKubeconfig,
  tokenCredentials,
} from '@calico/datastore/kubernetes';
import { type CtlConfig, datastoreType } from './config.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** A client of the datastore that the configuration names. Throws an Error that says what cannot be used. */
export function openClient(config: CtlConfig, env: Environment): Client {
  const type = datastoreType(config);
  if (type !== 'kubernetes')
    throw new Error(`datastoreType is "${type}"; allowed: kubernetes (etcdv3 is not there yet)`);
  if (config.kubeconfigInline !== undefined)
    throw new Error('kubeconfigInline is set; allowed: kubeconfig, the path of a file (inline is not there yet)');
  return calicoClient(kubernetesConfig(config, env), { env: { CALICO_API_GROUP: config.calicoAPIGroup } });
}

/** The server of kubeconfig, context and service account, with what the configuration says itself before that. */
function kubernetesConfig(config: CtlConfig, env: Environment): KubernetesConfig {
  const { k8sAPIEndpoint, k8sCAFile, k8sCertFile, k8sKeyFile, k8sAPIToken, k8sInsecureSkipTLSVerify } = config;
  const base = baseConfig(config, env);
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
    ...(k8sInsecureSkipTLSVerify === 'true' ? { insecureSkipTlsVerify: true } : {}),
    ...(sources.length === 0 ? {} : { credentials: combinedCredentials(sources) }),
  };
}

function baseConfig(config: CtlConfig, env: Environment): KubernetesConfig {
  const { kubeconfig, k8sAPIEndpoint, context = config.k8sCurrentContext } = config;
  const home = `${env.HOME ?? ''}/.kube/config`;
  if (kubeconfig === undefined && k8sAPIEndpoint !== undefined && !existsSync(home)) return { server: k8sAPIEndpoint };
  // KUBECONFIG may list several files; the loader takes lists from the environment.
  const listed = kubeconfig === undefined ? { ...env, KUBECONFIG: undefined } : { ...env, KUBECONFIG: kubeconfig };
  return loadKubeconfig({ env: listed, ...(context === undefined ? {} : { context }) });
}
