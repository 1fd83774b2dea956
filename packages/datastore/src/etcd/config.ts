/** Where etcd is and who we are to it. */
export interface EtcdConfig {
  /** Such as `http://127.0.0.1:2379` or `https://etcd-1:2379`; the next is taken when one fails. */
  readonly endpoints: readonly string[];
  /** For https endpoints; a function is asked for every new connection, so that renewed certificates are taken. */
  readonly tls?: EtcdTls | (() => EtcdTls);
  /** For an etcd with authentication enabled. */
  readonly auth?: { readonly username: string; readonly password: string };
}

/** PEM texts. */
export interface EtcdTls {
  /** Who may have signed the server's certificate; the system's authorities when absent. */
  readonly ca?: string;
  /** Our own certificate and key; both or none. */
  readonly cert?: string;
  readonly key?: string;
}

/** An endpoint as gRPC wants it. */
export interface EtcdAddress {
  /** `host:port`. */
  readonly target: string;
  /** The name or address alone. */
  readonly host: string;
  readonly secure: boolean;
}

const DEFAULT_PORT = '2379';

/** Reads an endpoint. Throws TypeError on what is no http or https URL. */
export function parseEndpoint(text: string): EtcdAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:') || url.hostname === '') {
    throw new TypeError(`Cannot use etcd: endpoint is "${text}"; allowed: a URL such as "https://etcd-1:2379"`);
  }
  // The URL class drops the port that is the scheme's own, also where it was written.
  const written = /:(\d+)\/?$/.exec(text)?.[1];
  return {
    target: `${url.hostname}:${written ?? DEFAULT_PORT}`,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    secure: url.protocol === 'https:',
  };
}
