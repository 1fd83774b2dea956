/** A selector as data. Values of `in` and `notIn` are sorted by code point and unique. */
export type SelectorNode =
  | { readonly kind: 'all' }
  | { readonly kind: 'global' }
  | { readonly kind: 'has'; readonly label: string }
  | { readonly kind: ValueOperator; readonly label: string; readonly value: string }
  | { readonly kind: SetOperator; readonly label: string; readonly values: readonly string[] }
  | { readonly kind: 'not'; readonly operand: SelectorNode }
  | { readonly kind: 'and' | 'or'; readonly operands: readonly SelectorNode[] };

export type ValueOperator = 'equals' | 'notEquals' | 'contains' | 'startsWith' | 'endsWith';
export type SetOperator = 'in' | 'notIn';

/** The values of a set literal in normal form: sorted by code point (the order of their UTF-8 bytes), each once. */
export function sortedValues(values: readonly string[]): string[] {
  return [...new Set(values)].sort(compareCodePoints);
}

function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return surrogatesLast(x) - surrogatesLast(y);
  }
  return a.length - b.length;
}

/** A UTF-16 unit moved so that surrogates (code points from U+10000) come after all others. */
function surrogatesLast(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

/** The negation of a node; a double negation is taken away. */
export function negate(node: SelectorNode): SelectorNode {
  return node.kind === 'not' ? node.operand : { kind: 'not', operand: node };
}

/** The same selector with every label name replaced, as when namespace labels become `pcns.<name>`. */
export function renameLabels(node: SelectorNode, rename: (label: string) => string): SelectorNode {
  switch (node.kind) {
    case 'all':
    case 'global':
      return node;
    case 'not':
      return { kind: 'not', operand: renameLabels(node.operand, rename) };
    case 'and':
    case 'or':
      return { kind: node.kind, operands: node.operands.map(operand => renameLabels(operand, rename)) };
    default:
      return { ...node, label: rename(node.label) };
  }
}
