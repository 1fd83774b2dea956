import { type Clock, type Random, sleepOn } from '@calico/reconcile';

/** The longest span a platform timer takes; a longer one would fire at once. About 25 days. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * The machine's clock: `now` counts from the start of the process. A call after no time comes as soon as what is waiting, of the
 * network too, has had its turn; a timer of the platform would let a millisecond pass idly.
 */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  sleep: (ms, signal) => sleepOn(systemClock, ms, signal),
  setTimeout(call, ms) {
    if (ms <= 0) {
      const immediate = setImmediate(call);
      return { cancel: () => clearImmediate(immediate) };
    }
    const timer = setTimeout(call, Math.min(ms, LONGEST_TIMER_MS));
    return { cancel: () => clearTimeout(timer) };
  },
  setInterval(call, ms) {
    const timer = setInterval(call, Math.min(ms, LONGEST_TIMER_MS));
    return { cancel: () => clearInterval(timer) };
  },
};

/** The platform's chance; not for secrets. */
export const systemRandom: Random = { next: () => Math.random() };
