import type { Clock, Random } from '@calico/reconcile';
import { IpamError } from './error.ts';

/** How often a compare-and-swap is tried before the contention is called excessive. */
export const MAX_RETRIES = 100;

/** What a step of `retrying` gives to be called again. */
export const AGAIN: unique symbol = Symbol('again');

/** Calls until there is a result. Throws TooManyRetries after MAX_RETRIES calls. */
export async function retrying<T>(what: string, attempt: () => Promise<T | typeof AGAIN>): Promise<T> {
  for (let i = 0; i < MAX_RETRIES; i++) {
    const result = await attempt();
    if (result !== AGAIN) return result;
  }
  throw new IpamError('TooManyRetries', `Cannot ${what}: others changed it first, ${MAX_RETRIES} times`);
}

/** The longest wait between two tries, in milliseconds. */
const LONGEST_WAIT_MS = 1000;

/** Waits, after more than one race was lost: where many want the last addresses, trying at once again only makes it worse. */
export async function letOthersGoFirst(
  { clock, random }: { readonly clock: Pick<Clock, 'sleep'>; readonly random: Random },
  lost: number,
): Promise<void> {
  if (lost > 1) await clock.sleep(random.next() * Math.min(LONGEST_WAIT_MS, 50 * 2 ** lost));
}
