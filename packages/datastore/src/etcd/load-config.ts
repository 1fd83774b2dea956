import { resolveSrv } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import type { EtcdConfig, EtcdTls } from './config.ts';

/** Where the settings come from; the process's own unless given. */
export interface LoadEtcdConfigOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** The text of a file. */
  readonly read?: (path: string) => string;
  /** The hosts of a DNS SRV name; none when there is no such name. */
  readonly resolve?: (name: string) => Promise<readonly { readonly name: string; readonly port: number }[]>;
}

const DEFAULT_ENDPOINT = 'http://127.0.0.1:2379';

/**
 * The etcd that Calico's environment variables name: ETCD_ENDPOINTS (with commas) or ETCD_DISCOVERY_SRV, ETCD_USERNAME and
 * ETCD_PASSWORD, ETCD_CA_CERT_FILE, ETCD_CERT_FILE and ETCD_KEY_FILE, or with the texts themselves ETCD_CA_CERT, ETCD_CERT and
 * ETCD_KEY. Files are read anew for every connection. Rejects with TypeError on settings that contradict each other.
 */
export async function loadEtcdConfig(options: LoadEtcdConfigOptions = {}): Promise<EtcdConfig> {
  const { env = process.env, read = path => readFileSync(path, 'utf8'), resolve = srvHosts } = options;
  const setting = (name: string): string | undefined => env[name]?.trim() || undefined;
  const [endpoints, domain] = [setting('ETCD_ENDPOINTS'), setting('ETCD_DISCOVERY_SRV')];
  if (endpoints !== undefined && domain !== undefined) {
    throw new TypeError(
      `Cannot use etcd: ETCD_DISCOVERY_SRV is "${domain}" beside ETCD_ENDPOINTS "${endpoints}"; allowed: one of them`,
    );
  }
  const files = [setting('ETCD_CERT_FILE') ?? setting('ETCD_CERT'), setting('ETCD_KEY_FILE') ?? setting('ETCD_KEY')];
  if ((files[0] === undefined) !== (files[1] === undefined)) {
    throw new TypeError('Cannot use etcd: of certificate and key only one is set; allowed: both or none');
  }
  const [username, password = ''] = [setting('ETCD_USERNAME'), setting('ETCD_PASSWORD')];
  const given = (endpoints ?? DEFAULT_ENDPOINT).split(',').map(endpoint => endpoint.trim());
  return {
    endpoints: domain === undefined ? given.filter(endpoint => endpoint !== '') : await discover(domain, resolve),
    tls: () => {
      const pem = (name: string): string | undefined => {
        const path = setting(`${name}_FILE`);
        return path === undefined ? setting(name) : read(path);
      };
      const parts = { ca: pem('ETCD_CA_CERT'), cert: pem('ETCD_CERT'), key: pem('ETCD_KEY') };
      return Object.fromEntries(Object.entries(parts).filter(([, text]) => text !== undefined)) as EtcdTls;
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
    `Cannot use etcd: ETCD_DISCOVERY_SRV is "${domain}"; allowed: a domain with SRV records of etcd-client or etcd-client-ssl`,
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
