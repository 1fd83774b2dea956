import type { HealthAggregator, Metrics } from '@calico/process';
import type { Clock, Timer } from '@calico/reconcile';

/** How often the loop is asked, in ms. */
const samplePeriod = 50;
/** How long a delay counts for readiness, in ms. */
const memory = 10_000;
/** A loop that was held for so long is not ready: requests ran into their timeouts meanwhile; in ms. */
const longestReady = 1_000;
const reporter = 'EventLoop';

/** A turn is to take no longer, in ms. */
const longestTurn = 20;

/** The delays so far, in ms. */
export interface LoopDelays {
  readonly samples: number;
  /** How many were longer than a turn may be, 20 ms. */
  readonly late: number;
  /** The longest of the last ten seconds. */
  readonly longestNow: number;
  /** The longest of all. */
  readonly longest: number;
}

/** Measures the event loop until it is cancelled. */
export interface LoopDelayWatch extends Timer {
  delays(): LoopDelays;
}

/**
 * Measures how late the event loop comes to what is due: a histogram, and part of readiness with the longest delay of the
 * last ten seconds in words.
 */
export function watchLoopDelay(clock: Clock, health: HealthAggregator, metrics: Metrics): LoopDelayWatch {
  const histogram = metrics.histogram(
    'calico_event_loop_delay_seconds',
    'How late the event loop came to a timer, asked 20 times a second.',
    [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5],
  );
  health.register({ name: reporter });
  let worst: { readonly at: number; readonly ms: number } = { at: clock.now(), ms: 0 };
  const total = { samples: 0, late: 0, longest: 0 };
  let due = clock.now() + samplePeriod;
  const report = () => {
    const detail = `longest delay of the last ${memory / 1000} s: ${(worst.ms / 1000).toFixed(3)} s`;
    health.report(reporter, { live: true, ready: worst.ms < longestReady, detail });
  };
  report();
  const timer = clock.setInterval(() => {
    const now = clock.now();
    const ms = Math.max(0, now - due);
    due = now + samplePeriod;
    histogram.observe(ms / 1000);
    total.samples++;
    if (ms > longestTurn) total.late++;
    total.longest = Math.max(total.longest, ms);
    const isWorst = ms >= worst.ms || now - worst.at > memory;
    if (!isWorst) return;
    worst = { at: now, ms };
    report();
  }, samplePeriod);
  return {
    cancel: () => timer.cancel(),
    delays: () => ({ ...total, longestNow: worst.ms }),
  };
}
