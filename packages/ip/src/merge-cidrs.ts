import { type Cidr, cidrCovers, compareCidr, maskCidr } from './cidr.ts';

/**
 * The same set of addresses in fewer prefixes: masked, those covered by another dropped, duplicates once; sorted, IPv4
 * first. Neighbouring prefixes are not joined to a wider one. O(n log n).
 */
export function mergeCidrs(list: Iterable<Cidr>): Cidr[] {
  const merged: Cidr[] = [];
  let last: Cidr | undefined;
  for (const c of Array.from(list, maskCidr).sort(compareCidr)) {
    // Sorted with the wider first, whatever covers c directly precedes it among those kept.
    if (last !== undefined && cidrCovers(last, c)) continue;
    merged.push(c);
    last = c;
  }
  return merged;
}
