import { existsSync, readFileSync } from 'node:fs';

/** Which datastore to use, and how: the spec of a CalicoAPIConfig, or the environment. Empty texts are left out. */
export type DatastoreConfig = { readonly [field in keyof typeof VARIABLES]?: string };

/** The datastores that there are. */
export type DatastoreType = 'kubernetes' | 'etcdv3';

/** The environment of a process. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The environment variable of each field; the same with `CALICO_` in front is looked at first. Texts of keys have none. */
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
  // Calico reads it so: the field has no variable of its own there, but its name counts as one.
  k8sAPIToken: 'K8SAPITOKEN',
  k8sInsecureSkipTLSVerify: 'K8S_INSECURE_SKIP_TLS_VERIFY',
  k8sDisableNodePoll: 'K8S_DISABLE_NODE_POLL',
  k8sClientQPS: 'K8S_CLIENT_QPS',
  k8sClientBurst: 'K8S_CLIENT_BURST',
  k8sCurrentContext: 'K8S_CURRENT_CONTEXT',
} as const;

/** The file that calicoctl looks for. */
const DEFAULT_FILE = '/etc/calico/calicoctl.cfg';

/** The configuration that the environment gives, as every program but calicoctl takes it. */
export function environmentConfig(env: Environment): DatastoreConfig {
  const fields: Record<string, string> = {};
  for (const [field, variable] of Object.entries(VARIABLES)) {
    if (variable === undefined) continue;
    const value = env[`CALICO_${variable}`] || env[variable];
    if (value) fields[field] = value;
  }
  return fields;
}

/**
 * calicoctl's configuration: a file, if there is one, else the environment; never both. `path` is that of the flag --config.
 * Rejects with an Error that names the file and the field.
 */
export async function fileOrEnvironmentConfig(path: string | undefined, env: Environment): Promise<DatastoreConfig> {
  if (path !== undefined) return await readConfigFile(path);
  return existsSync(DEFAULT_FILE) ? await readConfigFile(DEFAULT_FILE) : environmentConfig(env);
}

async function readConfigFile(path: string): Promise<DatastoreConfig> {
  try {
    const text = readFileSync(path, 'utf8');
    const { readYaml } = await import('@calico/api/yaml');
    const [document, ...others] = readYaml(text);
    if (others.length > 0) throw new Error(`it holds ${others.length + 1} documents; allowed: one`);
    return parseConfig(document);
  } catch (err) {
    throw new Error(`Error reading config file: ${path}: ${err instanceof Error ? err.message : String(err)}`);
  }
}

/** Reads a CalicoAPIConfig. Throws an Error that names the field that does not belong there. */
export function parseConfig(document: unknown): DatastoreConfig {
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

/** Which datastore the configuration means: the one it names, else etcd where it names its endpoints. Throws on any other. */
export function datastoreType({ datastoreType: given, etcdEndpoints }: DatastoreConfig): DatastoreType {
  const type = given ?? (etcdEndpoints === undefined ? 'kubernetes' : 'etcdv3');
  if (type === 'kubernetes' || type === 'etcdv3') return type;
  throw new Error(`datastoreType (DATASTORE_TYPE) is "${type}"; allowed: kubernetes, etcdv3`);
}

/** A field that is true or false, as Go reads them; false when absent. Throws on any other text. */
export function flag(config: DatastoreConfig, field: keyof DatastoreConfig): boolean {
  const value = config[field];
  if (value === undefined || ['false', 'FALSE', 'False', 'f', 'F', '0'].includes(value)) return false;
  if (['true', 'TRUE', 'True', 't', 'T', '1'].includes(value)) return true;
  throw new Error(`${field} (${VARIABLES[field]}) is "${value}"; allowed: true, false`);
}

/** A field that is a whole number, 0 or more; 0 when absent. Throws on any other text. */
export function wholeNumber(config: DatastoreConfig, field: keyof DatastoreConfig): number {
  const value = config[field] ?? '0';
  if (/^\d{1,9}$/.test(value)) return Number(value);
  throw new Error(`${field} (${VARIABLES[field]}) is "${value}"; allowed: a whole number`);
}
