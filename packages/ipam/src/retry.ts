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
