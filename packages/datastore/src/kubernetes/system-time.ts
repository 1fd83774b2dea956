import { type Clock, type Random, sleepOn } from '@calico/reconcile';

/** The process's own time, for clients that are given none. */
export const processClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  sleep: (ms, signal) => sleepOn(processClock, ms, signal),
  setTimeout: (call, ms) => {
    const timer = setTimeout(call, ms);
    return { cancel: () => clearTimeout(timer) };
  },
  setInterval: (call, ms) => {
    const timer = setInterval(call, ms);
    return { cancel: () => clearInterval(timer) };
  },
};

/** The process's own chance, for clients that are given none. */
export const processRandom: Random = { next: () => Math.random() };
