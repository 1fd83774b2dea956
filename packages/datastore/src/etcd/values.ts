import { type Random, randomInt } from '@calico/reconcile';
import type { Connection } from './connection.ts';
import { under } from './key-range.ts';
import { calls } from './messages.ts';
import type { EtcdStore } from './store.ts';

/** The ids of leases are of the caller's choice; this many are exact as numbers. */
const leaseIds = 2 ** 48;

/**
 * Keys of Calico's in etcd that are no resources, such as the status that Felix reports: text by key. Whoever writes last is
 * right; deleting what is not there succeeds. All reject with a DatastoreError.
 */
export class EtcdValues {
  readonly #connection: Connection;
  readonly #store: EtcdStore;
  readonly #random: Random;

  constructor(connection: Connection, store: EtcdStore, random: Random) {
    this.#connection = connection;
    this.#store = store;
    this.#random = random;
  }

  /** The values of all keys that begin so; the prefix ends with "/". */
  async list(prefix: string): Promise<Map<string, string>> {
    const { records } = await this.#store.range({ op: 'list', resource: prefix, write: false }, under(prefix));
    return new Map(records.map(({ key, value }) => [key, value]));
  }

  /** Writes a value; with `ttlSeconds` etcd takes it away after that time. */
  async put(key: string, value: string, options: { readonly ttlSeconds?: number } = {}): Promise<void> {
    const operation = { op: 'put', resource: key, write: true };
    const { ttlSeconds } = options;
    const lease = ttlSeconds === undefined ? {} : { lease: await this.#grant(key, ttlSeconds) };
    await this.#store.txn(operation, [], [{ put: { key, value, ...lease } }]);
  }

  async delete(key: string): Promise<void> {
    await this.#store.txn({ op: 'delete', resource: key, write: true }, [], [{ deleteRange: { key } }]);
  }

  async #grant(key: string, ttlSeconds: number): Promise<number> {
    const id = 1 + randomInt(this.#random, leaseIds - 1);
    const operation = { op: 'grant a lease', resource: key, write: true };
    await this.#connection.call(operation, calls.leaseGrant, { ttl: Math.max(1, Math.round(ttlSeconds)), id });
    return id;
  }
}
