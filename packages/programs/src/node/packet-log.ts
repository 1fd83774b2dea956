import { logGroup, type PacketLineNames, packetLine } from '@calico/dataplane';
import type { Kernel, LoggedPacket, Subscription } from '@calico/kernel';
import type { Counter, Logger } from '@calico/process';
import { type Backoff, backoff, type Clock, type Random, type Timer } from '@calico/reconcile';

/** So many lines in a span of time, after as many as `burst` at once: FelixConfiguration's `logActionRateLimit`. */
export interface LineLimit {
  readonly lines: number;
  /** Milliseconds. */
  readonly per: number;
  readonly burst: number;
}

/** What the packet log works with. */
export interface PacketLogOptions extends Pick<PacketLineNames, 'tierOf'> {
  /** FelixConfiguration's `logPrefix` of this moment. */
  prefix(): string;
  /** The most lines of each rule at this moment; undefined: no limit of its own. */
  limit(): LineLimit | undefined;
  readonly kernel: Kernel;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Counts the packets that no line was written of. */
  readonly dropped: Counter;
}

/** Pods choose how many packets Log rules meet: so many lines a second are written, after as many at once. */
const linesPerSecond = 100;
const linesAtOnce = 500;
/** Of so many Log rules at most it is remembered what they may write. */
const mostRules = 10_000;

/** Writes a line for each packet that a Log rule meets, as far as there are not too many. Ends with `close`. */
export class PacketLog {
  readonly #options: PacketLogOptions;
  readonly #retry: Backoff;
  #subscription: Subscription | undefined;
  #retryTimer: Timer | undefined;
  #allowance = linesAtOnce;
  #countedAt: number;
  #dropped = 0;
  /** How many lines each rule may still write, and when that was counted. */
  readonly #ofRule = new Map<string, { allowance: number; at: number }>();

  constructor(options: PacketLogOptions) {
    this.#options = options;
    this.#retry = backoff({ base: 100, max: 10_000, factor: 2, jitter: 0.3 }, options.random);
    this.#countedAt = options.clock.now();
    this.#listen();
  }

  close(): void {
    this.#retryTimer?.cancel();
    this.#subscription?.close();
  }

  /** An agent that is about to end may still have the group. */
  #listen(): void {
    const { kernel, clock, log } = this.#options;
    try {
      this.#subscription = kernel.logPackets(logGroup, {
        packet: packet => this.#write(packet),
        lost: () => this.#drop(),
      });
    } catch (err) {
      const retryMs = this.#retry.next();
      log.warn({ err, retryMs }, 'Cannot listen to packets of Log rules; trying again');
      this.#retryTimer = clock.setTimeout(() => this.#listen(), retryMs);
    }
  }

  #write(packet: LoggedPacket): void {
    const { kernel, clock, log, prefix, tierOf } = this.#options;
    const now = clock.now();
    if (!this.#isWithinLimit(packet.prefix, now)) {
      this.#options.dropped.inc();
      return;
    }
    this.#allowance = Math.min(linesAtOnce, this.#allowance + ((now - this.#countedAt) / 1000) * linesPerSecond);
    this.#countedAt = now;
    if (this.#allowance < 1) {
      this.#drop();
      return;
    }
    this.#allowance -= 1;
    if (this.#dropped > 0) {
      log.warn({ packets: this.#dropped }, 'Log rules met more packets than lines are written');
      this.#dropped = 0;
    }
    log.info(packetLine(packet, { prefix: prefix(), tierOf, interfaceName: index => kernel.link(index)?.name }));
  }

  /** Takes one line from the rule's own allowance. The kernel's `limit` has a burst of one at least. */
  #isWithinLimit(rule: string, now: number): boolean {
    const limit = this.#options.limit();
    if (limit === undefined) {
      this.#ofRule.clear();
      return true;
    }
    // Policies come and go; what is forgotten begins with its burst again.
    if (this.#ofRule.size > mostRules) this.#ofRule.clear();
    const burst = Math.max(1, limit.burst);
    const { allowance, at } = this.#ofRule.get(rule) ?? { allowance: burst, at: now };
    const left = Math.min(burst, allowance + ((now - at) / limit.per) * limit.lines);
    const within = left >= 1;
    this.#ofRule.set(rule, { allowance: within ? left - 1 : left, at: now });
    return within;
  }

  #drop(): void {
    this.#dropped++;
    this.#options.dropped.inc();
  }
}
