import type { FieldErrors } from '../../field-error.ts';
import type { ClusterNetworkPolicy, ClusterNetworkPolicySpec } from './cluster-network-policy.ts';
import { labelSelectorRules } from './label-selector.ts';

type Subject = ClusterNetworkPolicySpec['subject'];
type Protocols = NonNullable<ClusterNetworkPolicySpec['ingress']>[number]['protocols'];

/** The rules of a cluster network policy that its schema does not say. */
export function clusterNetworkPolicyRules({ spec }: ClusterNetworkPolicy, errors: FieldErrors): void {
  selectorRules(spec.subject, 'spec.subject', errors);
  for (const [i, { from, protocols }] of (spec.ingress ?? []).entries()) {
    const path = `spec.ingress[${i}]`;
    for (const [j, peer] of from.entries()) selectorRules(peer, `${path}.from[${j}]`, errors);
    portRules(protocols, `${path}.protocols`, errors);
  }
  for (const [i, { to, protocols }] of (spec.egress ?? []).entries()) {
    const path = `spec.egress[${i}]`;
    for (const [j, peer] of to.entries()) selectorRules(peer, `${path}.to[${j}]`, errors);
    portRules(protocols, `${path}.protocols`, errors);
  }
}

function selectorRules({ namespaces, pods }: Subject, path: string, errors: FieldErrors): void {
  labelSelectorRules(namespaces, `${path}.namespaces`, errors);
  labelSelectorRules(pods?.namespaceSelector, `${path}.pods.namespaceSelector`, errors);
  labelSelectorRules(pods?.podSelector, `${path}.pods.podSelector`, errors);
}

function portRules(protocols: Protocols, path: string, errors: FieldErrors): void {
  for (const [i, entry] of (protocols ?? []).entries()) {
    for (const name of ['tcp', 'udp', 'sctp'] as const) {
      const range = entry[name]?.destinationPort?.range;
      if (range === undefined || range.start < range.end) continue;
      errors.invalid(
        `${path}[${i}].${name}.destinationPort.range.end`,
        range.end,
        `must be above start, ${range.start}`,
      );
    }
  }
}
