import type { SelectorNode } from './node.ts';

/** The labels that a selector reads, each once. */
export function labelsRead(node: SelectorNode, into = new Set<string>()): Set<string> {
  switch (node.kind) {
    case 'all':
    case 'global':
      break;
    case 'not':
      labelsRead(node.operand, into);
      break;
    case 'and':
    case 'or':
      for (const operand of node.operands) labelsRead(operand, into);
      break;
    default:
      into.add(node.label);
  }
  return into;
}
