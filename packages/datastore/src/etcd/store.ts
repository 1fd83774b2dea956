import { backoff, type Clock, type Random } from '@calico/reconcile';
import { DatastoreError, isTransient } from '../error.ts';
import type { Connection } from './connection.ts';
import type { KeyRange } from './key-range.ts';
import {
  COMPARE,
  type Compare,
  calls,
  type KeyValue,
  keyValue,
  type RangeResponse,
  type RequestOp,
  type TxnResponse,
} from './messages.ts';
import type { Operation } from './status-error.ts';

const RETRY_DELAYS = { base: 50, max: 2000 };

/** Some keys of a range, and the state they show. */
export interface RangePage {
  readonly records: KeyValue[];
  readonly revision: number;
  readonly more: boolean;
}

/** What to ask of a range. */
export interface RangeOptions {
  /** At most so many; 0 is all. */
  readonly limit?: number;
  /** The state at this revision; 0 is the present one. */
  readonly revision?: number;
  /** Values are left out. */
  readonly keysOnly?: boolean;
}

/** Reading and writing keys. Reads are tried again after trouble on the way, on the next endpoint; writes never are. */
export class EtcdStore {
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #retries: number;

  constructor(connection: Connection, clock: Clock, random: Random, retries: number) {
    this.#connection = connection;
    this.#clock = clock;
    this.#random = random;
    this.#retries = retries;
  }

  /** The keys of a range in order. */
  async range(operation: Operation, range: KeyRange, options: RangeOptions = {}): Promise<RangePage> {
    const response = await this.#retried(operation, reading =>
      this.#connection.call(reading, calls.range, { ...range, ...options }),
    );
    return page(response);
  }

  /** Those of the keys that exist, of one moment. */
  async read(operation: Operation, keys: readonly string[]): Promise<KeyValue[]> {
    const [only, ...others] = keys;
    if (only === undefined) return [];
    if (others.length === 0) return (await this.range(operation, { key: only })).records;
    const success = keys.map(key => ({ range: { key } }));
    const answer = await this.#retried(operation, reading => this.#connection.call(reading, calls.txn, { success }));
    return answer.responses.flatMap(({ range }) => page(range ?? {}).records);
  }

  /** Does the operations in one step when all comparisons hold; `succeeded` says whether they did. */
  txn(operation: Operation, compare: readonly Compare[], success: readonly RequestOp[]): Promise<TxnResponse> {
    return this.#connection.call(operation, calls.txn, { compare, success });
  }

  async #retried<T>(operation: Operation, ask: (reading: Operation) => Promise<T>): Promise<T> {
    const reading = { ...operation, write: false };
    const delays = backoff(RETRY_DELAYS, this.#random);
    for (;;) {
      try {
        return await ask(reading);
      } catch (err) {
        const again = err instanceof DatastoreError && isTransient(err) && err.code !== 'Internal';
        if (!again || delays.failures >= this.#retries) throw err;
        await this.#clock.sleep(delays.next());
      }
    }
  }
}

function page({ header, kvs = [], more = false }: RangeResponse): RangePage {
  return { records: kvs.map(keyValue), revision: header?.revision ?? 0, more };
}

/** The key does not exist. */
export function absent(key: string): Compare {
  return { key, target: COMPARE.version, version: 0 };
}

/** The key was last written at a revision. */
export function unchanged(key: string, modRevision: number): Compare {
  return { key, target: COMPARE.modRevision, modRevision };
}
