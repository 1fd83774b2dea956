import { NodeError } from '../node-error.ts';

/** What a network configuration is made from. */
export interface NetworkConfigInput {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A template that somebody gave; ours when undefined. */
  readonly template: string | undefined;
  /** Where configurations are on the host. */
  readonly netDir: string;
  readonly hostname: string;
  /** Which of the files etcd-ca, etcd-cert and etcd-key are installed. */
  readonly tlsFiles: ReadonlySet<string>;
  /** Whether the plugin portmap is installed. */
  readonly portmap: boolean;
  /** The token of our own service account; empty outside of Kubernetes. */
  readonly token: string;
}

/** A network configuration, and placeholders of the template that mean nothing. */
export interface RenderedNetworkConfig {
  readonly text: string;
  readonly unknown: readonly string[];
}

/**
 * The network configuration of a host: a template with its placeholders `__NAME__` replaced by the variables of these names, or by
 * Calico's defaults. Throws NodeError when that is no JSON; its message does not hold the text, in which secrets may be.
 */
export function renderNetworkConfig(input: NetworkConfigInput): RenderedNetworkConfig {
  const { env, template = ownTemplate(input), netDir, tlsFiles, token, hostname } = input;
  const of = (name: string, absent = '') => env[name] ?? absent;
  const tlsFile = (name: string) => (tlsFiles.has(name) ? `${netDir}/calico-tls/${name}` : '');
  const values: Readonly<Record<string, string>> = {
    LOG_LEVEL: of('LOG_LEVEL', 'info'),
    LOG_FILE_PATH: of('LOG_FILE_PATH', '/var/log/calico/cni/cni.log'),
    LOG_FILE_MAX_SIZE: of('LOG_FILE_MAX_SIZE', '100'),
    LOG_FILE_MAX_AGE: of('LOG_FILE_MAX_AGE', '30'),
    LOG_FILE_MAX_COUNT: of('LOG_FILE_MAX_COUNT', '10'),
    DATASTORE_TYPE: of('DATASTORE_TYPE', 'kubernetes'),
    KUBERNETES_NODE_NAME: of('KUBERNETES_NODE_NAME', hostname),
    KUBECONFIG_FILEPATH: `${netDir}/calico-kubeconfig`,
    CNI_MTU: of('CNI_MTU', '1500'),
    KUBERNETES_SERVICE_HOST: of('KUBERNETES_SERVICE_HOST'),
    KUBERNETES_SERVICE_PORT: of('KUBERNETES_SERVICE_PORT'),
    SERVICEACCOUNT_TOKEN: token,
    CALICO_API_GROUP: of('CALICO_API_GROUP', 'crd.projectcalico.org/v1'),
    ETCD_ENDPOINTS: of('ETCD_ENDPOINTS'),
    ETCD_DISCOVERY_SRV: of('ETCD_DISCOVERY_SRV'),
    ETCD_CA_CERT_FILE: tlsFile('etcd-ca'),
    ETCD_CERT_FILE: tlsFile('etcd-cert'),
    ETCD_KEY_FILE: tlsFile('etcd-key'),
    REQUIRE_MTU_FILE: of('REQUIRE_MTU_FILE', 'false'),
  };
  const unknown = new Set<string>();
  const text = template.replace(/__([A-Z][A-Z0-9_]*?)__/g, (placeholder, name: string) => {
    if (Object.hasOwn(values, name)) return values[name] ?? '';
    unknown.add(placeholder);
    return placeholder;
  });
  try {
    JSON.parse(text);
  } catch {
    const source = input.template === undefined ? 'the environment' : 'CNI_NETWORK_CONFIG or its file';
    throw new NodeError(`Cannot install the CNI plugin: the network configuration from ${source} is no JSON`);
  }
  return { text, unknown: [...unknown] };
}

/** The configuration where nobody gives one: pods are the node agent's, and the MTU what it finds. */
function ownTemplate({ env, portmap }: NetworkConfigInput): string {
  const calico = {
    type: 'calico',
    log_level: '__LOG_LEVEL__',
    log_file_path: '__LOG_FILE_PATH__',
    datastore_type: '__DATASTORE_TYPE__',
    nodename: '__KUBERNETES_NODE_NAME__',
    ...(env.CNI_MTU ? { mtu: Number(env.CNI_MTU) } : {}),
    ipam: { type: 'calico-ipam' },
    policy: { type: 'k8s' },
    kubernetes: { kubeconfig: '__KUBECONFIG_FILEPATH__' },
    agent: `${env.CALICO_RUN_DIR || '/var/run/calico'}/cni.sock`,
    ...(env.CALICO_API_GROUP ? { calico_api_group: '__CALICO_API_GROUP__' } : {}),
  };
  const ports = { type: 'portmap', snat: true, capabilities: { portMappings: true } };
  const plugins = portmap ? [calico, ports] : [calico];
  return `${JSON.stringify({ name: 'k8s-pod-network', cniVersion: '1.0.0', plugins }, undefined, 2)}\n`;
}
