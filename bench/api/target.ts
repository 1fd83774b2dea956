import { kubernetesClient, tokenCredentials } from '@calico/datastore/kubernetes';

/** An API server to measure, as data. */
export interface Target {
  readonly server: string;
  readonly token: string;
  /** PEM; none for plain HTTP. */
  readonly ca?: string;
}

/** Our client of a target. */
export function clientOf({ server, token, ca }: Target) {
  return kubernetesClient({ server, credentials: tokenCredentials(token), ...(ca === undefined ? {} : { ca }) });
}

/** A bare request, for what is to be measured without our client. */
export function request(target: Target, path: string, init: RequestInit = {}): Promise<Response> {
  return fetch(target.server + path, {
    ...init,
    headers: { authorization: `Bearer ${target.token}`, 'content-type': 'application/json' },
    ...(target.ca === undefined ? {} : { tls: { ca: target.ca } }),
  });
}
