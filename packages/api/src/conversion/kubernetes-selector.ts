import { ORCHESTRATOR_LABEL } from './names.ts';

/** A label selector of Kubernetes (meta/v1 LabelSelector). */
interface LabelSelector {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values?: string[] }[];
}

/** Told about an expression that cannot be expressed; when it returns, the expression is left out. */
type OnProblem = (problem: string) => void;

function quote(value: string): string {
  return value.includes("'") ? `"${value}"` : `'${value}'`;
}

function terms(selector: LabelSelector, onProblem: OnProblem): string[] {
  const labels = Object.entries(selector.matchLabels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  const out = labels.map(([key, value]) => `${key} == ${quote(value)}`);
  for (const { key, operator, values = [] } of selector.matchExpressions ?? []) {
    const list = `{ ${values.map(quote).join(', ')} }`;
    if (operator === 'In') out.push(`${key} in ${list}`);
    else if (operator === 'NotIn') out.push(`${key} not in ${list}`);
    else if (operator === 'Exists') out.push(`has(${key})`);
    else if (operator === 'DoesNotExist') out.push(`! has(${key})`);
    else onProblem(`operator of "${key}" is "${operator}"; allowed: In, NotIn, Exists, DoesNotExist`);
  }
  return out;
}

/** A pod selector in Calico's language: always limited to pods; absent or empty, all pods. */
export function podSelectorText(selector: LabelSelector | undefined, onProblem: OnProblem): string {
  return [`${ORCHESTRATOR_LABEL} == 'k8s'`, ...terms(selector ?? {}, onProblem)].join(' && ');
}

/** A namespace selector in Calico's language: '' when absent, `all()` when present but empty. */
export function namespaceSelectorText(selector: LabelSelector | undefined, onProblem: OnProblem): string {
  if (selector === undefined) return '';
  const all = terms(selector, onProblem);
  return all.length === 0 ? 'all()' : all.join(' && ');
}
