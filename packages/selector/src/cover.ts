import type { SelectorNode } from './node.ts';

/** A condition on one label: it has the value, or (value undefined) it is there at all. */
export interface Atom {
  readonly label: string;
  readonly value: string | undefined;
}

/**
 * Conditions of which at least one holds wherever the selector is true: whoever meets none of them need not be asked.
 * Empty when the selector is never true; undefined when no such conditions are known. Where a selector leaves a choice
 * (any operand of `&&`) the cheapest is taken, by a cost per atom.
 */
export function coverOf(node: SelectorNode, cost: (atom: Atom) => number): readonly Atom[] | undefined {
  return cover(node, false, cost);
}

function cover(node: SelectorNode, negated: boolean, cost: (atom: Atom) => number): readonly Atom[] | undefined {
  switch (node.kind) {
    case 'all':
    case 'global':
      return negated ? [] : undefined;
    case 'has':
    case 'contains':
    case 'startsWith':
    case 'endsWith':
      return negated ? undefined : [{ label: node.label, value: undefined }];
    case 'equals':
      return negated ? undefined : [{ label: node.label, value: node.value }];
    case 'notEquals':
      return negated ? [{ label: node.label, value: node.value }] : undefined;
    case 'in':
      return negated ? undefined : node.values.map(value => ({ label: node.label, value }));
    case 'notIn':
      return negated ? node.values.map(value => ({ label: node.label, value })) : undefined;
    case 'not':
      return cover(node.operand, !negated, cost);
    case 'and':
    case 'or': {
      const covers = node.operands.map(operand => cover(operand, negated, cost));
      return (node.kind === 'and') === negated ? union(covers) : cheapest(covers, cost);
    }
  }
}

function union(covers: readonly (readonly Atom[] | undefined)[]): readonly Atom[] | undefined {
  const atoms: Atom[] = [];
  for (const each of covers) {
    if (each === undefined) return undefined;
    atoms.push(...each);
  }
  return atoms;
}

function cheapest(
  covers: readonly (readonly Atom[] | undefined)[],
  cost: (atom: Atom) => number,
): readonly Atom[] | undefined {
  const known = covers.filter(each => each !== undefined);
  if (known.length < 2) return known[0];
  let best: readonly Atom[] | undefined;
  let bestCost = Number.POSITIVE_INFINITY;
  for (const each of known) {
    const sum = each.reduce((total, atom) => total + cost(atom), 0);
    if (sum < bestCost || best === undefined) {
      best = each;
      bestCost = sum;
    }
  }
  return best;
}
