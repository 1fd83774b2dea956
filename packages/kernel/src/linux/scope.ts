import type { Scope } from '../kernel.ts';

// linux/rtnetlink.h enum rt_scope_t
const numberByName = { universe: 0, site: 200, link: 253, host: 254, nowhere: 255 } as const;

const nameByNumber = new Map<number, Scope>(
  Object.entries(numberByName).map(([name, number]) => [number, name as keyof typeof numberByName]),
);

/** The number of a scope, the inverse of the name. linux/rtnetlink.h enum rt_scope_t */
export function scopeNumber(scope: Scope): number {
  return typeof scope === 'number' ? scope : numberByName[scope];
}

/** The scope's name, or the number itself where it has none. */
export function scopeName(number: number): Scope {
  return nameByNumber.get(number) ?? number;
}
