import { cidrCovers, parseCidr } from '@calico/ip';
import type { FieldErrors } from '../../field-error.ts';
import { isPortName } from '../../names.ts';
import { labelSelectorRules } from './label-selector.ts';
import type {
  KubernetesNetworkPolicy,
  KubernetesNetworkPolicyPeer,
  KubernetesNetworkPolicySpec,
} from './network-policy.ts';

type Ports = NonNullable<NonNullable<KubernetesNetworkPolicySpec['ingress']>[number]['ports']>;

/** The rules of networking.k8s.io/v1 (k8s.io/kubernetes pkg/apis/networking/validation). */
export function kubernetesNetworkPolicyRules({ spec }: KubernetesNetworkPolicy, errors: FieldErrors): void {
  kubernetesPolicySpecRules(spec, errors);
}

/** The same for what stands in `spec`. */
export function kubernetesPolicySpecRules(spec: KubernetesNetworkPolicySpec, errors: FieldErrors): void {
  labelSelectorRules(spec.podSelector, 'spec.podSelector', errors);
  for (const [i, { from, ports }] of (spec.ingress ?? []).entries()) {
    portRules(ports, `spec.ingress[${i}].ports`, errors);
    for (const [j, peer] of (from ?? []).entries()) peerRules(peer, `spec.ingress[${i}].from[${j}]`, errors);
  }
  for (const [i, { to, ports }] of (spec.egress ?? []).entries()) {
    portRules(ports, `spec.egress[${i}].ports`, errors);
    for (const [j, peer] of (to ?? []).entries()) peerRules(peer, `spec.egress[${i}].to[${j}]`, errors);
  }
}

function portRules(ports: Ports | undefined, path: string, errors: FieldErrors): void {
  for (const [i, { port, endPort }] of (ports ?? []).entries()) {
    const at = `${path}[${i}]`;
    if (typeof port === 'number' && (port < 1 || port > 65535))
      errors.invalid(`${at}.port`, port, 'must be from 1 to 65535');
    if (typeof port === 'string' && !isPortName(port)) {
      errors.invalid(
        `${at}.port`,
        port,
        'must be a number, or a name of lower-case letters, digits and single "-", at most 15 characters',
      );
    }
    if (endPort === undefined) continue;
    if (port === undefined) errors.required(`${at}.port`, 'the start of the range that endPort ends');
    else if (typeof port === 'string') errors.forbidden(`${at}.endPort`, endPort, 'not allowed when port is a name');
    else if (endPort < port) errors.invalid(`${at}.endPort`, endPort, `must be at least port, ${port}`);
  }
}

function peerRules(peer: KubernetesNetworkPolicyPeer, path: string, errors: FieldErrors): void {
  const { podSelector, namespaceSelector, ipBlock } = peer;
  if (podSelector === undefined && namespaceSelector === undefined && ipBlock === undefined) {
    errors.required(path, 'podSelector, namespaceSelector or ipBlock');
  }
  labelSelectorRules(podSelector, `${path}.podSelector`, errors);
  labelSelectorRules(namespaceSelector, `${path}.namespaceSelector`, errors);
  if (ipBlock === undefined) return;
  if (podSelector !== undefined || namespaceSelector !== undefined) {
    errors.forbidden(`${path}.ipBlock`, ipBlock, 'not allowed together with podSelector or namespaceSelector');
  }
  const outer = parseCidr(ipBlock.cidr);
  for (const [i, except] of (ipBlock.except ?? []).entries()) {
    const inner = parseCidr(except);
    if (outer === undefined || inner === undefined) continue;
    if (inner.addr.family !== outer.addr.family || inner.length <= outer.length || !cidrCovers(outer, inner)) {
      errors.invalid(`${path}.ipBlock.except[${i}]`, except, `must be a smaller part of cidr, ${ipBlock.cidr}`);
    }
  }
}
