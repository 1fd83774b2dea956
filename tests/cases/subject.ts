import { familyOf } from '../oracle/address.ts';
import { blockAround } from './block.ts';
import type { Dice } from './dice.ts';
import { portNames, type World } from './world.ts';

/** What random policies may speak about. */
export interface Subject {
  readonly world: World;
  /** The pods' addresses, of either family. */
  readonly inside: readonly string[];
  /** Addresses of no pod. */
  readonly outside: readonly string[];
  /** The block that pod addresses come from. */
  readonly pool: string;
  readonly pool6: string;
}

/** Whether pods have addresses of the family. */
export function hasFamily({ inside }: Subject, family: 4 | 6): boolean {
  return inside.some(each => familyOf(each) === family);
}

/** A family that pods have addresses of. */
export function someFamily(dice: Dice, subject: Subject): 4 | 6 {
  return hasFamily(subject, 6) && dice.percent(40) ? 6 : 4;
}

/** An address of the family that packets use: a pod's, now and then one from outside. */
export function someAddress(dice: Dice, subject: Subject, family: 4 | 6): string {
  const [inside, outside] = [subject.inside, subject.outside].map(all => all.filter(each => familyOf(each) === family));
  return dice.pick(outside !== undefined && outside.length > 0 && dice.percent(35) ? outside : (inside ?? []));
}

/**
 * A block of the family around an address that packets use; now and then the pool or everything. The bounds of its length are
 * those of IPv4, and leave as many addresses in IPv6.
 */
export function block(dice: Dice, subject: Subject, low: number, high: number, family: 4 | 6 = 4): string {
  if (low <= 16 && dice.percent(5))
    return dice.pick(family === 4 ? [subject.pool, '0.0.0.0/0'] : [subject.pool6, '::/0']);
  const length = dice.weighted([
    [1, 32],
    [3, dice.whole(low, high)],
    [2, dice.whole(Math.max(low, 26), high)],
  ]);
  return blockAround(someAddress(dice, subject, family), family === 4 ? length : length + 96);
}

/** Port numbers from a short list, so that rules, pods and packets meet. */
export function someNumber(dice: Dice): number {
  const known = Object.values(portNames).flatMap(ports => ports.map(({ containerPort }) => containerPort));
  return dice.pick([...known, 443, 9000, 1, 65_480]);
}
