/** Bookmarks from the start of the watch on that make a rhythm. */
const ENOUGH = 3;
/** So many bookmarks may be missing before a watch counts as lost, and no less time; ms. */
const MISSING = 3;
const LEAST_MS = 10_000;

/** How often a server sends bookmarks, learnt from those of one watch: the more often, the sooner its silence tells. Times in ms. */
export class BookmarkRhythm {
  #last: number;
  #longest = 0;
  #count = 0;

  /** `now`: when the watch was opened. */
  constructor(now: number) {
    this.#last = now;
  }

  bookmark(now: number): void {
    this.#longest = Math.max(this.#longest, now - this.#last);
    this.#last = now;
    this.#count++;
  }

  /** For how long nothing may come; at most `limit`. */
  silence(limit: number): number {
    if (this.#count < ENOUGH) return limit;
    return Math.min(limit, Math.max(LEAST_MS, MISSING * this.#longest));
  }
}
