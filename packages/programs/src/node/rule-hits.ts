import { ruleCounter, tableName } from '@calico/dataplane';
import { type CounterDump, isAbsent, type Kernel, KernelError } from '@calico/kernel';
import type { PolicyProgram } from '@calico/policy';
import type { Logger } from '@calico/process';
import { type Clock, finishedInTurns, type Timer } from '@calico/reconcile';

const table = { family: 'inet', name: tableName } as const;

/** How often the kernel's counters are read, in ms: how exact the time of a last hit is. */
export const hitsInterval = 10_000;
/** Of so many counters that are gone is known what they counted: policies leave a node with their last pod and come again. */
const mostGone = 10_000;

/** What a counter has counted. */
export interface Hits {
  /** Since the counter was made, by whichever run of the agent. */
  readonly packets: number;
  /** Milliseconds since 1970 of the reading that found the last hit, at most {@link hitsInterval} later; undefined: none in this run. */
  readonly lastHit: number | undefined;
  /** Milliseconds since 1970 of the first reading in this run: from then on no hit was missed. */
  readonly since: number;
}

/** A rule of an active policy with its hits. */
export interface RuleHit {
  readonly policy: string;
  readonly tier: string;
  readonly direction: 'ingress' | 'egress';
  /** The rule's position in the policy's own list, from 0. */
  readonly index: number;
  readonly action: string;
  readonly counter: string;
  /** Undefined until the counter has been read. */
  readonly hits: Hits | undefined;
}

interface Count {
  /** What the kernel said last. */
  kernel: number;
  /** What counters of this name had counted that are gone. */
  before: number;
  lastHit: number | undefined;
  readonly since: number;
  /** Number of the last reading that found it. */
  seen: number;
}

/** What rule hits are counted with. */
export interface RuleHitsOptions {
  readonly kernel: Pick<Kernel, 'nftables'>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The hits of rules, from the kernel's counters, read again and again. A counter outlives its rule being compiled anew. */
export class RuleHits {
  readonly #options: RuleHitsOptions;
  readonly #counts = new Map<string, Count>();
  /** Milliseconds since 1970 of the first reading that worked. */
  #since: number | undefined;
  #readings = 0;
  #reading: Promise<void> | undefined;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(options: RuleHitsOptions) {
    this.#options = options;
  }

  /** Reads now and every {@link hitsInterval} until `stop`. */
  start(): void {
    if (this.#stopped) return;
    void this.refresh();
    this.#timer = this.#options.clock.setInterval(() => void this.refresh(), hitsInterval);
  }

  /** For good. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** Since when hits are counted without a gap, in milliseconds since 1970; undefined before the first reading. */
  get since(): number | undefined {
    return this.#since;
  }

  /** Reads the counters, in turns of the event loop. A kernel that does not answer is asked again the next time. */
  refresh(): Promise<void> {
    this.#reading ??= finishedInTurns(this.#options.clock, this.#read())
      .catch(err => this.#options.log.warn({ err }, 'Counters of rules could not be read; trying again'))
      .finally(() => {
        this.#reading = undefined;
      });
    return this.#reading;
  }

  *#read(): Generator<void> {
    const counters = yield* this.#counters();
    const now = this.#options.clock.wallTime();
    this.#since ??= now;
    this.#readings++;
    // In one step: who looks in between sees one reading whole.
    for (const { name, packets } of counters) this.#count(name, packets, now);
    this.#forgetOld(this.#counts.size - counters.length);
  }

  /** None before there is a table. */
  *#counters(): Generator<void, readonly CounterDump[]> {
    const { nftables } = this.#options.kernel;
    try {
      return yield* nftables.countersInSteps(table);
    } catch (err) {
      if (isAbsent(err)) return [];
      // Rules change all the time: then in one step, between two changes.
      if (err instanceof KernelError && err.code === 'EINTR') return nftables.counters(table);
      throw err;
    }
  }

  /** What a counter has counted; undefined until it was read. */
  hits(counter: string): Hits | undefined {
    const count = this.#counts.get(counter);
    return count && { packets: count.before + count.kernel, lastHit: count.lastHit, since: count.since };
  }

  /** The counters that the kernel had at the last reading. */
  *present(): Generator<{ readonly counter: string; readonly packets: number }> {
    for (const [counter, { seen, kernel, before }] of this.#counts) {
      if (seen === this.#readings) yield { counter, packets: before + kernel };
    }
  }

  #count(name: string, packets: number, now: number): void {
    const count = this.#counts.get(name);
    if (count === undefined) {
      // Of one that was there before this run nobody knows when it was hit; any other has come since the last reading.
      const lastHit = packets > 0 && this.#readings > 1 ? now : undefined;
      this.#counts.set(name, { kernel: packets, before: 0, lastHit, since: now, seen: this.#readings });
      return;
    }
    if (packets < count.kernel || count.seen < this.#readings - 1) {
      // Another counter of the same name: its policy has left the node and come again.
      count.before += count.kernel;
      count.kernel = 0;
    }
    if (packets > count.kernel) count.lastHit = now;
    count.kernel = packets;
    count.seen = this.#readings;
  }

  /** Of so many that are gone those that were first seen first go first. */
  #forgetOld(gone: number): void {
    let tooMany = gone - mostGone;
    for (const [name, { seen }] of tooMany > 0 ? this.#counts : []) {
      if (seen === this.#readings) continue;
      this.#counts.delete(name);
      if (--tooMany === 0) return;
    }
  }
}

/** Every rule of the policies that decide packets here, with its hits. Staged ones count nothing. */
export function* ruleHits(policies: Iterable<PolicyProgram>, hits: Pick<RuleHits, 'hits'>): Generator<RuleHit> {
  for (const { id, tier, staged, ingress, egress } of policies) {
    if (staged) continue;
    for (const [direction, rules] of Object.entries({ ingress, egress } as const)) {
      for (const { index, action } of rules) {
        const side = direction as RuleHit['direction'];
        const counter = ruleCounter(id, side, index);
        yield { policy: id, tier, direction: side, index, action, counter, hits: hits.hits(counter) };
      }
    }
  }
}
