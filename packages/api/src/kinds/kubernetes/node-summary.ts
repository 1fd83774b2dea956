import type { Node } from './node.ts';

const ROLE_PREFIX = 'node-role.kubernetes.io/';

/** `Ready`, `NotReady` or `Unknown`, and whether pods are kept away. */
export function nodeStatusWords(node: Node): string {
  const ready = node.status?.conditions?.find(c => c.type === 'Ready')?.status;
  const word = ready === 'True' ? 'Ready' : ready === undefined ? 'Unknown' : 'NotReady';
  return node.spec?.unschedulable === true ? `${word},SchedulingDisabled` : word;
}

/** The roles that labels give the node, sorted, or `<none>`. */
export function nodeRoles(node: Node): string {
  const roles: string[] = [];
  for (const [key, value] of Object.entries(node.metadata.labels ?? {})) {
    if (key.startsWith(ROLE_PREFIX) && key.length > ROLE_PREFIX.length) roles.push(key.slice(ROLE_PREFIX.length));
    else if (key === 'kubernetes.io/role' && value !== '') roles.push(value);
  }
  return roles.length === 0 ? '<none>' : [...new Set(roles)].sort().join(',');
}

/** The first address of a type, or `<none>`. */
export function nodeAddress(node: Node, type: string): string {
  return node.status?.addresses?.find(a => a.type === type)?.address ?? '<none>';
}
