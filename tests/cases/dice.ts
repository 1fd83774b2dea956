/**
 * Chance from a seed: the same seed gives the same throws for ever. The generator is the one known as splitmix32: a
 * counter that goes up by the golden ratio, each value stirred by two multiplications.
 */
export class Dice {
  private state: number;

  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  /** A number from 0 up to, not including, 1. */
  next(): number {
    this.state = (this.state + 0x9e3779b9) >>> 0;
    let mixed = this.state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  }

  /** A whole number from low to high, both included. */
  whole(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  /** True so many times in a hundred. */
  percent(share: number): boolean {
    return this.next() * 100 < share;
  }

  /** One of the items. Throws when there are none. */
  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new Error('Cannot pick: items is empty; allowed: at least one');
    return items[this.whole(0, items.length - 1)] as T;
  }

  /** Some of the items, at least `low`, at most `high`, each once, in their order. */
  some<T>(items: readonly T[], low: number, high: number): T[] {
    const count = Math.min(items.length, this.whole(low, high));
    const left = items.map((_, index) => index);
    const chosen = Array.from({ length: count }, () => left.splice(this.whole(0, left.length - 1), 1)[0]);
    return items.filter((_, index) => chosen.includes(index));
  }

  /** One of the choices, each as likely as its weight says. */
  weighted<T>(choices: readonly (readonly [weight: number, value: T])[]): T {
    let left = this.next() * choices.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, value] of choices) {
      left -= weight;
      if (left < 0) return value;
    }
    return this.pick(choices)[1];
  }

  /** So many results, made one after another. */
  times<T>(count: number, make: (index: number) => T): T[] {
    return Array.from({ length: count }, (_, index) => make(index));
  }
}
