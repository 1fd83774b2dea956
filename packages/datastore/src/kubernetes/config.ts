import type { RequestLimit } from './request-limit.ts';

/** A certificate and its private key in PEM. */
export interface ClientCertificate {
  readonly cert: string;
  readonly key: string;
}

/** What a request is signed with. */
export interface Credential {
  /** The value of the header Authorization. */
  readonly authorization?: string;
  readonly certificate?: ClientCertificate;
}

/** Where credentials come from; asked before every request, so that rotated ones are used at once. */
export interface CredentialSource {
  /** The credential of now. Throws when there is none. */
  get(): Promise<Credential> | Credential;
  /** The server refused the credential: forget what is cached. False when a new `get` would give the same. */
  refused(): boolean;
}

/** How to reach a Kubernetes API server. */
export interface KubernetesConfig {
  /** Such as `https://10.0.0.1:6443`; a path in it is put before every request's path. */
  readonly server: string;
  /** The path of a unix socket to connect to instead of the server's address. */
  readonly unix?: string;
  /** The certificates to trust, in PEM; read before every connection when a function. Absent: the system's. */
  readonly ca?: string | (() => string);
  /** The name that the server's certificate must have, when not the one in `server`. */
  readonly serverName?: string;
  /** Take any certificate. */
  readonly insecureSkipTlsVerify?: boolean;
  /** An HTTP proxy, such as `http://proxy:3128`. */
  readonly proxyUrl?: string;
  readonly credentials?: CredentialSource;
  /** Absent: requests never wait for one another. */
  readonly requestLimit?: RequestLimit;
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The namespace of the context, when it names one. */
  readonly namespace?: string;
}
