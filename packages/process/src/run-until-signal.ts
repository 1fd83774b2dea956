import type { Lifecycle } from './lifecycle.ts';

/** What of the process is needed here; `process` is one. */
export interface SignalSource {
  on(event: StopSignal, listener: () => void): unknown;
  off(event: StopSignal, listener: () => void): unknown;
}

export type StopSignal = 'SIGTERM' | 'SIGINT';

export interface RunOptions {
  readonly signals?: SignalSource;
  /** Ends the run as a signal does; when it is aborted with an Error, that is thrown after everything has stopped. */
  readonly end?: AbortSignal;
}

/**
 * Starts a lifecycle, waits for SIGTERM, SIGINT or the end of `end`, and stops it. Gives the signal, or undefined. A
 * signal during the start waits for the start; a second one while stopping rejects at once, so that the caller exits.
 */
export async function runUntilSignal(lifecycle: Lifecycle, options: RunOptions = {}): Promise<StopSignal | undefined> {
  const { signals = process, end } = options;
  const first = Promise.withResolvers<StopSignal | undefined>();
  const second = Promise.withResolvers<never>();
  second.promise.catch(() => undefined);
  let received = false;
  const receive = (signal: StopSignal) => {
    if (received) second.reject(new Error(`Cannot stop in order: a second ${signal} came`));
    received = true;
    first.resolve(signal);
  };
  const onTerm = () => receive('SIGTERM');
  const onInt = () => receive('SIGINT');
  const onEnd = () => first.resolve(undefined);
  signals.on('SIGTERM', onTerm);
  signals.on('SIGINT', onInt);
  end?.addEventListener('abort', onEnd);
  if (end?.aborted) onEnd();
  try {
    await Promise.race([lifecycle.start(), second.promise]);
    const signal = await first.promise;
    await Promise.race([lifecycle.stop(), second.promise]);
    if (signal === undefined && end?.reason instanceof Error && end.reason.name !== 'AbortError') throw end.reason;
    return signal;
  } finally {
    signals.off('SIGTERM', onTerm);
    signals.off('SIGINT', onInt);
    end?.removeEventListener('abort', onEnd);
  }
}
