import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { addToFew, countOfFew, type Few, fewHas, membersOfFew, removeFromFew } from './few.ts';

test('Few holds each once, whatever comes and goes', () => {
  const things = [{ n: 0 }, { n: 1 }, { n: 2 }];
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom(...things), fc.boolean())), steps => {
      let few: Few<(typeof things)[number]>;
      const wanted = new Set<(typeof things)[number]>();
      for (const [thing, comes] of steps) {
        few = comes ? addToFew(few, thing) : removeFromFew(few, thing);
        if (comes) wanted.add(thing);
        else wanted.delete(thing);
        expect([...membersOfFew(few)]).toEqual([...wanted]);
        expect(countOfFew(few)).toBe(wanted.size);
        expect(few === undefined).toBe(wanted.size === 0);
        for (const each of things) expect(fewHas(few, each)).toBe(wanted.has(each));
      }
    }),
  );
});
