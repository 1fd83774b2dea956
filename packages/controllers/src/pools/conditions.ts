import type { Condition, IPPool } from '@calico/api';
import { type Cidr, cidrsOverlap, parseCidr } from '@calico/ip';

/** What a pool's condition Allocatable says. */
export type Allocatable = Pick<Condition, 'status' | 'reason' | 'message'>;

/** The type of the condition. */
export const ALLOCATABLE = 'Allocatable';

/** The condition of a pool as it is now. */
export function allocatableOf(pool: IPPool): Condition | undefined {
  return pool.status?.conditions?.find(({ type }) => type === ALLOCATABLE);
}

/**
 * Which pools give out addresses, by name. Of pools that overlap the first has the addresses: one that gives out already
 * before those that end, that are disabled, that are new; then the older, then by name. Pure.
 */
export function allocatablePools(pools: Iterable<IPPool>): Map<string, Allocatable> {
  const holders: { readonly name: string; readonly cidr: Cidr }[] = [];
  const result = new Map<string, Allocatable>();
  for (const pool of [...pools].sort(byPrecedence)) {
    const { name } = pool.metadata;
    const cidr = parseCidr(pool.spec.cidr);
    if (cidr === undefined) continue;
    const other = holders.find(holder => cidrsOverlap(holder.cidr, cidr));
    if (other === undefined) holders.push({ name, cidr });
    result.set(name, verdict(pool, other?.name));
  }
  return result;
}

function verdict(pool: IPPool, other: string | undefined): Allocatable {
  const no = (reason: string, message: string): Allocatable => ({ status: 'False', reason, message });
  if (pool.metadata.deletionTimestamp !== undefined) return no('Terminating', 'The pool is being deleted.');
  if (other !== undefined) return no('CIDROverlap', `The pool overlaps IPPool "${other}".`);
  if (pool.spec.disabled === true) return no('PoolDisabled', 'The pool is disabled.');
  return { status: 'True', reason: 'OK', message: 'The pool gives out addresses.' };
}

function byPrecedence(a: IPPool, b: IPPool): number {
  const keys = (pool: IPPool): (number | string)[] => {
    const rank =
      pool.metadata.deletionTimestamp !== undefined
        ? 1
        : allocatableOf(pool)?.status === 'True'
          ? 0
          : pool.spec.disabled === true
            ? 2
            : 3;
    return [rank, pool.metadata.creationTimestamp ?? '', pool.metadata.name];
  };
  const [left, right] = [keys(a), keys(b)];
  for (const [i, one] of left.entries()) {
    const other = right[i] ?? '';
    if (one !== other) return one < other ? -1 : 1;
  }
  return 0;
}
