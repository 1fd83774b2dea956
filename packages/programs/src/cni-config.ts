import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { CniError, errorCodes } from '@calico/cni/plugin';
import { type DatastoreConfig, type Environment, environmentConfig } from './datastore/config.ts';

/** A network configuration as it came. */
type Fields = { readonly [field: string]: unknown };

/**
 * The node that a plugin without an agent works for: `nodename`, else what the nodename file says, else `hostname`, else the
 * host's name in lower case. The file has to be there unless `nodename_file_optional`: calico-node writes it once it runs.
 * Throws CniError 11 while it is not, 7 on a name that is none.
 */
export function pluginNodeName(config: Fields, defaultFile: string): string {
  const path = text(config, 'nodename_file') || defaultFile;
  const fromFile = readName(path);
  if (fromFile === undefined && config.nodename_file_optional !== true) {
    throw new CniError(
      errorCodes.tryAgainLater,
      `Cannot set up network: ${path} is not there: check that calico-node is running and has mounted its folder, or set nodename_file_optional`,
    );
  }
  const name = text(config, 'nodename') || fromFile || text(config, 'hostname') || hostname().toLowerCase();
  if (/^\S{1,253}$/.test(name)) return name;
  throw new CniError(
    errorCodes.invalidConfig,
    `Cannot use network configuration: the node's name is ${JSON.stringify(name)}; allowed: 1 to 253 characters without white space`,
  );
}

function readName(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/**
 * The datastore that a network configuration names, over what the environment says, as Calico's plugin takes them. Without
 * `datastore_type` it is etcd, unless only a Kubernetes cluster is named. Throws CniError 7 on a field that is no text.
 */
export function pluginDatastore(config: Fields, env: Environment): DatastoreConfig {
  const kubernetes = section(config, 'kubernetes');
  const policy = section(config, 'policy');
  const authority = text(config, 'etcd_authority');
  const apiRoot = text(kubernetes, 'k8s_api_root') || text(policy, 'k8s_api_root');
  const given: DatastoreConfig = {
    datastoreType: text(config, 'datastore_type'),
    calicoAPIGroup: text(config, 'calico_api_group'),
    etcdEndpoints:
      text(config, 'etcd_endpoints') || (authority && `${text(config, 'etcd_scheme') || 'http'}://${authority}`),
    etcdDiscoverySrv: text(config, 'etcd_discovery_srv'),
    etcdKeyFile: text(config, 'etcd_key_file'),
    etcdCertFile: text(config, 'etcd_cert_file'),
    etcdCACertFile: text(config, 'etcd_ca_cert_file'),
    kubeconfig: text(kubernetes, 'kubeconfig'),
    // It may be the address of the API itself, with its version.
    k8sAPIEndpoint: apiRoot.split('/api/')[0] ?? '',
    k8sAPIToken: text(policy, 'k8s_auth_token'),
    k8sCertFile: text(policy, 'k8s_client_certificate'),
    k8sKeyFile: text(policy, 'k8s_client_key'),
    k8sCAFile: text(policy, 'k8s_certificate_authority'),
    k8sClientQPS: amount(config, 'qps'),
    k8sClientBurst: amount(config, 'burst'),
  };
  const merged: DatastoreConfig = {
    ...environmentConfig(env),
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== '')),
  };
  if (merged.datastoreType !== undefined) return merged;
  const { etcdEndpoints, etcdDiscoverySrv, kubeconfig, k8sAPIEndpoint } = merged;
  const namesEtcd = etcdEndpoints !== undefined || etcdDiscoverySrv !== undefined;
  const namesKubernetes = kubeconfig !== undefined || k8sAPIEndpoint !== undefined;
  return { ...merged, datastoreType: namesKubernetes && !namesEtcd ? 'kubernetes' : 'etcdv3' };
}

function section(config: Fields, name: string): Fields {
  const value = config[name] ?? {};
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw refused(name, value, 'an object');
}

function text(fields: Fields, name: string): string {
  const value = fields[name] ?? '';
  if (typeof value === 'string') return value;
  throw refused(name, value, 'text');
}

function amount(fields: Fields, name: string): string {
  const value = fields[name] ?? 0;
  if (Number.isSafeInteger(value) && Number(value) >= 0) return value === 0 ? '' : String(value);
  throw refused(name, value, 'a whole number');
}

function refused(name: string, value: unknown, allowed: string): CniError {
  return new CniError(
    errorCodes.invalidConfig,
    `Cannot use network configuration: ${name} is ${JSON.stringify(value)}; allowed: ${allowed}`,
  );
}
