import {
  type EntityRule,
  NAMESPACE_LABEL,
  NAMESPACE_LABEL_PREFIX,
  SERVICE_ACCOUNT_LABEL,
  SERVICE_ACCOUNT_LABEL_PREFIX,
} from '@calico/api';
import {
  parseSelector,
  renameLabels,
  type Selector,
  type SelectorNode,
  selectorOf,
  sortedValues,
} from '@calico/selector';

/** Which endpoints and network sets an entity of a rule means. Either may be absent. */
export interface EntitySelectors {
  /** Only what matches. */
  readonly positive?: Selector;
  /** Everything but what matches, unknown addresses included. */
  readonly negative?: Selector;
}

/** The selectors of a policy and what it needs to be read. */
export interface SubjectSpec {
  readonly selector?: string;
  readonly namespaceSelector?: string;
  readonly serviceAccountSelector?: string;
}

/**
 * The selector of the endpoints that a policy is for. A namespaced policy sees its own namespace only. Where a global
 * policy asks for namespaces (service accounts), `all()` means all that have one. Throws SelectorError.
 */
export function subjectSelector(spec: SubjectSpec, namespace: string | undefined): Selector {
  const subject = readNode(spec.selector);
  if (namespace !== undefined) {
    return selectorOf(
      and(
        inNamespace(namespace),
        // Most policies of a namespace are for all of it.
        subject?.kind === 'all' ? undefined : subject,
        prefixed(readNode(spec.serviceAccountSelector), SERVICE_ACCOUNT_LABEL_PREFIX),
      ),
    );
  }
  let node = subject;
  const namespaces = readNode(spec.namespaceSelector);
  if (namespaces !== undefined) {
    node = replaceAll(and(node, prefixed(namespaces, NAMESPACE_LABEL_PREFIX)), { kind: 'has', label: NAMESPACE_LABEL });
  }
  const accounts = readNode(spec.serviceAccountSelector);
  if (accounts !== undefined) {
    node = replaceAll(and(node, prefixed(accounts, SERVICE_ACCOUNT_LABEL_PREFIX)), {
      kind: 'has',
      label: SERVICE_ACCOUNT_LABEL,
    });
  }
  return selectorOf(node ?? { kind: 'all' });
}

/**
 * The selectors of one end of a rule. Without a namespace selector, a namespaced policy's selectors mean its own
 * namespace. Where something positive is given, the notSelector is folded into it. Throws SelectorError.
 */
export function entitySelectors(entity: EntityRule, namespace: string | undefined): EntitySelectors {
  const selector = readNode(entity.selector);
  const not = readNode(entity.notSelector);
  const accounts = accountNode(entity.serviceAccounts);
  const positive = and(namespaceNode(entity, namespace), accounts, selector);
  if (positive === undefined) return not === undefined ? {} : { negative: selectorOf(not) };
  return { positive: selectorOf(not === undefined ? positive : and(positive, { kind: 'not', operand: not })) };
}

function namespaceNode(entity: EntityRule, namespace: string | undefined): SelectorNode | undefined {
  const namespaces = readNode(entity.namespaceSelector);
  if (namespaces !== undefined) {
    const hasNamespace: SelectorNode = { kind: 'has', label: NAMESPACE_LABEL };
    return mapLeaves(prefixed(namespaces, NAMESPACE_LABEL_PREFIX), leaf => {
      if (leaf.kind === 'all') return hasNamespace;
      return leaf.kind === 'global' ? { kind: 'not', operand: hasNamespace } : leaf;
    });
  }
  if (namespace === undefined) return undefined;
  const named = isGiven(entity.selector) || isGiven(entity.notSelector) || entity.serviceAccounts !== undefined;
  return named ? inNamespace(namespace) : undefined;
}

function accountNode(accounts: EntityRule['serviceAccounts']): SelectorNode | undefined {
  if (accounts === undefined) return undefined;
  const labels = prefixed(readNode(accounts.selector), SERVICE_ACCOUNT_LABEL_PREFIX);
  const names = accounts.names ?? [];
  if (names.length === 0) return labels;
  return and(labels, { kind: 'in', label: SERVICE_ACCOUNT_LABEL, values: sortedValues(names) });
}

function inNamespace(namespace: string): SelectorNode {
  return { kind: 'equals', label: NAMESPACE_LABEL, value: namespace };
}

function isGiven(text: string | undefined): text is string {
  return text !== undefined && text.trim() !== '';
}

function readNode(text: string | undefined): SelectorNode | undefined {
  return isGiven(text) ? parseSelector(text).node : undefined;
}

function prefixed<N extends SelectorNode | undefined>(node: N, prefix: string): SelectorNode | N {
  return node === undefined ? node : renameLabels(node, label => prefix + label);
}

function and(first: SelectorNode, ...rest: readonly (SelectorNode | undefined)[]): SelectorNode;
function and(...nodes: readonly (SelectorNode | undefined)[]): SelectorNode | undefined;
function and(...nodes: readonly (SelectorNode | undefined)[]): SelectorNode | undefined {
  const operands = nodes.filter(node => node !== undefined);
  return operands.length < 2 ? operands[0] : { kind: 'and', operands };
}

function replaceAll(node: SelectorNode | undefined, by: SelectorNode): SelectorNode | undefined {
  return node === undefined ? undefined : mapLeaves(node, leaf => (leaf.kind === 'all' ? by : leaf));
}

function mapLeaves(node: SelectorNode, change: (leaf: SelectorNode) => SelectorNode): SelectorNode {
  switch (node.kind) {
    case 'not':
      return { kind: 'not', operand: mapLeaves(node.operand, change) };
    case 'and':
    case 'or':
      return { kind: node.kind, operands: node.operands.map(operand => mapLeaves(operand, change)) };
    default:
      return change(node);
  }
}
