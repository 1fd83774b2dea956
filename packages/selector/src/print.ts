import { SelectorError } from './error.ts';
import type { SelectorNode, SetOperator, ValueOperator } from './node.ts';

const OPERATORS: Readonly<Record<ValueOperator | SetOperator, string>> = {
  equals: '==',
  notEquals: '!=',
  contains: 'contains',
  startsWith: 'starts with',
  endsWith: 'ends with',
  in: 'in',
  notIn: 'not in',
};

/**
 * Prints a tree in normal form, from which ids are made: double quotes unless the value has one, sets sorted, `&&` and
 * `||` in parentheses. `parseNode` gives the tree back. Throws SelectorError for a value with both kinds of quotes,
 * which the language cannot write.
 */
export function printSelector(node: SelectorNode): string {
  switch (node.kind) {
    case 'all':
    case 'global':
      return `${node.kind}()`;
    case 'has':
      return `has(${node.label})`;
    case 'not':
      return `!${printSelector(node.operand)}`;
    case 'and':
      return `(${node.operands.map(printSelector).join(' && ')})`;
    case 'or':
      return `(${node.operands.map(printSelector).join(' || ')})`;
    case 'in':
    case 'notIn':
      return `${node.label} ${OPERATORS[node.kind]} {${node.values.map(quoted).join(', ')}}`;
    default:
      return `${node.label} ${OPERATORS[node.kind]} ${quoted(node.value)}`;
  }
}

function quoted(value: string): string {
  if (!value.includes('"')) return `"${value}"`;
  if (!value.includes("'")) return `'${value}'`;
  throw new SelectorError(value, 'a value cannot hold both kinds of quotes', 0);
}
