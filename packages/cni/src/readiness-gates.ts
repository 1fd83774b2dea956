import type { Clock } from '@calico/reconcile';
import { CniError, errorCodes } from './cni-error.ts';

const intervalMs = 5_000;
const longestMs = 30_000;

/** Gives the HTTP status of an answer. */
export type Probe = (url: string, timeoutMs: number) => Promise<number>;

/**
 * Waits until each URL answers with a status from 200 to 399, asked every five seconds, each for half a minute at most.
 * Throws CniError 11 that names the first that did not.
 */
export async function passGates(
  gates: readonly string[],
  clock: Pick<Clock, 'now' | 'sleep'>,
  probe: Probe = statusOf,
): Promise<void> {
  await Promise.all(gates.map(gate => pass(gate, clock, probe)));
}

async function pass(url: string, clock: Pick<Clock, 'now' | 'sleep'>, probe: Probe): Promise<void> {
  const end = clock.now() + longestMs;
  for (;;) {
    let last: string;
    try {
      const status = await probe(url, intervalMs);
      if (status >= 200 && status < 400) return;
      last = `it answers ${status}`;
    } catch (error) {
      last = error instanceof Error ? error.message : String(error);
    }
    if (clock.now() + intervalMs > end) {
      throw new CniError(
        errorCodes.tryAgainLater,
        `Cannot set up network: readiness gate ${url} is not ready within ${longestMs / 1000} s`,
        last,
      );
    }
    await clock.sleep(intervalMs);
  }
}

async function statusOf(url: string, timeoutMs: number): Promise<number> {
  const response = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(timeoutMs) });
  await response.body?.cancel();
  return response.status;
}
