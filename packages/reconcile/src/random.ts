/** Chance as an argument: programs hand in the real one, tests a seeded one. */
export interface Random {
  /** A number from 0 up to but not including 1. */
  next(): number;
}

/** Numbers that only look random: equal for equal seeds (Tommy Ettinger's mulberry32, public domain). */
export function seededRandom(seed: number): Random {
  let state = seed | 0;
  return {
    next() {
      state = (state + 0x6d2b79f5) | 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    },
  };
}

/** A whole number from 0 up to but not including a bound. */
export function randomInt(random: Random, bound: number): number {
  return Math.floor(random.next() * bound);
}
