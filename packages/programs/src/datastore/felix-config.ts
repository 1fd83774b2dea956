import { type DatastoreConfig, datastoreType } from './config.ts';

/** Felix's parameters that say where the datastore is, each by its field. */
const FILES = { EtcdKeyFile: 'etcdKeyFile', EtcdCertFile: 'etcdCertFile', EtcdCaFile: 'etcdCACertFile' } as const;

/**
 * The datastore that a node uses: what the environment of every program says, overridden by Felix's own old parameters
 * (`FELIX_DATASTORETYPE`, and with etcd `FELIX_ETCDENDPOINTS`, `FELIX_ETCDADDR` and `FELIX_ETCDSCHEME`, `FELIX_ETCD…FILE`, or the
 * same in its file), as in Calico. Throws an Error that names the parameter and what is allowed.
 */
export function felixDatastoreConfig(
  config: DatastoreConfig,
  parameters: Readonly<Record<string, string>>,
): DatastoreConfig {
  const lower = new Map(Object.entries(parameters).map(([name, text]) => [name.toLowerCase(), text.trim()]));
  const of = (name: string) => lower.get(name.toLowerCase()) || undefined;
  const type = choice('DatastoreType', of('DatastoreType'), ['kubernetes', 'etcdv3']);
  const scheme = choice('EtcdScheme', of('EtcdScheme'), ['http', 'https']) ?? 'http';
  const chosen = type === undefined ? config : { ...config, datastoreType: type };
  if (datastoreType(chosen) !== 'etcdv3') return chosen;
  const address = of('EtcdAddr');
  const endpoints = of('EtcdEndpoints') ?? (address && `${scheme}://${address}`);
  const { etcdDiscoverySrv: _discovery, ...undiscovered } = chosen;
  return {
    ...(endpoints === undefined ? chosen : { ...undiscovered, etcdEndpoints: endpoints }),
    ...Object.fromEntries(
      Object.entries(FILES).flatMap(([name, field]) => {
        const path = of(name);
        return path === undefined ? [] : [[field, path]];
      }),
    ),
  };
}

function choice<T extends string>(name: string, value: string | undefined, allowed: readonly T[]): T | undefined {
  if (value === undefined) return undefined;
  const found = allowed.find(each => each === value.toLowerCase());
  if (found !== undefined) return found;
  throw new Error(`Felix's ${name} (FELIX_${name.toUpperCase()}) is "${value}"; allowed: ${allowed.join(', ')}`);
}
