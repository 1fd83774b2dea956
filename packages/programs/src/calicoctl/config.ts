import { existsSync, readFileSync } from 'node:fs';
import { Failure } from './failure.ts';

/** Where calicoctl finds the datastore: the spec of a CalicoAPIConfig, or the environment. */
export type CtlConfig = { readonly [field in keyof typeof VARIABLES]?: string } & {
  /** Of the flag --context. */
  readonly context?: string;
};

/** The environment variable of each field; the same with `CALICO_` in front is looked at first. */
const VARIABLES = {
  datastoreType: 'DATASTORE_TYPE',
  calicoAPIGroup: 'CALICO_API_GROUP',
  kubeconfig: 'KUBECONFIG',
  kubeconfigInline: undefined,
  usePodCIDR: 'USE_POD_CIDR',
  etcdEndpoints: 'ETCD_ENDPOINTS',
  etcdDiscoverySrv: 'ETCD_DISCOVERY_SRV',
  etcdUsername: 'ETCD_USERNAME',
  etcdPassword: 'ETCD_PASSWORD',
  etcdKeyFile: 'ETCD_KEY_FILE',
  etcdCertFile: 'ETCD_CERT_FILE',
  etcdCACertFile: 'ETCD_CA_CERT_FILE',
  etcdKey: undefined,
  etcdCert: undefined,
  etcdCACert: undefined,
  k8sAPIEndpoint: 'K8S_API_ENDPOINT',
  k8sKeyFile: 'K8S_KEY_FILE',
  k8sCertFile: 'K8S_CERT_FILE',
  k8sCAFile: 'K8S_CA_FILE',
  k8sAPIToken: undefined,
  k8sInsecureSkipTLSVerify: 'K8S_INSECURE_SKIP_TLS_VERIFY',
  k8sDisableNodePoll: 'K8S_DISABLE_NODE_POLL',
  k8sClientQPS: 'K8S_CLIENT_QPS',
  k8sClientBurst: 'K8S_CLIENT_BURST',
  k8sCurrentContext: 'K8S_CURRENT_CONTEXT',
} as const;

const DEFAULT_PATH = '/etc/calico/calicoctl.cfg';

/** The configuration file, if there is one, else the environment; never both. `path` is that of the flag --config. */
export async function loadConfig(
  path: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): Promise<CtlConfig> {
  if (path !== undefined) return await readConfigFile(path);
  return existsSync(DEFAULT_PATH) ? await readConfigFile(DEFAULT_PATH) : environmentConfig(env);
}

/** The configuration that the environment gives. */
export function environmentConfig(env: Readonly<Record<string, string | undefined>>): CtlConfig {
  const fields: Record<string, string> = {};
  for (const [field, variable] of Object.entries(VARIABLES)) {
    if (variable === undefined) continue;
    const value = env[`CALICO_${variable}`] || env[variable];
    if (value) fields[field] = value;
  }
  return fields;
}

async function readConfigFile(path: string): Promise<CtlConfig> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (err) {
    throw unreadable(path, err instanceof Error ? err.message : String(err));
  }
  const { parse } = await import('yaml');
  try {
    return parseConfig(parse(text));
  } catch (err) {
    throw unreadable(path, err instanceof Error ? err.message : String(err));
  }
}

function unreadable(path: string, reason: string): Failure {
  return new Failure(`Error reading config file: ${path}: ${reason}`, 'out');
}

/** Reads a CalicoAPIConfig. Throws an Error that names the field that does not belong there. */
export function parseConfig(document: unknown): CtlConfig {
  const { apiVersion, kind, metadata: _metadata, spec = {}, ...others } = Object(document ?? {});
  if (kind !== 'CalicoAPIConfig') throw new Error(`kind is ${JSON.stringify(kind)}; allowed: "CalicoAPIConfig"`);
  if (apiVersion !== 'projectcalico.org/v3')
    throw new Error(`apiVersion is ${JSON.stringify(apiVersion)}; allowed: "projectcalico.org/v3"`);
  const [foreign] = Object.keys(others);
  if (foreign !== undefined) throw new Error(`${foreign} is no field of it; allowed: apiVersion, kind, metadata, spec`);
  const fields: Record<string, string> = {};
  for (const [field, value] of Object.entries(spec ?? {})) {
    if (!Object.hasOwn(VARIABLES, field))
      throw new Error(`spec.${field} is no field of it; allowed: ${Object.keys(VARIABLES).join(', ')}`);
    if (value === null || value === '') continue;
    if (typeof value === 'object') throw new Error(`spec.${field} is ${JSON.stringify(value)}; allowed: a text`);
    fields[field] = String(value);
  }
  return fields;
}

/** Which datastore the configuration means. */
export function datastoreType(config: CtlConfig): string {
  const { datastoreType: given, etcdEndpoints } = config;
  return given ?? (etcdEndpoints === undefined ? 'kubernetes' : 'etcdv3');
}
