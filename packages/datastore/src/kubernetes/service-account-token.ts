import { printJson } from '@calico/api';
import type { Clock } from '@calico/reconcile';
import type { ObjectKey } from '../client.ts';
import { DatastoreError, printResource } from '../error.ts';
import type { KubernetesConfig } from './config.ts';
import { processClock } from './system-time.ts';
import { Transport } from './transport.ts';

/** A token that the server made, and how long it holds from its making on, in ms. */
export interface ServiceAccountToken {
  readonly token: string;
  readonly lifetimeMs: number;
}

/** What is asked of a token. */
export interface TokenRequestOptions {
  /** How long it should hold; at least 600 s, and the server may choose otherwise. */
  readonly seconds: number;
  readonly clock?: Clock;
  readonly requestTimeoutMs?: number;
}

/**
 * Has the server make a token of a service account (Kubernetes API, TokenRequest of authentication.k8s.io/v1). Its lifetime is
 * taken from the token itself, so that clocks that differ do no harm. Rejects with a DatastoreError; a token may have been
 * made all the same, which ends by itself.
 */
export async function requestServiceAccountToken(
  config: KubernetesConfig,
  { namespace = '', name }: ObjectKey,
  { seconds, clock = processClock, requestTimeoutMs = 30_000 }: TokenRequestOptions,
): Promise<ServiceAccountToken> {
  const resource = printResource('ServiceAccount', namespace, name);
  const answer = (await new Transport(config, clock).ask({
    op: 'request a token of',
    resource,
    write: true,
    method: 'POST',
    path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/serviceaccounts/${encodeURIComponent(name)}/token`,
    body: printJson({
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { audiences: [], expirationSeconds: seconds },
    }),
    timeoutMs: requestTimeoutMs,
  })) as { status?: { token?: string; expirationTimestamp?: string } };
  const { token = '', expirationTimestamp = '' } = answer.status ?? {};
  if (token === '') {
    const reason = 'the answer has no status.token';
    throw new DatastoreError({ code: 'Internal', op: 'request a token of', resource, reason });
  }
  return { token, lifetimeMs: lifetimeOf(token) ?? Date.parse(expirationTimestamp) - clock.wallTime() };
}

/** From `iat` to `exp` of a JWT, in ms; undefined when the token is none. RFC 7519 §4.1 */
function lifetimeOf(token: string): number | undefined {
  try {
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));
    const lifetime = (claims.exp - claims.iat) * 1000;
    return Number.isFinite(lifetime) ? lifetime : undefined;
  } catch {
    return undefined;
  }
}
