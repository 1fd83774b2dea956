import type { Clock } from '@calico/reconcile';

/** Work did not end in its time. It may still be going on. */
export class TimeoutError extends Error {
  override readonly name = 'TimeoutError';
}

/**
 * The result of work, or a TimeoutError when it takes longer than a span in milliseconds. The work is not stopped.
 * @param act completes "Cannot …" in the error: `stop felix`.
 */
export function withTimeout<T>(
  work: Promise<T>,
  ms: number,
  act: string,
  clock: Pick<Clock, 'setTimeout'>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimeout(() => reject(new TimeoutError(`Cannot ${act}: no end within ${ms} ms`)), ms);
    work.then(resolve, reject).finally(() => timer.cancel());
  });
}
