import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { SelectorError } from './error.ts';
import type { Labels } from './labels.ts';
import { renameLabels, type SelectorNode } from './node.ts';
import { printSelector } from './print.ts';
import { parseSelector, selectorOf, validateSelector } from './selector.ts';
import { anyNode, crowdedLabels, crowdedNode } from './testing.ts';

const normalForms = [
  { text: '', want: 'all()' },
  { text: ' \t', want: 'all()' },
  { text: 'all( )', want: 'all()' },
  { text: 'global()', want: 'global()' },
  { text: 'has( a )', want: 'has(a)' },
  { text: "a=='x'", want: 'a == "x"' },
  { text: 'a == \'say "x"\'', want: 'a == \'say "x"\'' },
  { text: 'a != "it\'s"', want: 'a != "it\'s"' },
  { text: 'a contains"x"', want: 'a contains "x"' },
  { text: 'a startswith "x"', want: 'a starts with "x"' },
  { text: 'a starts \t with "x"', want: 'a starts with "x"' },
  { text: 'a endswith "x"', want: 'a ends with "x"' },
  { text: 'a ends with "x"', want: 'a ends with "x"' },
  { text: "a in{'y',\"x\",'y',}", want: 'a in {"x", "y"}' },
  { text: 'a in {}', want: 'a in {}' },
  { text: 'a notin {"x"}', want: 'a not in {"x"}' },
  { text: 'a in {"😀", "\uffee"}', want: 'a in {"\uffee", "😀"}' },
  { text: '!!has(a)', want: 'has(a)' },
  { text: '! ! !has(a)', want: '!has(a)' },
  { text: '!(!has(a))', want: 'has(a)' },
  { text: '((has(a)))', want: 'has(a)' },
  { text: 'has(a)&&has(b)', want: '(has(a) && has(b))' },
  { text: 'has(a) || has(b) && !has(c)', want: '(has(a) || (has(b) && !has(c)))' },
  { text: '(has(a) || has(b)) && has(c)', want: '((has(a) || has(b)) && has(c))' },
  { text: 'has(a) && (has(b) && has(c))', want: '(has(a) && (has(b) && has(c)))' },
  { text: 'in in {"in"}', want: 'in in {"in"}' },
  { text: 'not not in {"x"}', want: 'not not in {"x"}' },
  { text: 'has == "x" && all != "y"', want: '(has == "x" && all != "y")' },
  { text: 'contains contains "x"', want: 'contains contains "x"' },
  { text: 'projectcalico.org/namespace == "ns-1"', want: 'projectcalico.org/namespace == "ns-1"' },
];

describe('the normal form', () => {
  for (const { text, want } of normalForms) {
    test(`of <${text}>`, () => {
      expect(parseSelector(text).text).toBe(want);
      expect(parseSelector(want).text).toBe(want);
    });
  }

  test('of any tree is read back to that tree', () => {
    fc.assert(
      fc.property(anyNode, node => expect(parseSelector(printSelector(node)).node).toEqual(node)),
      { numRuns: 500 },
    );
  });

  test('cannot hold a value with both kinds of quotes', () => {
    expect(() => printSelector({ kind: 'equals', label: 'a', value: '\'"' })).toThrow(SelectorError);
  });
});

const errors = [
  { text: 'a == "x', reason: 'unterminated string', position: 5 },
  { text: 'a = "x"', reason: 'expected ==', position: 2 },
  { text: 'has(a) & has(b)', reason: 'expected &&', position: 7 },
  { text: 'has(a) | has(b)', reason: 'expected ||', position: 7 },
  { text: 'a', reason: 'expected operator after label "a"', position: 1 },
  { text: 'a like "x"', reason: 'expected operator after label "a"', position: 2 },
  { text: 'a starts "x"', reason: 'expected operator after label "a"', position: 2 },
  { text: 'has (a)', reason: 'expected operator after label "has"', position: 4 },
  { text: 'all ()', reason: 'expected operator after label "all"', position: 4 },
  { text: 'any()', reason: 'expected operator after label "any"', position: 3 },
  { text: 'has()', reason: 'expected identifier', position: 4 },
  { text: '"a" == "x"', reason: 'expected identifier', position: 0 },
  { text: '!', reason: 'expected identifier', position: 1 },
  { text: 'has(a) &&', reason: 'expected identifier', position: 9 },
  { text: 'has(a)\n', reason: 'unexpected content at end of selector "\n"', position: 6 },
  { text: 'a == x', reason: 'expected string', position: 5 },
  { text: 'a == ', reason: 'expected string', position: 5 },
  { text: 'a in "x"', reason: 'expected set literal', position: 5 },
  { text: 'a in {"x" "y"}', reason: 'expected }', position: 10 },
  { text: 'a in {,}', reason: 'expected }', position: 6 },
  { text: 'has(a', reason: 'expected )', position: 5 },
  { text: 'has(a b)', reason: 'expected )', position: 6 },
  { text: 'all(a)', reason: 'expected )', position: 4 },
  { text: '(has(a)', reason: 'expected )', position: 7 },
  { text: 'has(a) has(b)', reason: 'unexpected content at end of selector "has(b)"', position: 7 },
  { text: 'has(a))', reason: 'unexpected content at end of selector ")"', position: 6 },
  { text: `has(${'a'.repeat(513)})`, reason: 'label is longer than 512 bytes', position: 4 },
  { text: `${'('.repeat(1025)}`, reason: 'more than 1024 nested parentheses', position: 1024 },
];

describe('parseSelector refuses', () => {
  for (const { text, reason, position } of errors) {
    test(`<${text.slice(0, 40)}>: ${reason}`, () => {
      let caught: unknown;
      try {
        parseSelector(text);
      } catch (error) {
        caught = error;
      }
      expect(caught).toBeInstanceOf(SelectorError);
      expect(caught).toMatchObject({ reason, position });
      expect(validateSelector(text)).toBe(`Cannot parse selector "${text}": ${reason} at position ${position}`);
    });
  }
});

test('validateSelector finds nothing wrong with a selector', () => {
  expect(validateSelector(`has(${'a'.repeat(512)})`)).toBeUndefined();
});

describe('evaluate', () => {
  const truth: { text: string; yes: Labels[]; no: Labels[] }[] = [
    { text: '', yes: [{}, { a: 'x' }], no: [] },
    { text: 'global()', yes: [{}], no: [] },
    { text: 'has(a)', yes: [{ a: '' }], no: [{}, { b: 'x' }] },
    { text: 'has(constructor)', yes: [Object.fromEntries([['constructor', 'x']])], no: [{}] },
    { text: 'a == "x"', yes: [{ a: 'x' }], no: [{}, { a: 'X' }, { a: '' }] },
    { text: 'a == ""', yes: [{ a: '' }], no: [{}] },
    { text: 'a != "x"', yes: [{}, { a: 'y' }], no: [{ a: 'x' }] },
    { text: 'a contains "b"', yes: [{ a: 'abc' }], no: [{}, { a: 'ac' }] },
    { text: 'a contains ""', yes: [{ a: '' }], no: [{}] },
    { text: 'a starts with "ab"', yes: [{ a: 'abc' }], no: [{}, { a: 'cab' }] },
    { text: 'a ends with "ab"', yes: [{ a: 'cab' }], no: [{}, { a: 'abc' }] },
    { text: 'a in {"x", "y"}', yes: [{ a: 'x' }, { a: 'y' }], no: [{}, { a: 'z' }] },
    { text: 'a in {}', yes: [], no: [{}, { a: '' }] },
    { text: 'a not in {"x", "y"}', yes: [{}, { a: 'z' }], no: [{ a: 'x' }] },
    { text: 'a not in {}', yes: [{}, { a: 'z' }], no: [] },
    { text: '!(a == "x" || has(b))', yes: [{}, { a: 'y' }], no: [{ a: 'x' }, { b: '' }] },
    { text: 'has(a) && has(b) && has(c)', yes: [{ a: '', b: '', c: '' }], no: [{ a: '', b: '' }] },
    { text: 'has(a) || has(b) || has(c)', yes: [{ c: '' }], no: [{}] },
  ];
  for (const { text, yes, no } of truth) {
    test(`<${text}>`, () => {
      const selector = parseSelector(text);
      for (const labels of yes) expect(selector.evaluate(labels)).toBe(true);
      for (const labels of no) expect(selector.evaluate(labels)).toBe(false);
    });
  }

  test('agrees with the plain reading of the tree, for objects and for lookups', () => {
    fc.assert(
      fc.property(crowdedNode, crowdedLabels, (node, labels) => {
        const selector = selectorOf(node);
        const want = plainly(node, new Map(Object.entries(labels)));
        expect(selector.evaluate(labels)).toBe(want);
        expect(selector.evaluateLookup(key => (Object.hasOwn(labels, key) ? labels[key] : undefined))).toBe(want);
      }),
      { numRuns: 500 },
    );
  });
});

/** What the documents say a tree means, written once more. */
function plainly(node: SelectorNode, labels: ReadonlyMap<string, string>): boolean {
  const value = 'label' in node ? labels.get(node.label) : undefined;
  switch (node.kind) {
    case 'all':
    case 'global':
      return true;
    case 'has':
      return value !== undefined;
    case 'equals':
      return value === node.value;
    case 'notEquals':
      return value !== node.value;
    case 'contains':
      return value?.includes(node.value) ?? false;
    case 'startsWith':
      return value?.startsWith(node.value) ?? false;
    case 'endsWith':
      return value?.endsWith(node.value) ?? false;
    case 'in':
      return value !== undefined && node.values.includes(value);
    case 'notIn':
      return value === undefined || !node.values.includes(value);
    case 'not':
      return !plainly(node.operand, labels);
    case 'and':
      return node.operands.every(operand => plainly(operand, labels));
    case 'or':
      return node.operands.some(operand => plainly(operand, labels));
  }
}

test('parseSelector gives the same object for text it knows', () => {
  expect(parseSelector('a == "cached"')).toBe(parseSelector('a == "cached"'));
});

test('ids are equal exactly when normal forms are', () => {
  expect(parseSelector("a  ==  'x'").id).toBe(parseSelector('a == "x"').id);
  expect(parseSelector('a == "x"').id).not.toBe(parseSelector('a == "y"').id);
});

test('renameLabels reaches every label', () => {
  const { node } = parseSelector('has(a) && !(b == "x" || c in {"y"}) && all()');
  expect(printSelector(renameLabels(node, label => `pcns.${label}`))).toBe(
    '(has(pcns.a) && !(pcns.b == "x" || pcns.c in {"y"}) && all())',
  );
});
