export type { CalicoApiGroup } from './api-group.ts';
export { apiGroupOf, type CalicoClientOptions, calicoClient } from './calico-client.ts';
export { type KubernetesClientOptions, kubernetesClient } from './client.ts';
export type { ClientCertificate, Credential, CredentialSource, KubernetesConfig } from './config.ts';
export {
  certificateCredentials,
  combinedCredentials,
  staticCredentials,
  tokenCredentials,
  tokenFileCredentials,
} from './credentials.ts';
export { type ExecPlugin, execCredentials } from './exec-credentials.ts';
export { type KubeconfigOptions, parseKubeconfig, readKubeconfigs } from './kubeconfig.ts';
export { inClusterConfig, type LoadKubeconfigOptions, loadKubeconfig } from './load-kubeconfig.ts';
export {
  requestServiceAccountToken,
  type ServiceAccountToken,
  type TokenRequestOptions,
} from './service-account-token.ts';
