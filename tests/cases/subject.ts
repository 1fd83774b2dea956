import { blockAround } from './block.ts';
import type { Dice } from './dice.ts';
import { portNames, type World } from './world.ts';

/** What random policies may speak about. */
export interface Subject {
  readonly world: World;
  /** The pods' addresses. */
  readonly inside: readonly string[];
  /** Addresses of no pod. */
  readonly outside: readonly string[];
  /** The block that pod addresses come from. */
  readonly pool: string;
}

/** An address that packets use: a pod's, now and then one from outside. */
export function someAddress(dice: Dice, { inside, outside }: Subject): string {
  return dice.pick(outside.length > 0 && dice.percent(35) ? outside : inside);
}

/** A block of a length in these bounds around an address that packets use; now and then the pool or everything. */
export function block(dice: Dice, subject: Subject, low: number, high: number): string {
  if (low <= 16 && dice.percent(5)) return dice.pick([subject.pool, '0.0.0.0/0']);
  return blockAround(
    someAddress(dice, subject),
    dice.weighted([
      [1, 32],
      [3, dice.whole(low, high)],
      [2, dice.whole(Math.max(low, 26), high)],
    ]),
  );
}

/** Port numbers from a short list, so that rules, pods and packets meet. */
export function someNumber(dice: Dice): number {
  const known = Object.values(portNames).flatMap(ports => ports.map(({ containerPort }) => containerPort));
  return dice.pick([...known, 443, 9000, 1, 65_480]);
}
