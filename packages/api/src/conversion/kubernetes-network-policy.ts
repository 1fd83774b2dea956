import { maskCidr, parseCidr, printCidr } from '@calico/ip';
import type { NetworkPolicy } from '../kinds/calico/network-policy.ts';
import type { StagedKubernetesNetworkPolicy } from '../kinds/calico/staged-kubernetes-network-policy.ts';
import type { StagedNetworkPolicy } from '../kinds/calico/staged-network-policy.ts';
import type { KubernetesNetworkPolicy } from '../kinds/kubernetes/network-policy.ts';
import { portsByProtocol } from './kubernetes-ports.ts';
import { namespaceSelectorText, podSelectorText } from './kubernetes-selector.ts';
import { convertedMetadata } from './metadata.ts';

type CalicoRule = NonNullable<NetworkPolicy['spec']['ingress']>[number];
type CalicoEntity = NonNullable<CalicoRule['source']>;
type KubernetesSpec = NonNullable<KubernetesNetworkPolicy['spec']>;
type IngressRule = NonNullable<KubernetesSpec['ingress']>[number];
type EgressRule = NonNullable<KubernetesSpec['egress']>[number];
type Peer = NonNullable<IngressRule['from']>[number];
type Ports = IngressRule['ports'];

/** The order of every policy that comes from Kubernetes, in the tier `default`. */
export const KUBERNETES_POLICY_ORDER = 1000;

/** A rule that cannot be expressed; its text says which field. */
class Unconvertible extends Error {}

function maskedCidr(text: string, field: string): string {
  const cidr = parseCidr(text);
  if (cidr === undefined) throw new Unconvertible(`${field} is "${text}"; allowed: a CIDR such as 10.0.0.0/8`);
  return printCidr(maskCidr(cidr));
}

function convertPeer(peer: Peer, field: string): CalicoEntity {
  const { ipBlock, podSelector, namespaceSelector } = peer;
  if (ipBlock !== undefined) {
    if (podSelector !== undefined || namespaceSelector !== undefined) {
      throw new Unconvertible(`${field} has ipBlock and selectors; allowed: either`);
    }
    const except = (ipBlock.except ?? []).map((text, i) => maskedCidr(text, `${field}.ipBlock.except[${i}]`));
    return {
      nets: [maskedCidr(ipBlock.cidr, `${field}.ipBlock.cidr`)],
      ...(except.length === 0 ? {} : { notNets: except }),
    };
  }
  if (podSelector === undefined && namespaceSelector === undefined) {
    throw new Unconvertible(`${field} is empty; allowed: podSelector, namespaceSelector or ipBlock`);
  }
  const fail = (problem: string): never => {
    throw new Unconvertible(`${field}: ${problem}`);
  };
  const namespaces = namespaceSelectorText(namespaceSelector, fail);
  return {
    selector: podSelectorText(podSelector, fail),
    ...(namespaces === '' ? {} : { namespaceSelector: namespaces }),
  };
}

/** One Allow rule per protocol (sorted) and peer; `place` puts peer and ports to their sides. */
function convertRule(
  peers: readonly Peer[] | undefined,
  ports: Ports,
  fields: { readonly peers: string; readonly ports: string },
  place: (peer: CalicoEntity, ports: CalicoEntity) => Pick<CalicoRule, 'source' | 'destination'>,
): CalicoRule[] {
  const fail = (problem: string): never => {
    throw new Unconvertible(`${fields.ports}${problem}`);
  };
  const sides: CalicoEntity[] =
    peers === undefined || peers.length === 0 ? [{}] : peers.map((p, i) => convertPeer(p, `${fields.peers}[${i}]`));
  return portsByProtocol(ports, fail).flatMap(({ protocol, ports: list }) =>
    sides.map(side => ({
      action: 'Allow' as const,
      ...(protocol === undefined ? {} : { protocol }),
      ...place(side, list.length === 0 ? {} : { ports: [...list] }),
    })),
  );
}

function someEntity(key: 'source' | 'destination', entity: CalicoEntity): Pick<CalicoRule, 'source' | 'destination'> {
  return Object.keys(entity).length === 0 ? {} : { [key]: entity };
}

/** The rules of one Kubernetes ingress rule: peers in the source, ports in the destination. */
function convertIngress(rule: IngressRule, field: string): CalicoRule[] {
  return convertRule(rule.from, rule.ports, { peers: `${field}.from`, ports: `${field}.ports` }, (peer, ports) => ({
    ...someEntity('source', peer),
    ...someEntity('destination', ports),
  }));
}

/** The rules of one Kubernetes egress rule: peers and ports in the destination. */
function convertEgress(rule: EgressRule, field: string): CalicoRule[] {
  return convertRule(rule.to, rule.ports, { peers: `${field}.to`, ports: `${field}.ports` }, (peer, ports) =>
    someEntity('destination', { ...peer, ...ports }),
  );
}

/** Every rule of a list; those that cannot be expressed are told in `errors` instead. */
function convertAll<Rule>(
  rules: readonly Rule[] | undefined,
  field: string,
  convert: (rule: Rule, field: string) => CalicoRule[],
  errors: string[],
): CalicoRule[] {
  return (rules ?? []).flatMap((rule, index) => {
    try {
      return convert(rule, `${field}[${index}]`);
    } catch (err) {
      if (!(err instanceof Unconvertible)) throw err;
      errors.push(err.message);
      return [];
    }
  });
}

/**
 * A Kubernetes NetworkPolicy as the Calico policy of the same name with the same meaning: tier `default`, order 1000,
 * Allow rules only (what a policy selects and does not allow is denied at the end of the tier).
 *
 * A rule that cannot be expressed is left out and told in `errors`: so less is allowed, never more. A part of the
 * subject selector that cannot be expressed is left out too: so more pods are isolated, never fewer.
 */
export function kubernetesNetworkPolicyToPolicy(policy: KubernetesNetworkPolicy): {
  policy: NetworkPolicy;
  errors: string[];
} {
  const errors: string[] = [];
  const spec: Partial<KubernetesSpec> = policy.spec ?? {};
  const ingress = convertAll(spec.ingress, 'spec.ingress', convertIngress, errors);
  const egress = convertAll(spec.egress, 'spec.egress', convertEgress, errors);
  return {
    errors,
    policy: {
      apiVersion: 'projectcalico.org/v3',
      kind: 'NetworkPolicy',
      metadata: convertedMetadata(policy.metadata),
      spec: {
        tier: 'default',
        order: KUBERNETES_POLICY_ORDER,
        selector: podSelectorText(spec.podSelector, problem => {
          errors.push(`spec.podSelector: ${problem}`);
        }),
        types: spec.policyTypes === undefined || spec.policyTypes.length === 0 ? ['Ingress'] : [...spec.policyTypes],
        ...(ingress.length === 0 ? {} : { ingress }),
        ...(egress.length === 0 ? {} : { egress }),
      },
    },
  };
}

/**
 * A StagedKubernetesNetworkPolicy as the staged Calico policy of the same name with the same meaning; what cannot be
 * expressed is told in `errors`, as for the policy that it would be.
 */
export function stagedKubernetesNetworkPolicyToPolicy(staged: StagedKubernetesNetworkPolicy): {
  policy: StagedNetworkPolicy;
  errors: string[];
} {
  const { stagedAction = 'Set', ...spec } = staged.spec;
  const { policy, errors } = kubernetesNetworkPolicyToPolicy({ ...staged, spec });
  return {
    errors,
    policy: { ...policy, kind: 'StagedNetworkPolicy', spec: { ...policy.spec, stagedAction } },
  };
}
