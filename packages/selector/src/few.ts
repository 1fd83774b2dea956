/**
 * None, one or several things, each once. A Set costs 200 bytes even with one member, and where there is one per label
 * value, namespace or policy, most have one.
 */
export type Few<T extends object> = undefined | T | Set<T>;

/** With one more. */
export function addToFew<T extends object>(few: Few<T>, member: T): Few<T> {
  if (few === undefined || few === member) return member;
  if (few instanceof Set) return few.add(member);
  return new Set([few, member]);
}

/** Without one, if it is there. */
export function removeFromFew<T extends object>(few: Few<T>, member: T): Few<T> {
  if (few === member) return undefined;
  if (!(few instanceof Set)) return few;
  few.delete(member);
  return few.size === 0 ? undefined : few;
}

/** Whether it is among them. */
export function fewHas<T extends object>(few: Few<T>, member: T): boolean {
  return few === member || (few instanceof Set && few.has(member));
}

/** All of them. */
export function membersOfFew<T extends object>(few: Few<T>): Iterable<T> {
  if (few === undefined) return [];
  return few instanceof Set ? few : [few];
}

/** How many there are. */
export function countOfFew<T extends object>(few: Few<T>): number {
  if (few === undefined) return 0;
  return few instanceof Set ? few.size : 1;
}
