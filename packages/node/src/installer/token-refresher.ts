import type { Clock, Random } from '@calico/reconcile';

/** A token, and how long it holds from now on, in ms. */
export interface FreshToken {
  readonly token: string;
  readonly lifetimeMs: number;
}

/** How the token in use stands. */
export interface TokenState {
  /** ms; negative when it has ended; undefined before the first. */
  readonly holdsMs: number | undefined;
  /** What the last try failed with, until the next success. */
  readonly error: unknown;
}

/** What keeping a token fresh works with. */
export interface TokenRefresherOptions {
  request(): Promise<FreshToken>;
  /** Puts a token where it is used. */
  apply(token: string): void;
  /** Changes whenever our own token does: then the server may trust none of those from before any more. */
  ownToken(): string;
  /** In place of a quarter of the lifetime, ms. */
  readonly intervalMs?: number;
  onState?(state: TokenState): void;
  readonly clock: Clock;
  readonly random: Random;
}

/** After a failure, and the least between two requests; chance adds as much again, so that nodes come apart. ms */
const RETRY_MS = 5_000;
const LOOK_MS = 1_000;
/** A token is renewed when so much of its life is over, chance adding as much again: half of it at most. */
const SHARE = 1 / 4;

/**
 * Keeps a token fresh: a new one at once, after a quarter to a half of each one's life, when our own token changes, and after failures.
 * Both clocks count, so that neither a clock that is set nor a machine that slept makes it late. Resolves when aborted.
 */
export async function keepTokenFresh(options: TokenRefresherOptions, signal: AbortSignal): Promise<void> {
  const { clock, random, intervalMs, request, apply, ownToken, onState } = options;
  let ends: Deadline | undefined;
  while (!signal.aborted) {
    const own = ownToken();
    let delay = RETRY_MS;
    let error: unknown;
    try {
      const asked = deadlineIn(clock, 0);
      const { token, lifetimeMs } = await request();
      apply(token);
      ends = { now: asked.now + lifetimeMs, wall: asked.wall + lifetimeMs };
      delay = Math.max(RETRY_MS, intervalMs ?? lifetimeMs * SHARE);
    } catch (failure) {
      error = failure;
    }
    onState?.({ holdsMs: ends && leftUntil(clock, ends), error });
    const next = deadlineIn(clock, delay * (1 + random.next()));
    while (leftUntil(clock, next) > 0 && ownToken() === own) {
      try {
        await clock.sleep(Math.min(LOOK_MS, leftUntil(clock, next)), signal);
      } catch {
        return;
      }
    }
  }
}

/** A moment on both clocks; it has come when it has on either. */
interface Deadline {
  readonly now: number;
  readonly wall: number;
}

function deadlineIn(clock: Clock, ms: number): Deadline {
  return { now: clock.now() + ms, wall: clock.wallTime() + ms };
}

function leftUntil(clock: Clock, { now, wall }: Deadline): number {
  return Math.min(now - clock.now(), wall - clock.wallTime());
}
