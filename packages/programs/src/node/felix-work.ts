import type { ResourceUpdate } from '@calico/api';
import type { CalcGraph, Message } from '@calico/calc';
import { type Clock, type Timer, Turn } from '@calico/reconcile';

/** Whom the work tells. */
export interface FelixWorkHandler {
  /** Messages of a flush under way, in order. */
  onMessages(messages: readonly Message[]): void;
  /** All messages of a flush have been given: what they say can be written. `since` is the clock when its work began. */
  onFlushed(since: number): void;
  /** Whether an update is to be left out. */
  isOutdated(update: ResourceUpdate): boolean;
}

/** An update that somebody waits for. */
interface Request {
  readonly update: ResourceUpdate;
  readonly done: PromiseWithResolvers<void>;
}

/** So many messages are handed over together. */
const MESSAGES = 64;

/**
 * The calculation's work in turns of a few milliseconds, so that the process answers others in between: updates in, then a
 * flush. What fits into one turn is done before the call returns. A request goes before all waiting updates and is flushed at once.
 */
export class FelixWork {
  readonly #calc: CalcGraph;
  readonly #clock: Clock;
  readonly #on: FelixWorkHandler;
  readonly #requests: Request[] = [];
  /** Updates to come; from `#next` on. */
  #queue: (ResourceUpdate | 'inSync')[] = [];
  #next = 0;
  #flush: Generator<Message | undefined> | undefined;
  #messages: Message[] = [];
  /** Requests whose update is in the calculation, or in the flush under way. */
  #taken: Request[] = [];
  /** The clock when the first update came in that is not flushed. */
  #since: number | undefined;
  #timer: Timer | undefined;
  #idle: PromiseWithResolvers<void> | undefined;

  constructor(calc: CalcGraph, clock: Clock, on: FelixWorkHandler) {
    this.#calc = calc;
    this.#clock = clock;
    this.#on = on;
  }

  /** Takes updates in, after all before them. Gives a promise for the end of the work when it goes on in other turns. */
  add(updates: readonly (ResourceUpdate | 'inSync')[]): Promise<void> | undefined {
    for (const update of updates) this.#queue.push(update);
    this.#work();
    if (this.#timer === undefined) return undefined;
    this.#idle ??= Promise.withResolvers();
    return this.#idle.promise;
  }

  /** Takes an update in before all that wait; resolves when what follows from it has been handed over. */
  request(update: ResourceUpdate): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.#requests.push({ update, done });
    this.#work();
    return done.promise;
  }

  /** A flush is under way: what has been handed over is not the whole of it. */
  get flushing(): boolean {
    return this.#flush !== undefined;
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #work(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const turn = new Turn(this.#clock);
    while (this.#step()) {
      if (!turn.spent) continue;
      this.#timer = this.#clock.setTimeout(() => this.#work(), 0);
      return;
    }
    this.#idle?.resolve();
    this.#idle = undefined;
  }

  /** Does the next piece; gives whether there was one. */
  #step(): boolean {
    if (this.#flush !== undefined) this.#goOnFlushing(this.#flush);
    else if (this.#requests.length > 0) this.#takeRequests();
    else if (this.#taken.length === 0 && this.#next < this.#queue.length) this.#takeUpdate();
    else if (this.#since !== undefined) this.#flush = this.#calc.flushInSteps();
    else return false;
    return true;
  }

  #takeRequests(): void {
    for (const request of this.#requests) this.#take(request.update);
    this.#taken.push(...this.#requests);
    this.#requests.length = 0;
  }

  #takeUpdate(): void {
    const update = this.#queue[this.#next++];
    if (this.#next === this.#queue.length) {
      this.#queue = [];
      this.#next = 0;
    }
    if (update === 'inSync') {
      this.#since ??= this.#clock.now();
      this.#calc.inSync();
    } else if (update !== undefined && !this.#on.isOutdated(update)) this.#take(update);
  }

  #take(update: ResourceUpdate): void {
    this.#since ??= this.#clock.now();
    this.#calc.update(update);
  }

  #goOnFlushing(flush: Generator<Message | undefined>): void {
    const { done, value } = flush.next();
    if (value !== undefined) this.#messages.push(value);
    if (this.#messages.length >= MESSAGES || done) this.#handOver();
    if (!done) return;
    this.#flush = undefined;
    const since = this.#since ?? this.#clock.now();
    this.#since = undefined;
    const served = this.#taken;
    this.#taken = [];
    this.#on.onFlushed(since);
    for (const request of served) request.done.resolve();
  }

  #handOver(): void {
    const messages = this.#messages;
    this.#messages = [];
    if (messages.length > 0) this.#on.onMessages(messages);
  }
}
