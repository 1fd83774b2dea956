import type { NetKey } from './net-key.ts';

/** A member of a set: a CIDR, or `address,protocol:port`. */
export type MemberKey = NetKey;

/** How many sources give each member. Nearly every member is given once, so that only the others are counted. */
export class MemberCounts {
  readonly #members = new Set<MemberKey>();
  /** Counts above 1. */
  #counts: Map<MemberKey, number> | undefined;

  /** One more source; gives whether it is the first. */
  add(member: MemberKey): boolean {
    const before = this.#members.size;
    if (this.#members.add(member).size > before) return true;
    this.#counts ??= new Map();
    this.#counts.set(member, (this.#counts.get(member) ?? 1) + 1);
    return false;
  }

  /** One source less; gives whether it was the last. Throws when there is none. */
  remove(member: MemberKey): boolean {
    const count = this.#counts?.get(member);
    if (count === undefined) {
      if (!this.#members.delete(member)) throw new Error(`Cannot count down member ${member}: its count is 0`);
      return true;
    }
    if (count > 2) this.#counts?.set(member, count - 1);
    else this.#counts?.delete(member);
    return false;
  }

  keys(): IterableIterator<MemberKey> {
    return this.#members.keys();
  }

  count(member: MemberKey): number {
    return this.#counts?.get(member) ?? (this.#members.has(member) ? 1 : 0);
  }

  get size(): number {
    return this.#members.size;
  }
}
