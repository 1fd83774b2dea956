import type { Inventory } from './inventory.ts';
import type { ReportedAllocation } from './report.ts';

/** Why nobody uses an address that is allocated, in words. Pure. */
export function explainLeak({ pod, namespace = '', node, type }: ReportedAllocation, inventory: Inventory): string {
  const gone = node !== undefined && !inventory.nodes.some(({ metadata }) => metadata.name === node);
  if (pod !== undefined) {
    const name = `${namespace}/${pod}`;
    const endpoint = inventory.endpoints.find(
      ({ metadata, spec }) => metadata.namespace === namespace && spec.pod === pod,
    );
    if (endpoint === undefined)
      return `pod ${name} does not exist or has ended${gone ? `, and node ${node} is gone` : ''}`;
    if (endpoint.spec.node !== node) return `pod ${name} is on node ${endpoint.spec.node}, not on ${node}`;
    const networks = (endpoint.spec.ipNetworks ?? []).join(', ') || 'none';
    return `pod ${name} has other addresses: ${networks}`;
  }
  if (type !== undefined) {
    if (gone) return `it is the ${type} of node ${node}, which does not exist`;
    return `it is the ${type} of node ${node ?? '?'}, which does not name it`;
  }
  return 'nothing says whose it is';
}
