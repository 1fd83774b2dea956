import type { SelectorNode } from './node.ts';

/** Reads one label of whatever holds labels. */
export type LabelGetter<Source> = (source: Source, label: string) => string | undefined;

/**
 * Turns a tree into closures that evaluate it, given how to read a label of a source. A label that is not there makes
 * `!=` and `not in` true and every other comparison false.
 */
export function compileNode<Source>(node: SelectorNode, get: LabelGetter<Source>): (source: Source) => boolean {
  switch (node.kind) {
    case 'all':
    case 'global':
      return () => true;
    case 'has': {
      const { label } = node;
      return source => get(source, label) !== undefined;
    }
    case 'equals': {
      const { label, value } = node;
      return source => get(source, label) === value;
    }
    case 'notEquals': {
      const { label, value } = node;
      return source => get(source, label) !== value;
    }
    case 'contains': {
      const { label, value } = node;
      return source => get(source, label)?.includes(value) === true;
    }
    case 'startsWith': {
      const { label, value } = node;
      return source => get(source, label)?.startsWith(value) === true;
    }
    case 'endsWith': {
      const { label, value } = node;
      return source => get(source, label)?.endsWith(value) === true;
    }
    case 'in': {
      const { label } = node;
      const values: ReadonlySet<string | undefined> = new Set(node.values);
      return source => values.has(get(source, label));
    }
    case 'notIn': {
      const { label } = node;
      const values: ReadonlySet<string | undefined> = new Set(node.values);
      return source => !values.has(get(source, label));
    }
    case 'not': {
      const operand = compileNode(node.operand, get);
      return source => !operand(source);
    }
    case 'and':
      return every(node.operands.map(operand => compileNode(operand, get)));
    case 'or':
      return some(node.operands.map(operand => compileNode(operand, get)));
  }
}

function every<Source>(operands: readonly ((source: Source) => boolean)[]): (source: Source) => boolean {
  const [first, second] = operands;
  if (operands.length === 2 && first !== undefined && second !== undefined) {
    return source => first(source) && second(source);
  }
  return source => {
    for (const operand of operands) if (!operand(source)) return false;
    return true;
  };
}

function some<Source>(operands: readonly ((source: Source) => boolean)[]): (source: Source) => boolean {
  const [first, second] = operands;
  if (operands.length === 2 && first !== undefined && second !== undefined) {
    return source => first(source) || second(source);
  }
  return source => {
    for (const operand of operands) if (operand(source)) return true;
    return false;
  };
}
