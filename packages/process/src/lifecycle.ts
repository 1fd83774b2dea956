import type { Clock } from '@calico/reconcile';
import type { Logger } from './logger.ts';
import { withTimeout } from './with-timeout.ts';

/** A part of a process that is started once and stopped once. */
export interface Component {
  readonly name: string;
  /** Throws (or rejects) when it cannot; then `stop` is not called. */
  start(): void | Promise<void>;
  stop(): void | Promise<void>;
}

export interface LifecycleOptions {
  readonly components: readonly Component[];
  readonly clock: Pick<Clock, 'now' | 'setTimeout'>;
  readonly log?: Logger;
  /** How long all parts together may take to stop, in milliseconds; 10 s by default. */
  readonly stopTimeoutMs?: number;
}

const STOP_TIMEOUT_MS = 10_000;

/** Starts parts in order and stops those that have started in reverse. */
export class Lifecycle {
  readonly #components: readonly Component[];
  readonly #clock: Pick<Clock, 'now' | 'setTimeout'>;
  readonly #log: Logger | undefined;
  readonly #stopTimeoutMs: number;
  readonly #started: Component[] = [];

  constructor({ components, clock, log, stopTimeoutMs = STOP_TIMEOUT_MS }: LifecycleOptions) {
    this.#components = components;
    this.#clock = clock;
    this.#log = log;
    this.#stopTimeoutMs = stopTimeoutMs;
  }

  /** Starts every part, each when the one before has started. When one cannot, stops the others and throws its error. */
  async start(): Promise<void> {
    for (const component of this.#components) {
      try {
        await component.start();
      } catch (cause) {
        const error = new Error(`Cannot start ${component.name}: ${messageOf(cause)}`, { cause });
        await this.stop().catch((stopError: unknown) =>
          this.#log?.error({ err: stopError }, 'Unwinding a failed start'),
        );
        throw error;
      }
      this.#started.push(component);
      this.#log?.debug(`Started ${component.name}`);
    }
  }

  /**
   * Stops every part that has started, the last first. A part that fails or takes too long does not hold up the others
   * beyond the time that is left for all; at the end the errors are thrown together.
   */
  async stop(): Promise<void> {
    const deadline = this.#clock.now() + this.#stopTimeoutMs;
    const errors: Error[] = [];
    for (let component = this.#started.pop(); component !== undefined; component = this.#started.pop()) {
      const left = Math.max(0, deadline - this.#clock.now());
      try {
        await withTimeout(stopped(component), left, `stop ${component.name}`, this.#clock);
        this.#log?.debug(`Stopped ${component.name}`);
      } catch (cause) {
        const text = messageOf(cause);
        errors.push(
          new Error(text.startsWith('Cannot stop') ? text : `Cannot stop ${component.name}: ${text}`, { cause }),
        );
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, errors.map(error => error.message).join('; '));
  }
}

/** `stop` as a promise, also when it throws at once. */
async function stopped(component: Component): Promise<void> {
  await component.stop();
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
