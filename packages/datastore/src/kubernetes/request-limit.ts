import type { Cancellation, Clock } from '@calico/reconcile';

/** How many requests may be begun; those above it wait. */
export interface RequestLimit {
  /** Requests a second, over time. */
  readonly perSecond: number;
  /** Requests that need not wait after a pause. */
  readonly burst: number;
}

/** Gives each caller his turn so that no more begin than a limit allows. Rejects with the reason of the signal. */
export function requestTurns(
  { perSecond, burst }: RequestLimit,
  clock: Pick<Clock, 'now' | 'sleep'>,
): (signal?: Cancellation) => Promise<void> {
  const interval = 1000 / perSecond;
  let next = Number.NEGATIVE_INFINITY;
  return async signal => {
    const now = clock.now();
    next = Math.max(next, now - burst * interval) + interval;
    if (next > now) await clock.sleep(next - now, signal);
  };
}
