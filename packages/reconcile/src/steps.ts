import type { Clock, Timer } from './clock.ts';
import { Turn } from './turn.ts';

/** Does all steps of the work at once; gives what it gives. */
export function finished<T>(steps: Generator<unknown, T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/** Does work for each item; a step may end behind every `size` of them. Several times as fast as a generator of the items. */
export function* eachInSteps<T>(items: Iterable<T>, work: (item: T) => void, size = 512): Generator<undefined, void> {
  let count = 0;
  for (const item of items) {
    work(item);
    if (++count % size === 0) yield undefined;
  }
}

/** Does work that is cut into steps in turns of the event loop, as `inTurns`; resolves at its end, or rejects with what it throws. */
export function finishedInTurns<T>(clock: Clock, steps: Generator<unknown, T>): Promise<T> {
  return new Promise((done, failed) => {
    inTurns(clock, steps, { done, failed });
  });
}

/** Whom `inTurns` tells of the end. */
export interface WorkEnd<T> {
  done(value: T): void;
  failed(error: unknown): void;
}

/**
 * Does work that is cut into steps, in turns of the event loop. What fits into one turn is done, and its end told, before
 * the call returns. `cancel` ends the work between two steps, without telling.
 */
export function inTurns<T>(clock: Clock, steps: Generator<unknown, T>, end: WorkEnd<T>): Timer {
  let timer: Timer | undefined;
  const nextTurn = (): (() => void) | undefined => {
    const turn = new Turn(clock);
    try {
      do {
        const { done, value } = steps.next();
        if (done) return () => end.done(value);
      } while (!turn.spent);
    } catch (error) {
      return () => end.failed(error);
    }
    timer = clock.setTimeout(work, 0);
    return undefined;
  };
  const work = () => nextTurn()?.();
  work();
  return {
    cancel: () => {
      timer?.cancel();
      // At an end this does nothing.
      steps.return(undefined as T);
    },
  };
}
