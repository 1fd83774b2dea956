import { test } from 'bun:test';
import type { Client } from '../client.ts';

/** An open datastore for one test. */
export interface ContractStore {
  readonly client: Client;
  /** Forgets history, so that watches from before are Gone. Absent where that cannot be asked for. */
  compact?(): void | Promise<void>;
  close(): void | Promise<void>;
}

/** Opens an empty datastore. Objects that a server makes by itself (its namespaces and tiers) may be in it. */
export type OpenStore = () => Promise<ContractStore>;

/** The code of the DatastoreError that a call rejects with; 'none' when it does not. */
export async function codeOf(call: Promise<unknown>): Promise<unknown> {
  try {
    await call;
    return 'none';
  } catch (err) {
    return typeof err === 'object' && err !== null && 'code' in err ? err.code : err;
  }
}

/** A test of Kubernetes' own kinds: where only Calico's are held it is skipped, with the reason in its name. */
export function kubernetesTest({
  kubernetesKinds = true,
}: ContractOptions): (name: string, body: () => Promise<void>) => void {
  if (kubernetesKinds) return (name, body) => test(name, body);
  return (name, body) => test.skip(`${name} (skipped: this store holds Calico's kinds only)`, body);
}

/** What a form of the Client holds. */
export interface ContractOptions {
  /** False where only Calico's kinds are held; what is said of others is skipped then. True unless given. */
  readonly kubernetesKinds?: boolean;
}
