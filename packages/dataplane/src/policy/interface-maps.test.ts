import { beforeEach, expect, test } from 'bun:test';
import fc from 'fast-check';
import { bytesKey } from './address-sets.ts';
import { interfaceNameBytes } from './expressions.ts';
import { InterfaceMaps } from './interface-maps.ts';
import { markKey } from './lookup/numbers.ts';
import { workloadLinkMap, workloadLinkSet, workloadMap } from './names.ts';
import { Ruleset } from './ruleset.ts';

let ruleset: Ruleset;
let maps: InterfaceMaps;

beforeEach(() => {
  ruleset = new Ruleset();
  maps = new InterfaceMaps(ruleset, (id, direction, family) => (family === 6 ? undefined : `${direction} of ${id}`));
});

const elementsOf = (set: string) => ruleset.sets.get(set)?.elements ?? new Map<string, string>();
const byName = (name: string) => elementsOf(workloadMap('ingress', 4)).get(bytesKey(interfaceNameBytes(name)));
const byIndex = (index: number) => elementsOf(workloadLinkMap('ingress', 4)).get(markKey(index));
const isWorkloads = (index: number) => elementsOf(workloadLinkSet).has(markKey(index));

test('an interface is found by its name, and by its index as soon as that is known', () => {
  maps.claim('calia', 'default/a');
  maps.write();
  expect([byName('calia'), byIndex(7)]).toEqual(['ingress of default/a', undefined]);
  maps.linkIs('calia', 7);
  maps.write();
  expect([byName('calia'), byIndex(7), isWorkloads(7)]).toEqual(['ingress of default/a', 'ingress of default/a', true]);
  expect(elementsOf(workloadLinkMap('ingress', 6)).size).toBe(0);
});

test('an interface keeps its chains under a name that nobody claims', () => {
  maps.claim('calia', 'default/a');
  maps.linkIs('calia', 7);
  maps.linkIs('elsewhere0', 7);
  maps.write();
  expect(byIndex(7)).toBe('ingress of default/a');
});

test.each([
  { name: 'has gone', change: () => maps.linkGone(7) },
  { name: 'belongs to no endpoint any more', change: () => maps.leave('calia', 'default/a') },
  { name: 'has been made anew', change: () => maps.linkIs('calia', 8) },
])('an interface that $name leaves nothing under its index', ({ change }) => {
  maps.claim('calia', 'default/a');
  maps.linkIs('calia', 7);
  maps.write();
  change();
  maps.write();
  expect([byIndex(7), isWorkloads(7)]).toEqual([undefined, false]);
});

test('after any changes each index leads where the name leads that it was last seen with', () => {
  const names = ['calia', 'calib', 'elsewhere0'];
  const step = fc.record({
    what: fc.constantFrom('claim', 'leave', 'link', 'gone', 'write'),
    name: fc.constantFrom(...names),
    index: fc.integer({ min: 1, max: 3 }),
  });
  const property = fc.property(fc.array(step, { maxLength: 40 }), steps => {
    ruleset = new Ruleset();
    maps = new InterfaceMaps(ruleset, (id, direction) => `${direction} of ${id}`);
    const claimed = new Set<string>();
    const links = new Map<string, number>();
    const forget = (index: number) => {
      for (const [name, known] of links) if (known === index) links.delete(name);
    };
    // A name loses its index with its last endpoint, at the next write.
    const wrote = () => {
      for (const name of links.keys()) if (!claimed.has(name)) links.delete(name);
    };
    for (const { what, name, index } of steps) {
      if (what === 'claim') {
        maps.claim(name, name);
        claimed.add(name);
      } else if (what === 'leave') {
        maps.leave(name, name);
        claimed.delete(name);
      } else if (what === 'link') {
        maps.linkIs(name, index);
        if (claimed.has(name)) {
          forget(index);
          links.set(name, index);
        }
      } else if (what === 'gone') {
        maps.linkGone(index);
        forget(index);
      } else {
        maps.write();
        wrote();
      }
    }
    maps.write();
    wrote();
    for (const name of names) expect(byName(name)).toBe(claimed.has(name) ? `ingress of ${name}` : undefined);
    for (const index of [1, 2, 3]) {
      const name = [...links].find(([, known]) => known === index)?.[0];
      expect([byIndex(index), isWorkloads(index)]).toEqual([name && `ingress of ${name}`, name !== undefined]);
    }
  });
  fc.assert(property, { numRuns: 500, seed: 1 });
});
