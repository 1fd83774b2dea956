import { randomBytes } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Certificates, createCertificates } from '@calico/apiserver';

/** What the clients of an API server know it by, and how it knows its administrator. */
export interface ApiIdentity {
  readonly certificates: Certificates;
  readonly token: string;
}

/**
 * The identity of the API server whose folder this is, made at the first start and kept in `identity.json` (0600): a restart
 * cuts nobody off. Whoever removes the file has a new one at the next start, and so must read the kubeconfig again. `now` is the
 * wall time in ms. Throws where the file cannot be read as one.
 */
export function loadApiIdentity(folder: string, now: number): ApiIdentity {
  const path = join(folder, 'identity.json');
  const text = readIfThere(path);
  if (text !== undefined) return parseIdentity(path, text);
  const identity: ApiIdentity = {
    certificates: createCertificates({ hosts: ['localhost', '127.0.0.1', '::1'], now }),
    token: randomBytes(24).toString('hex'),
  };
  writeFileSync(`${path}.new`, JSON.stringify(identity), { mode: 0o600 });
  renameSync(`${path}.new`, path);
  return identity;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function parseIdentity(path: string, text: string): ApiIdentity {
  const refuse = () => new Error(`Cannot use ${path}: it holds no certificates and token; remove it to have new ones`);
  let value: Partial<ApiIdentity> | null;
  try {
    value = JSON.parse(text);
  } catch {
    throw refuse();
  }
  const { certificates, token } = value ?? {};
  const parts = [certificates?.ca, certificates?.cert, certificates?.key, token];
  if (!parts.every(part => typeof part === 'string' && part !== '')) throw refuse();
  return value as ApiIdentity;
}
