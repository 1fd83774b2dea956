import type { Kind, Resource } from '@calico/api';
import {
  type Client,
  DatastoreError,
  type ListResult,
  type ObjectKey,
  type PatchOptions,
  type Selection,
  type TakePage,
  type WatchOptions,
  type WatchStream,
} from '@calico/datastore';
import { type Random, randomInt } from '@calico/reconcile';

/**
 * What happens to one operation. `lost`: it is done, but its answer never comes; `late`: it is done some turns after the
 * caller gave up; `never`: it does not reach the server; `refused`, `dead`: it fails, and the caller knows. When the caller
 * itself died nobody is answered: `orphaned` is done all the same, `unsent` is not.
 */
export type Fate = 'done' | 'lost' | 'late' | 'never' | 'refused' | 'dead' | 'orphaned' | 'unsent';

/** How many turns a late operation waits for. */
const LATE_TURNS = 5;

/** An operation on its way. */
export interface Passing {
  readonly op: string;
  readonly write: boolean;
  readonly resource: string;
}

/** A client on the way to which things happen: each operation waits for its turn, then meets its fate. For tests. */
export class TroubledClient implements Client {
  readonly #inner: Client;
  readonly #turn: () => Promise<void>;
  readonly #fate: (passing: Passing) => Fate;
  /** The operations so far. */
  readonly log: Passing[] = [];

  constructor(inner: Client, fate: (passing: Passing) => Fate, turn: () => Promise<void> = async () => {}) {
    this.#inner = inner;
    this.#fate = fate;
    this.#turn = turn;
  }

  get<R extends Resource>(kind: Kind<R>, key: ObjectKey): Promise<R> {
    return this.#pass('get', kind, key.name, false, () => this.#inner.get(kind, key));
  }

  list<R extends Resource>(kind: Kind<R>, options?: Selection): Promise<ListResult<R>> {
    return this.#pass('list', kind, '*', false, () => this.#inner.list(kind, options));
  }

  listPages<R extends Resource>(kind: Kind<R>, options: Selection, take: TakePage<R>): Promise<string> {
    return this.#pass('list', kind, '*', false, () => this.#inner.listPages(kind, options, take));
  }

  create<R extends Resource>(kind: Kind<R>, resource: R): Promise<R> {
    return this.#pass('create', kind, resource.metadata.name, true, () => this.#inner.create(kind, resource));
  }

  update<R extends Resource>(kind: Kind<R>, resource: R): Promise<R> {
    return this.#pass('update', kind, resource.metadata.name, true, () => this.#inner.update(kind, resource));
  }

  updateStatus<R extends Resource>(kind: Kind<R>, resource: R): Promise<R> {
    return this.#pass('updateStatus', kind, resource.metadata.name, true, () =>
      this.#inner.updateStatus(kind, resource),
    );
  }

  patch<R extends Resource>(kind: Kind<R>, key: ObjectKey, patch: unknown, options: PatchOptions): Promise<R> {
    return this.#pass('patch', kind, key.name, true, () => this.#inner.patch(kind, key, patch, options));
  }

  delete<R extends Resource>(
    kind: Kind<R>,
    key: ObjectKey,
    preconditions?: Parameters<Client['delete']>[2],
  ): Promise<void> {
    return this.#pass('delete', kind, key.name, true, () => this.#inner.delete(kind, key, preconditions));
  }

  watch<R extends Resource>(kind: Kind<R>, options: WatchOptions): WatchStream<R> {
    return this.#inner.watch(kind, options);
  }

  async #pass<T>(
    op: string,
    kind: Pick<Kind, 'kind'>,
    name: string,
    write: boolean,
    call: () => Promise<T>,
  ): Promise<T> {
    const resource = `${kind.kind}(${name})`;
    const passing = { op, write, resource };
    await this.#turn();
    const fate = this.#fate(passing);
    this.log.push(passing);
    if (fate === 'orphaned') await call().catch(() => undefined);
    if (fate === 'orphaned' || fate === 'unsent') return await new Promise<never>(() => {});
    if (fate === 'lost') await call().catch(() => undefined);
    if (fate === 'late') void this.#later(call);
    if (fate !== 'done') {
      const outcomeUnknown = write && (fate === 'lost' || fate === 'late' || fate === 'never');
      throw new DatastoreError({ code: 'Unavailable', op, resource, reason: `made to be ${fate}`, outcomeUnknown });
    }
    return await call();
  }

  async #later(call: () => Promise<unknown>): Promise<void> {
    for (let i = 0; i < LATE_TURNS; i++) await this.#turn();
    await call().catch(() => undefined);
  }
}

/** Turns given out one at a time, by chance: so operations of many callers mix in an order that a seed repeats. */
export class Turns {
  readonly #random: Random;
  readonly #waiting: (() => void)[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  /** How many wait for their turn. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Resolves when it is the caller's turn. */
  readonly next = (): Promise<void> => new Promise(resolve => this.#waiting.push(resolve));

  /** Gives out turns until the work is done, and then as long as anybody waits for one. */
  async during<T>(work: Promise<T>): Promise<T> {
    let done = false;
    const finish = () => {
      done = true;
    };
    work.then(finish, finish);
    while (!done || this.#waiting.length > 0) {
      const [next] = this.#waiting.splice(randomInt(this.#random, this.#waiting.length), 1);
      next?.();
      // One turn of the event loop: all that follows from the answer happens before the next.
      await new Promise(resolve => setImmediate(resolve));
    }
    return await work;
  }
}
