import fc from 'fast-check';
import type { Labels } from './labels.ts';
import { negate, type SelectorNode, sortedValues } from './node.ts';

const awkwardLabel = fc.constantFrom('a', 'b', 'in', 'not', 'has', 'all', 'contains', 'x.y/z-1_2', 'constructor');
const anyValue = fc.oneof(
  fc.constantFrom('', 'x', 'xy', 'yx', 'a b', 'ü', '\uffee', '😀'),
  fc.string({ unit: 'grapheme', maxLength: 6 }).map(text => text.replaceAll('"', '')),
  fc.constantFrom('say "x"', '"'),
);

/** Trees over a few labels and values, as the parser makes them; `label` and `value` say which. */
export function nodes(label: fc.Arbitrary<string>, value: fc.Arbitrary<string>): fc.Arbitrary<SelectorNode> {
  const values = fc.array(value, { maxLength: 3 }).map(sortedValues);
  const leaf: fc.Arbitrary<SelectorNode> = fc.oneof(
    fc.record({ kind: fc.constantFrom('all', 'global') }),
    fc.record({ kind: fc.constant('has'), label }),
    fc.record({ kind: fc.constantFrom('equals', 'notEquals', 'contains', 'startsWith', 'endsWith'), label, value }),
    fc.record({ kind: fc.constant('equals'), label, value }),
    fc.record({ kind: fc.constantFrom('in', 'notIn'), label, values }),
  );
  const { tree } = fc.letrec<{ tree: SelectorNode }>(tie => ({
    tree: fc.oneof(
      { maxDepth: 3 },
      leaf,
      tie('tree').map(negate),
      fc.record({
        kind: fc.constantFrom('and', 'or'),
        operands: fc.array(tie('tree'), { minLength: 2, maxLength: 3 }),
      }),
    ),
  }));
  return tree;
}

/** Trees with every awkward name and value. */
export const anyNode: fc.Arbitrary<SelectorNode> = nodes(awkwardLabel, anyValue);

const fewLabels = fc.constantFrom('a', 'b', 'c', 'constructor');
const fewValues = fc.constantFrom('', 'x', 'y', 'xy');

/** Trees over so few names and values that they often match `crowdedLabels`. */
export const crowdedNode: fc.Arbitrary<SelectorNode> = nodes(fewLabels, fewValues);

/** Labels over few names and values. */
export const crowdedLabels: fc.Arbitrary<Labels> = fc.dictionary(fewLabels, fewValues, {
  maxKeys: 3,
  noNullPrototype: true,
});
