import { resolveSrv } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import type { EtcdConfig, EtcdTls } from './config.ts';

/** Where an etcd is and who we are to it: the fields of a CalicoAPIConfig that speak of it. */
export interface EtcdSettings {
  /** With commas between. */
  readonly etcdEndpoints?: string;
  /** A domain with SRV records, instead of endpoints. */
  readonly etcdDiscoverySrv?: string;
  readonly etcdUsername?: string;
  readonly etcdPassword?: string;
  /** Paths; or the PEM texts themselves in the three below. */
  readonly etcdCACertFile?: string;
  readonly etcdCertFile?: string;
  readonly etcdKeyFile?: string;
  readonly etcdCACert?: string;
  readonly etcdCert?: string;
  readonly etcdKey?: string;
}

/** What loadEtcdConfig reads with; the system's own unless given. */
export interface LoadEtcdConfigOptions {
  /** The text of a file. */
  readonly read?: (path: string) => string;
  /** The hosts of a DNS SRV name; none when there is no such name. */
  readonly resolve?: (name: string) => Promise<readonly { readonly name: string; readonly port: number }[]>;
}

const DEFAULT_ENDPOINT = 'http://127.0.0.1:2379';

/**
 * The etcd that Calico's settings name; etcd on this host when they name none. Files are read anew for every connection, so
 * that renewed certificates are taken. Rejects with TypeError on settings that contradict each other.
 */
export async function loadEtcdConfig(
  settings: EtcdSettings,
  { read = path => readFileSync(path, 'utf8'), resolve = srvHosts }: LoadEtcdConfigOptions = {},
): Promise<EtcdConfig> {
  const setting = (name: keyof EtcdSettings): string | undefined => settings[name]?.trim() || undefined;
  const [endpoints, domain] = [setting('etcdEndpoints'), setting('etcdDiscoverySrv')];
  if (endpoints !== undefined && domain !== undefined) {
    throw new TypeError(
      `Cannot use etcd: etcdDiscoverySrv (ETCD_DISCOVERY_SRV) is "${domain}" beside etcdEndpoints (ETCD_ENDPOINTS) "${endpoints}"; allowed: one of them`,
    );
  }
  const files = [setting('etcdCACertFile'), setting('etcdCertFile'), setting('etcdKeyFile')];
  const texts = [setting('etcdCACert'), setting('etcdCert'), setting('etcdKey')];
  const isSet = (value: string | undefined): boolean => value !== undefined;
  if (files.some(isSet) && texts.some(isSet)) {
    throw new TypeError(
      'Cannot use etcd: certificates are given as files and as texts; allowed: etcdCACertFile, etcdCertFile and etcdKeyFile, or etcdCACert, etcdCert and etcdKey',
    );
  }
  const given = files.some(isSet) ? files : texts;
  if (isSet(given[1]) !== isSet(given[2])) {
    throw new TypeError(
      'Cannot use etcd: of certificate (etcdCertFile, ETCD_CERT_FILE) and key (etcdKeyFile, ETCD_KEY_FILE) only one is set; allowed: both or none',
    );
  }
  const [username, password = ''] = [setting('etcdUsername'), setting('etcdPassword')];
  const urls = (endpoints ?? DEFAULT_ENDPOINT).split(',').map(endpoint => endpoint.trim());
  return {
    endpoints: domain === undefined ? urls.filter(endpoint => endpoint !== '') : await discover(domain, resolve),
    tls: () => {
      const [ca, cert, key] = given === files ? files.map(path => path && read(path)) : texts;
      const parts = { ca, cert, key };
      return Object.fromEntries(Object.entries(parts).filter(([, text]) => isSet(text))) as EtcdTls;
    },
    ...(username === undefined ? {} : { auth: { username, password } }),
  };
}

/** The endpoints of a domain, as etcd's own clients find them ("Clustering Guide", DNS discovery). */
async function discover(
  domain: string,
  resolve: NonNullable<LoadEtcdConfigOptions['resolve']>,
): Promise<readonly string[]> {
  const of = async (service: string, scheme: string): Promise<string[]> =>
    (await resolve(`_${service}._tcp.${domain}`)).map(({ name, port }) => `${scheme}://${name}:${port}`);
  const found = [...(await of('etcd-client-ssl', 'https')), ...(await of('etcd-client', 'http'))];
  if (found.length > 0) return found;
  throw new TypeError(
    `Cannot use etcd: etcdDiscoverySrv (ETCD_DISCOVERY_SRV) is "${domain}"; allowed: a domain with SRV records of etcd-client or etcd-client-ssl`,
  );
}

async function srvHosts(name: string): Promise<readonly { readonly name: string; readonly port: number }[]> {
  try {
    return await resolveSrv(name);
  } catch (err) {
    const code: unknown = Reflect.get(Object(err), 'code');
    if (code === 'ENOTFOUND' || code === 'ENODATA') return [];
    throw err;
  }
}
