import { CachedFile } from './cached-file.ts';
import type { ClientCertificate, Credential, CredentialSource } from './config.ts';

/** A credential that never changes. */
export function staticCredentials(credential: Credential): CredentialSource {
  return { get: () => credential, refused: () => false };
}

/** A bearer token that never changes. */
export function tokenCredentials(token: string): CredentialSource {
  return staticCredentials({ authorization: `Bearer ${token}` });
}

/** A bearer token in a file, looked at on every use: tokens of service accounts are replaced every hour or so. */
export function tokenFileCredentials(path: string): CredentialSource {
  const file = new CachedFile(path);
  return {
    get: () => ({ authorization: `Bearer ${file.text().trim()}` }),
    refused: () => {
      file.forget();
      return true;
    },
  };
}

/** A client certificate, from text or from files that are looked at on every use. */
export function certificateCredentials(
  cert: string | { readonly path: string },
  key: string | { readonly path: string },
): CredentialSource {
  const reader = (source: string | { readonly path: string }): (() => string) => {
    if (typeof source === 'string') return () => source;
    const file = new CachedFile(source.path);
    return () => file.text();
  };
  const [readCert, readKey] = [reader(cert), reader(key)];
  let last: ClientCertificate = { cert: '', key: '' };
  return {
    get: () => {
      const next = { cert: readCert(), key: readKey() };
      // The same object while nothing changed: connections are kept per certificate.
      if (next.cert !== last.cert || next.key !== last.key) last = next;
      return { certificate: last };
    },
    refused: () => false,
  };
}

/** All of several credentials at once, such as a certificate and a token; earlier ones win. */
export function combinedCredentials(sources: readonly CredentialSource[]): CredentialSource {
  return {
    get: async () => {
      const all: Credential[] = [];
      for (const source of sources) all.push(await source.get());
      return Object.assign({}, ...all.reverse());
    },
    refused: () => sources.map(source => source.refused()).includes(true),
  };
}
