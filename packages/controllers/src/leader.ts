import { Lease } from '@calico/api';
import { type Client, isAlreadyExists, isConflict, isForbidden, isOutcomeUnknown } from '@calico/datastore';
import type { Clock } from '@calico/reconcile';
import type { Log } from './log.ts';
import { find } from './nodes/directory.ts';

/** Who wants to lead, and by which Lease. */
export interface LeaderOptions {
  /** Of Kubernetes' API. */
  readonly client: Client;
  readonly namespace: string;
  readonly name: string;
  /** Unlike that of any other process, also of an earlier one. */
  readonly identity: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Ends the wait for leadership, or the leadership: then the Lease is given back for the next to take at once. */
  readonly signal: AbortSignal;
}

/** The lead of one process over the others. */
export interface Leadership {
  /** Aborted when the lead is lost, or may be: all work must end. Its reason says why. */
  readonly lost: AbortSignal;
  /** Gives the Lease back; to be called when no work is under way any more. */
  release(): Promise<void>;
}

/** As client-go's defaults: the Lease lasts for this long, */
const LEASE_MS = 15_000;
/** whoever could not renew it for this long leads no more, */
const RENEW_DEADLINE_MS = 10_000;
/** and this is between two tries. */
const RETRY_MS = 2000;

/**
 * Waits until this process leads. Time is taken from when a change of the Lease was seen here, never from the times in
 * it, so clocks of machines need not agree. Where Leases are forbidden it leads without one, and says so.
 */
export async function lead(options: LeaderOptions): Promise<Leadership> {
  const candidate = new Candidate(options);
  const { clock, log, signal, identity } = options;
  for (;;) {
    signal.throwIfAborted();
    try {
      if ((await candidate.take()) === true) break;
    } catch (err) {
      if (isForbidden(err)) {
        log.warn({ err }, 'Leases are forbidden: running without, which is right only while one instance runs');
        return { lost: new AbortController().signal, release: async () => {} };
      }
      log.warn({ err }, 'the Lease could not be read or written');
    }
    await clock.sleep(RETRY_MS, signal);
  }
  log.info({ identity }, 'leading');
  const lost = new AbortController();
  const renewing = renew(candidate, options, lost);
  return {
    lost: lost.signal,
    async release() {
      lost.abort(new Error('the lead was given back'));
      await renewing;
      await candidate.giveBack();
    },
  };
}

async function renew(candidate: Candidate, { clock, log }: LeaderOptions, lost: AbortController): Promise<void> {
  let renewedAt = clock.now();
  while (!lost.signal.aborted) {
    try {
      await clock.sleep(RETRY_MS, lost.signal);
    } catch {
      return;
    }
    const began = clock.now();
    let cause: unknown;
    try {
      // An answer that does not come must not keep a lead alive that others have taken.
      const held = await Promise.race([candidate.take(), clock.sleep(RENEW_DEADLINE_MS).then(() => undefined)]);
      if (held === true) renewedAt = began;
      else if (held === false) {
        lost.abort(new Error(`Cannot go on: another instance holds the Lease: "${candidate.holder}"`));
        return;
      }
    } catch (err) {
      cause = err;
      log.warn({ err }, 'the Lease could not be renewed');
    }
    if (clock.now() - renewedAt >= RENEW_DEADLINE_MS) {
      lost.abort(new Error('Cannot go on: the Lease could not be renewed for 10 s', { cause }));
    }
  }
}

/** One process's dealings with the Lease. */
class Candidate {
  readonly #options: LeaderOptions;
  /** The Lease as last seen to change, and when that was. */
  #seen: Lease | undefined;
  #seenAt = 0;

  constructor(options: LeaderOptions) {
    this.#options = options;
  }

  get holder(): string {
    return this.#seen?.spec?.holderIdentity ?? '';
  }

  /** Takes or renews the Lease; gives whether this process holds it, undefined when somebody else wrote it meanwhile. */
  async take(): Promise<boolean | undefined> {
    const { client, namespace, name, identity, clock } = this.#options;
    const lease = await find(() => client.get(Lease, { namespace, name }));
    if (lease === undefined) return await this.#write(() => client.create(Lease, this.#next(undefined)));
    if (lease.metadata.resourceVersion !== this.#seen?.metadata.resourceVersion) {
      this.#seen = lease;
      this.#seenAt = clock.now();
    }
    const { holderIdentity: holder = '', leaseDurationSeconds = LEASE_MS / 1000 } = lease.spec ?? {};
    const expired = clock.now() - this.#seenAt > leaseDurationSeconds * 1000;
    if (holder !== '' && holder !== identity && !expired) return false;
    return await this.#write(() => client.update(Lease, this.#next(lease)));
  }

  /** Leaves the Lease to whoever wants it. Best effort: it expires otherwise. */
  async giveBack(): Promise<void> {
    const { client, identity, log } = this.#options;
    const lease = this.#seen;
    if (lease?.spec?.holderIdentity !== identity) return;
    try {
      await client.update(Lease, { ...lease, spec: { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1 } });
    } catch (err) {
      log.warn({ err }, 'the Lease could not be given back');
    }
  }

  /** Whoever is first has it; an answer that was lost is found by the next try. */
  async #write(write: () => Promise<Lease>): Promise<true | undefined> {
    try {
      this.#seen = await write();
      this.#seenAt = this.#options.clock.now();
      return true;
    } catch (err) {
      if (isConflict(err) || isAlreadyExists(err)) return undefined;
      if (isOutcomeUnknown(err)) this.#seen = undefined;
      throw err;
    }
  }

  #next(lease: Lease | undefined): Lease {
    const { namespace, name, identity, clock } = this.#options;
    const now = new Date(clock.wallTime()).toISOString().replace('Z', '000Z');
    const { holderIdentity, acquireTime = now, leaseTransitions = 0 } = lease?.spec ?? {};
    const mine = holderIdentity === identity;
    return {
      ...(lease ?? { apiVersion: Lease.apiVersion, kind: 'Lease', metadata: { name, namespace } }),
      spec: {
        ...lease?.spec,
        holderIdentity: identity,
        leaseDurationSeconds: LEASE_MS / 1000,
        acquireTime: mine ? acquireTime : now,
        renewTime: now,
        leaseTransitions: mine || lease === undefined ? leaseTransitions : leaseTransitions + 1,
      },
    };
  }
}
