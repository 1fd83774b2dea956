import type { Applied, Dataplane } from '@calico/dataplane';
import { type Backoff, backoff, type Clock, inTurns, type Random, type Timer, Turn } from '@calico/reconcile';

/** A part of what is compared with the kernel. */
export type ResyncPart = 'rules' | 'routes';

/** Whom the writer tells. */
export interface FelixWriterHandler {
  /** A write begins, of everything that the dataplane was told so far. */
  begun?(): void;
  /** All that had changed is in the kernel; `begun` is the clock when the writing of it began. */
  applied(applied: Applied, begun: number): void;
  /** The kernel refused; what it refused is tried again after so many milliseconds, or with the next change. */
  refused(error: unknown, retryMs: number): void;
  /** A comparison has ended: so many objects in the kernel were other than we knew; they are being mended. */
  compared(part: ResyncPart, drift: number): void;
}

/** How long one turn of a comparison may be, in ms: less than one of changes, which somebody waits for. */
const resyncTurn = 4;

/**
 * Brings what a dataplane wants into the kernel, in turns of the event loop. What fits into one turn is done before `write`
 * returns; what changes meanwhile is written next. A write that the kernel refuses is tried again with growing delays. A
 * comparison with the kernel goes on in the background, and stands still while something is written.
 */
export class FelixWriter {
  readonly #dataplane: Dataplane;
  readonly #clock: Clock;
  readonly #on: FelixWriterHandler;
  readonly #retry: Backoff;
  #work: Timer | undefined;
  #applying = false;
  #retryTimer: Timer | undefined;
  /** How often a write was asked for, and up to which time all is written or refused. */
  #asked = 0;
  #answered = 0;
  #waiters: { readonly asked: number; readonly done: () => void }[] = [];
  readonly #parts = new Set<ResyncPart>();
  #comparison: { readonly part: ResyncPart; readonly steps: Generator<void, number> } | undefined;
  #comparisonTimer: Timer | undefined;

  constructor(dataplane: Dataplane, clock: Clock, random: Random, on: FelixWriterHandler) {
    this.#dataplane = dataplane;
    this.#clock = clock;
    this.#on = on;
    this.#retry = backoff({ base: 20, max: 5_000, factor: 2, jitter: 0.3 }, random);
  }

  /** Whether the kernel refused the last write. */
  get isRefused(): boolean {
    return this.#retryTimer !== undefined;
  }

  /** Writes what has changed. */
  write(): void {
    this.#asked++;
    this.#retryTimer?.cancel();
    this.#retryTimer = undefined;
    if (!this.#applying) this.#apply();
  }

  /** Resolves when all that `write` was called for until now is in the kernel or refused. */
  get written(): Promise<void> {
    if (this.#answered === this.#asked) return Promise.resolve();
    return new Promise(done => this.#waiters.push({ asked: this.#asked, done }));
  }

  /** Compares a part with the kernel, in the background, and mends what differs. */
  resync(part: ResyncPart): void {
    this.#parts.add(part);
    if (this.#comparison === undefined) this.#compareNext();
  }

  /** Ends all work between two steps. What is in the kernel stays in force. */
  stop(): void {
    this.#work?.cancel();
    this.#retryTimer?.cancel();
    this.#comparisonTimer?.cancel();
    this.#comparison?.steps.return(0);
  }

  #apply(): void {
    this.#applying = true;
    const asked = this.#asked;
    const begun = this.#clock.now();
    this.#on.begun?.();
    const ended = () => {
      this.#applying = false;
      this.#answered = asked;
    };
    this.#work = inTurns(this.#clock, this.#dataplane.applyInSteps(), {
      done: applied => {
        ended();
        this.#retry.reset();
        this.#on.applied(applied, begun);
        this.#goOn();
      },
      failed: error => {
        ended();
        const delay = this.#retry.next();
        this.#retryTimer = this.#clock.setTimeout(() => this.write(), delay);
        this.#on.refused(error, delay);
        this.#goOn();
      },
    });
  }

  /** After a write: answers who waited for it, then the next one, else the comparison that it held up. */
  #goOn(): void {
    const answered = this.#waiters.filter(({ asked }) => asked <= this.#answered);
    this.#waiters = this.#waiters.filter(({ asked }) => asked > this.#answered);
    for (const { done } of answered) done();
    if (this.#answered < this.#asked) {
      this.#applying = true;
      this.#work = this.#clock.setTimeout(() => this.#apply(), 0);
    } else if (this.#comparison !== undefined) this.#compareSoon();
  }

  #compareNext(): void {
    const [part] = this.#parts;
    if (part === undefined) return;
    this.#parts.delete(part);
    this.#comparison = { part, steps: this.#dataplane.resyncInSteps(part) };
    this.#compare();
  }

  #compareSoon(): void {
    this.#comparisonTimer?.cancel();
    this.#comparisonTimer = this.#clock.setTimeout(() => this.#compare(), 0);
  }

  #compare(): void {
    if (this.#comparison === undefined || this.#applying) return;
    const { part, steps } = this.#comparison;
    const turn = new Turn(this.#clock, resyncTurn);
    try {
      do {
        const { done, value } = steps.next();
        if (!done) continue;
        this.#comparison = undefined;
        this.#on.compared(part, value);
        break;
      } while (!turn.spent);
    } catch {
      // The next write reads the kernel as a whole, and tells of what keeps it from that.
      this.#comparison = undefined;
      this.#dataplane.resync(part);
    }
    if (this.#comparison !== undefined) this.#compareSoon();
    else {
      this.write();
      this.#compareNext();
    }
  }
}
