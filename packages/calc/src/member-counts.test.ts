import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { MemberCounts } from './member-counts.ts';

test('MemberCounts tells the first and the last source of each member, in any order of coming and going', () => {
  const member = fc.constantFrom(1, 2, '10.0.0.0/8', '10.0.0.1,tcp:80');
  fc.assert(
    fc.property(fc.array(fc.tuple(member, fc.boolean())), steps => {
      const counts = new MemberCounts();
      const wanted = new Map<number | string, number>();
      for (const [key, comes] of steps) {
        const before = wanted.get(key) ?? 0;
        if (!comes && before === 0) {
          expect(() => counts.remove(key)).toThrow('its count is 0');
          continue;
        }
        const after = before + (comes ? 1 : -1);
        if (after === 0) wanted.delete(key);
        else wanted.set(key, after);
        expect(comes ? counts.add(key) : counts.remove(key)).toBe(comes ? before === 0 : after === 0);
        expect(counts.count(key)).toBe(after);
      }
      expect([...counts.keys()].sort()).toEqual([...wanted.keys()].sort());
      expect(counts.size).toBe(wanted.size);
    }),
  );
});
