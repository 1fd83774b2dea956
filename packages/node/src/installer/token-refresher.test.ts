import { expect, test } from 'bun:test';
import { ClockFake, seededRandom } from '@calico/reconcile';
import { keepTokenFresh, type TokenState } from './token-refresher.ts';

const hour = 3_600_000;
const day = 24 * hour;

/** A server that gives tokens of a day, in which the plugin's is looked at. */
class Desk {
  readonly clock = new ClockFake();
  readonly stop = new AbortController();
  readonly requests: number[] = [];
  readonly states: TokenState[] = [];
  lifetimeMs: number;
  fails = 0;
  own = 'first';
  applyFails = false;
  /** When the token that is in place was made. */
  made = Number.NaN;
  readonly done: Promise<void>;

  constructor({
    intervalMs,
    seed = 1,
    lifetimeMs = day,
  }: { intervalMs?: number; seed?: number; lifetimeMs?: number } = {}) {
    this.lifetimeMs = lifetimeMs;
    this.done = keepTokenFresh(
      {
        request: async () => {
          this.requests.push(this.clock.now());
          if (this.fails > 0) {
            this.fails--;
            throw new Error('the server is away');
          }
          return { token: String(this.clock.now()), lifetimeMs: this.lifetimeMs };
        },
        apply: token => {
          if (this.applyFails) throw new Error('the disk is full');
          this.made = Number(token);
        },
        ownToken: () => this.own,
        ...(intervalMs === undefined ? {} : { intervalMs }),
        onState: state => this.states.push(state),
        clock: this.clock,
        random: seededRandom(seed),
      },
      this.stop.signal,
    );
  }

  /** The time that each request came after the one before it. */
  get gaps(): number[] {
    return this.requests.slice(1).map((at, i) => at - (this.requests[i] ?? 0));
  }
}

test('a token is asked for at once, then after a quarter to a half of its life, and never is an old one in place', async () => {
  for (const seed of [1, 2, 3]) {
    const desk = new Desk({ seed, lifetimeMs: hour });
    await desk.clock.advance(0);
    expect(desk.made).toBe(0);
    for (let minutes = 0; minutes < 240; minutes += 5) {
      await desk.clock.advance(5 * 60_000);
      expect(desk.clock.now() - desk.made).toBeLessThanOrEqual(hour / 2 + 1_000);
    }
    expect(desk.gaps.length).toBeGreaterThan(7);
    for (const gap of desk.gaps) {
      expect(gap).toBeGreaterThanOrEqual(hour / 4);
      expect(gap).toBeLessThanOrEqual(hour / 2 + 1_000);
    }
    desk.stop.abort();
    await desk.done;
  }
});

test('a failure is tried again after five to ten seconds, and the token in place is told to hold meanwhile', async () => {
  const desk = new Desk();
  await desk.clock.advance(0);
  desk.fails = 3;
  await desk.clock.advance(13 * hour);
  const [first = 0, ...retries] = desk.gaps;
  expect(first).toBeGreaterThanOrEqual(day / 4);
  expect(retries.slice(0, 3).every(gap => gap >= 5_000 && gap <= 11_000)).toBe(true);
  const failed = desk.states.filter(({ error }) => error !== undefined);
  expect(failed).toHaveLength(3);
  expect(failed.every(({ holdsMs = 0 }) => holdsMs > day / 3)).toBe(true);
  expect(desk.states.at(-1)?.error).toBeUndefined();
});

test('a token that can’t be put in place counts as a failure', async () => {
  const desk = new Desk();
  desk.applyFails = true;
  await desk.clock.advance(60_000);
  expect(desk.requests.length).toBeGreaterThan(4);
  desk.applyFails = false;
  await desk.clock.advance(11_000);
  expect(desk.clock.now() - desk.made).toBeLessThanOrEqual(11_000);
});

test('a new token of our own has the plugin’s renewed within a second, also while failures are waited out', async () => {
  const desk = new Desk();
  await desk.clock.advance(hour);
  expect(desk.requests).toEqual([0]);
  desk.own = 'second';
  await desk.clock.advance(1_000);
  expect(desk.made).toBeGreaterThanOrEqual(hour);
  desk.fails = 1;
  desk.own = 'third';
  await desk.clock.advance(1_000);
  const count = desk.requests.length;
  desk.own = 'fourth';
  await desk.clock.advance(1_000);
  expect(desk.requests.length).toBe(count + 1);
});

test('a clock that is set back does not make it late, one that is set forward, or a machine that slept, has it renewed', async () => {
  const desk = new Desk();
  await desk.clock.advance(hour);
  desk.clock.setWallTime(0);
  await desk.clock.advance(day / 2);
  expect(desk.requests.length).toBeGreaterThan(1);
  const before = desk.requests.length;
  desk.clock.setWallTime(desk.clock.wallTime() + day);
  await desk.clock.advance(1_000);
  expect(desk.requests.length).toBe(before + 1);
});

test('short tokens are not asked for without end, and a given interval is kept', async () => {
  const short = new Desk({ lifetimeMs: 1_000 });
  await short.clock.advance(60_000);
  expect(short.gaps.every(gap => gap >= 5_000)).toBe(true);
  const given = new Desk({ intervalMs: 60_000 });
  await given.clock.advance(hour);
  expect(given.gaps.every(gap => gap >= 60_000 && gap <= 121_000)).toBe(true);
});

test('it ends when it is told to, with no timer left', async () => {
  const desk = new Desk();
  await desk.clock.advance(1);
  desk.stop.abort();
  await desk.done;
  expect(desk.clock.timers).toBe(0);
});
