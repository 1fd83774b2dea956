import type { IPAMBlock } from '@calico/api';
import { isOutcomeUnknown } from '@calico/datastore';
import { type Cidr, printCidr } from '@calico/ip';
import { isEmpty, nextSequence } from './block.ts';
import { IpamError } from './error.ts';
import { MAX_RETRIES } from './retry.ts';
import { type IpamStore, lostRace } from './store.ts';

/** What a job makes of a block. */
export interface Outcome<T> {
  /** The block to be written; the one given when nothing is to be. */
  readonly block: IPAMBlock;
  readonly result: T;
  /**
   * The result, when a block read later (undefined: deleted) shows that this write took place; asked when its answer was
   * lost.
   */
  readonly landed: (later: IPAMBlock | undefined) => T | undefined;
}

/** A change of a block, asked for by a request. */
export interface Job<T> {
  /** Pure. May throw: then this job fails, and the others go on. */
  readonly apply: (block: IPAMBlock) => Outcome<T>;
  /**
   * The job ends as 'lost' when somebody else changed the block since this epoch of the cell; without one it is applied to
   * whatever the block has become.
   */
  readonly epoch?: number;
}

interface Waiting extends Job<unknown> {
  readonly resolve: (result: unknown) => void;
  readonly reject: (err: unknown) => void;
  /** The cell's tick when the job came. */
  readonly since: number;
  /** Writes of this job whose answers were lost. */
  readonly uncertain: { readonly outcome: Outcome<unknown>; readonly cause: unknown }[];
}

interface Written {
  readonly job: Waiting;
  readonly outcome: Outcome<unknown>;
}

/**
 * One block as last seen, and the jobs that wait for it. All that wait together go into one compare-and-swap. A job
 * ends without a write only on a state of the store from after it came, never on older memory.
 */
export class BlockCell {
  readonly cidr: Cidr;
  readonly #store: IpamStore;
  #last: IPAMBlock | undefined;
  /** The last state is known to be old: good for estimates, but the next write needs a read. */
  #stale = false;
  /** Counts arrivals of jobs and starts of reads and writes. */
  #tick = 0;
  /** When the read or write began that gave the last state. */
  #lastAt = 0;
  #waiting: Waiting[] = [];
  #running = false;
  #held = 0;
  #epoch = 0;
  #loading: Promise<IPAMBlock | undefined> | undefined;

  constructor(store: IpamStore, cidr: Cidr) {
    this.#store = store;
    this.cidr = cidr;
  }

  /** The block as last seen; undefined when it is not known. */
  get last(): IPAMBlock | undefined {
    return this.#last;
  }

  /** Addresses promised to jobs that are not written yet. */
  get held(): number {
    return this.#held;
  }

  /** Grows whenever the last state is replaced by one that this cell did not write. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Whether no job is under way or announced. */
  get idle(): boolean {
    return !this.#running && this.#held === 0;
  }

  /** Sets addresses aside for a job to come; the function given back ends that. */
  hold(count: number): () => void {
    this.#held += count;
    return () => {
      this.#held -= count;
    };
  }

  /** Takes a block that was read or written elsewhere; undefined forgets it. */
  accept(block: IPAMBlock | undefined): void {
    if (this.#running) return;
    this.#see(block);
    this.#stale = false;
    this.#lastAt = 0;
  }

  /** The block as last seen, else or when that is known to be old as stored; undefined when there is none. */
  async load(): Promise<IPAMBlock | undefined> {
    if (this.#last !== undefined && !this.#stale) return this.#last;
    this.#loading ??= this.#store.block(this.cidr).finally(() => {
      this.#loading = undefined;
    });
    const found = await this.#loading;
    this.accept(found);
    return found;
  }

  /** Does a job. Rejects with NotFound when there is no block, with the datastore's error, or with what the job throws. */
  submit<T>(job: Job<T> & { readonly epoch?: never }): Promise<T>;
  submit<T>(job: Job<T>): Promise<T | 'lost'>;
  submit<T>(job: Job<T>): Promise<T | 'lost'> {
    return new Promise<T | 'lost'>((resolve, reject) => {
      const since = ++this.#tick;
      this.#waiting.push({ ...job, since, resolve: result => resolve(result as T | 'lost'), reject, uncertain: [] });
      if (!this.#running) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#running = true;
    // All that is asked for in this turn of the event loop goes together.
    await undefined;
    while (this.#waiting.length > 0) {
      let batch = this.#waiting.splice(0);
      let failure: unknown;
      try {
        for (let i = 0; batch.length > 0 && i < MAX_RETRIES; i++) batch = await this.#attempt(batch);
        failure = new IpamError(
          'TooManyRetries',
          `Cannot change block ${printCidr(this.cidr)}: others changed it first, ${MAX_RETRIES} times`,
        );
      } catch (err) {
        this.#stale = true;
        failure = err;
      }
      for (const job of batch) fail(job, failure);
    }
    this.#running = false;
  }

  async #read(): Promise<IPAMBlock | undefined> {
    const at = ++this.#tick;
    this.#see(await this.#store.block(this.cidr));
    this.#stale = false;
    this.#lastAt = at;
    return this.#last;
  }

  /** Takes a state that was read. */
  #see(block: IPAMBlock | undefined): void {
    const { uid, resourceVersion } = this.#last?.metadata ?? {};
    const same = block?.metadata.uid === uid && block?.metadata.resourceVersion === resourceVersion;
    if (this.#last === undefined || !same) this.#epoch++;
    this.#last = block;
  }

  /** One compare-and-swap. Gives the jobs to be tried again. */
  async #attempt(batch: readonly Waiting[]): Promise<Waiting[]> {
    const base = (this.#stale ? undefined : this.#last) ?? (await this.#read());
    if (base === undefined) {
      throw new IpamError('NotFound', `Cannot change block ${printCidr(this.cidr)}: it does not exist`);
    }
    const { draft, written, idle } = this.#fold(base, batch);
    if (written.length === 0) {
      // What is left would end without a write, but only a new read may say so.
      if (idle.length > 0) this.#stale = true;
      return idle;
    }
    const at = ++this.#tick;
    try {
      this.#last = await this.#write(base, draft);
      this.#lastAt = at;
    } catch (err) {
      return [...idle, ...(await this.#afterFailure(written, err))];
    }
    for (const { job, outcome } of written) job.resolve(outcome.result);
    return idle;
  }

  /** Applies all jobs, one after the other. Those that change nothing end here if that is certain, else are idle. */
  #fold(base: IPAMBlock, batch: readonly Waiting[]): { draft: IPAMBlock; written: Written[]; idle: Waiting[] } {
    let draft = base;
    const written: Written[] = [];
    const idle: Waiting[] = [];
    for (const job of batch) {
      const certain = draft === base && this.#lastAt > job.since;
      if (job.epoch !== undefined && job.epoch !== this.#epoch) {
        job.resolve('lost');
        continue;
      }
      try {
        const outcome = job.apply(draft);
        if (outcome.block !== draft) written.push({ job, outcome });
        else if (certain) job.resolve(outcome.result);
        else idle.push(job);
        draft = outcome.block;
      } catch (err) {
        if (certain) fail(job, err);
        else idle.push(job);
      }
    }
    return { draft, written, idle };
  }

  /** Ends the jobs of a write that failed, as far as they are done or failed. Gives those to be looked at again. */
  async #afterFailure(written: readonly Written[], cause: unknown): Promise<Waiting[]> {
    const unknown = isOutcomeUnknown(cause);
    if (unknown) for (const { job, outcome } of written) job.uncertain.push({ outcome, cause });
    this.#stale = true;
    if (!unknown && !lostRace(cause)) {
      for (const { job } of written) fail(job, cause);
      return [];
    }
    // Somebody was first: who does not want that state needs no look at it.
    if (!unknown && written.every(({ job }) => job.epoch !== undefined && job.uncertain.length === 0)) {
      this.#epoch++;
      for (const { job } of written) job.resolve('lost');
      return [];
    }
    let now: IPAMBlock | undefined;
    try {
      now = await this.#read();
    } catch (err) {
      for (const { job } of written) fail(job, err);
      return [];
    }
    const again: Waiting[] = [];
    for (const { job } of written) {
      const done = job.uncertain.map(({ outcome }) => outcome.landed(now)).find(result => result !== undefined);
      if (done === undefined) again.push(job);
      else job.resolve(done);
    }
    return again;
  }

  /** Writes the block, or deletes it when nobody owns it and nothing is in use. Gives what is stored then. */
  async #write(base: IPAMBlock, draft: IPAMBlock): Promise<IPAMBlock | undefined> {
    if (!isGone(draft)) return await this.#store.update(nextSequence(draft));
    await this.#store.remove(base);
    return undefined;
  }
}

/** Ends a job without result. While a write of it may still be done, the error is one that says so. */
function fail(job: Waiting, err: unknown): void {
  job.reject(job.uncertain[0]?.cause ?? err);
}

/** Whether a block is to be deleted rather than written: it is empty, and nobody's. */
export function isGone(block: IPAMBlock): boolean {
  return (block.spec.affinity ?? null) === null && isEmpty(block);
}
