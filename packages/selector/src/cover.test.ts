import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { type Atom, coverOf } from './cover.ts';
import { parseSelector, selectorOf } from './selector.ts';
import { crowdedLabels, crowdedNode } from './testing.ts';

const cost = (atom: Atom) => (atom.value === undefined ? 10 : atom.label.length);
const printAtom = ({ label, value }: Atom) => (value === undefined ? label : `${label}=${value}`);

const cases = [
  { text: 'all()', want: undefined },
  { text: '!all()', want: [] },
  { text: 'a == "x"', want: ['a=x'] },
  { text: 'a != "x"', want: undefined },
  { text: '!(a != "x")', want: ['a=x'] },
  { text: 'a in {"x", "y"}', want: ['a=x', 'a=y'] },
  { text: 'a in {}', want: [] },
  { text: 'a not in {"x"}', want: undefined },
  { text: '!(a not in {"x"})', want: ['a=x'] },
  { text: 'has(a)', want: ['a'] },
  { text: 'a starts with "x"', want: ['a'] },
  { text: '!has(a)', want: undefined },
  { text: 'a == "x" || bb == "y"', want: ['a=x', 'bb=y'] },
  { text: 'a == "x" || bb != "y"', want: undefined },
  { text: 'bb == "x" && a == "y" && has(c)', want: ['a=y'] },
  { text: 'has(a) && !has(b)', want: ['a'] },
  { text: '!(a != "x" || bb != "y")', want: ['a=x'] },
  { text: '!(a != "x" && bb != "y")', want: ['a=x', 'bb=y'] },
];

for (const { text, want } of cases) {
  test(`the cover of <${text}> is ${want === undefined ? 'unknown' : `[${want}]`}`, () => {
    expect(coverOf(parseSelector(text).node, cost)?.map(printAtom)).toEqual(want);
  });
}

test('whatever a selector is true for meets an atom of its cover', () => {
  fc.assert(
    fc.property(crowdedNode, crowdedLabels, (node, labels) => {
      const cover = coverOf(node, cost);
      if (cover === undefined || !selectorOf(node).evaluate(labels)) return;
      const met = cover.some(({ label, value }) =>
        value === undefined ? Object.hasOwn(labels, label) : Object.hasOwn(labels, label) && labels[label] === value,
      );
      expect(met).toBe(true);
    }),
    { numRuns: 500 },
  );
});
