/** What ends a wait early. An AbortSignal is one. */
export interface Cancellation {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: 'abort', listener: () => void): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/** A call that is to come. */
export interface Timer {
  /** Takes the call back; does nothing once it has happened. */
  cancel(): void;
}

/** Time as an argument: programs hand in the real one, tests a `ClockFake`. All spans are milliseconds. */
export interface Clock {
  /** Milliseconds since some fixed moment; never goes back. For spans. */
  now(): number;
  /** Milliseconds since 1970-01-01 UTC; may jump. For what people or other machines read. */
  wallTime(): number;
  /** Resolves after a span; rejects with the signal's reason when it is aborted first (or was before). */
  sleep(ms: number, signal?: Cancellation): Promise<void>;
  /** Calls once after a span. */
  setTimeout(call: () => void, ms: number): Timer;
  /** Calls again and again, a span apart, until cancelled. */
  setInterval(call: () => void, ms: number): Timer;
}

/** `Clock.sleep` over any `setTimeout` of a clock. */
export function sleepOn(clock: Pick<Clock, 'setTimeout'>, ms: number, signal?: Cancellation): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const aborted = () => {
      timer.cancel();
      signal?.removeEventListener('abort', aborted);
      reject(signal?.reason);
    };
    const timer = clock.setTimeout(() => {
      signal?.removeEventListener('abort', aborted);
      resolve();
    }, ms);
    signal?.addEventListener('abort', aborted);
  });
}
