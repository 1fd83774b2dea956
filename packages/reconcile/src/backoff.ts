import type { Random } from './random.ts';

export interface BackoffOptions {
  /** First delay, in milliseconds. */
  readonly base: number;
  /** Longest delay, in milliseconds. */
  readonly max: number;
  /** What each delay is multiplied by for the next; 2 by default. */
  readonly factor?: number;
  /** The share of each delay, 0 to 1, that chance may take away, so that many who fail together return apart; 0.5 by default. */
  readonly jitter?: number;
}

/** How long to wait before each of a row of attempts. */
export interface Backoff {
  /** The delay before the next attempt, in milliseconds; each call counts as one failure. */
  next(): number;
  /** Starts again from the first delay, after a success. */
  reset(): void;
  /** Failures since the last reset. */
  readonly failures: number;
}

/** Growing delays: `base × factor^failures`, at most `max`, less a random part. */
export function backoff(options: BackoffOptions, random: Random): Backoff {
  const { base, max, factor = 2, jitter = 0.5 } = options;
  let failures = 0;
  return {
    next() {
      const delay = Math.min(max, base * factor ** failures);
      failures++;
      return delay * (1 - jitter * random.next());
    },
    reset() {
      failures = 0;
    },
    get failures() {
      return failures;
    },
  };
}
