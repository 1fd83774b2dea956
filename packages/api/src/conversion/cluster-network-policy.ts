import { maskCidr, parseCidr, printCidr } from '@calico/ip';
import type { GlobalNetworkPolicy } from '../kinds/calico/global-network-policy.ts';
import type { EntityRule, Rule } from '../kinds/calico/rule.ts';
import type { ClusterNetworkPolicy, ClusterNetworkPolicySpec } from '../kinds/kubernetes/cluster-network-policy.ts';
import { namespaceSelectorText, podSelectorText } from './kubernetes-selector.ts';
import { convertedMetadata } from './metadata.ts';

type IngressRule = NonNullable<ClusterNetworkPolicySpec['ingress']>[number];
type EgressRule = NonNullable<ClusterNetworkPolicySpec['egress']>[number];
type Subject = ClusterNetworkPolicySpec['subject'];
type Peer = EgressRule['to'][number];
type Protocol = NonNullable<IngressRule['protocols']>[number];
type AnyRule = Pick<IngressRule, 'action' | 'name' | 'protocols'>;

/** A part that cannot be expressed; its text says which field. */
class Unconvertible extends Error {}

const TIERS: { readonly [tier: string]: string } = { Admin: 'kube-admin', Baseline: 'kube-baseline' };
const ACTIONS: { readonly [action: string]: Rule['action'] } = { Accept: 'Allow', Deny: 'Deny', Pass: 'Pass' };
const TRANSPORTS = [
  ['tcp', 'TCP'],
  ['udp', 'UDP'],
  ['sctp', 'SCTP'],
] as const;

/**
 * A ClusterNetworkPolicy of Kubernetes as the global policy of the same name with the same meaning: Admin is the tier
 * `kube-admin`, Baseline `kube-baseline`, the priority its order.
 *
 * What cannot be expressed is told in `errors`. Without a tier or subject that can be read there is no policy. An Accept
 * rule that cannot be read is left out, a Deny or Pass rule becomes one that denies everything: so less is allowed,
 * never more.
 */
export function clusterNetworkPolicyToPolicy(policy: ClusterNetworkPolicy): {
  policy: GlobalNetworkPolicy | undefined;
  errors: string[];
} {
  const errors: string[] = [];
  const spec: Partial<ClusterNetworkPolicySpec> = policy.spec ?? {};
  const head = attempt(() => ({ tier: convertTier(spec.tier), ...convertSubject(spec.subject) }), errors);
  if (head === undefined) return { policy: undefined, errors };
  const ingress = (spec.ingress ?? []).flatMap((rule, i) => convertRule(rule, `spec.ingress[${i}]`, 'ingress', errors));
  const egress = (spec.egress ?? []).flatMap((rule, i) => convertRule(rule, `spec.egress[${i}]`, 'egress', errors));
  const types: ('Ingress' | 'Egress')[] = [];
  if ((spec.ingress ?? []).length > 0) types.push('Ingress');
  if ((spec.egress ?? []).length > 0) types.push('Egress');
  return {
    errors,
    policy: {
      apiVersion: 'projectcalico.org/v3',
      kind: 'GlobalNetworkPolicy',
      metadata: convertedMetadata(policy.metadata),
      spec: {
        ...head,
        ...(spec.priority === undefined ? {} : { order: spec.priority }),
        types,
        ...(ingress.length === 0 ? {} : { ingress }),
        ...(egress.length === 0 ? {} : { egress }),
      },
    },
  };
}

/** What `work` gives; if it says that something cannot be expressed, that is noted and there is nothing. */
function attempt<T>(work: () => T, errors: string[]): T | undefined {
  try {
    return work();
  } catch (err) {
    if (!(err instanceof Unconvertible)) throw err;
    errors.push(err.message);
    return undefined;
  }
}

function convertTier(tier: string | undefined): string {
  const converted = Object.hasOwn(TIERS, tier ?? '') ? TIERS[tier ?? ''] : undefined;
  if (converted === undefined) throw new Unconvertible(`spec.tier is ${shown(tier)}; allowed: "Admin", "Baseline"`);
  return converted;
}

function convertSubject(subject: Subject | undefined): { selector: string; namespaceSelector?: string } {
  const field = onlyField(subject, 'spec.subject', ['namespaces', 'pods']);
  return selectors(
    field === 'namespaces' ? { namespaces: subject?.namespaces } : { pods: subject?.pods },
    'spec.subject',
  );
}

/** The name of the one field that is there. Throws when there is none, more than one, or one that is not known. */
function onlyField<Name extends string>(value: object | undefined, path: string, names: readonly Name[]): Name {
  const given = Object.keys(value ?? {});
  const name = names.find(candidate => candidate === given[0]);
  if (given.length !== 1 || name === undefined) {
    throw new Unconvertible(
      `${path} has ${given.length === 0 ? 'no field' : given.join(', ')}; allowed: one of ${names.join(', ')}`,
    );
  }
  return name;
}

function selectors(
  { namespaces, pods }: { readonly namespaces?: Subject['namespaces']; readonly pods?: Subject['pods'] },
  path: string,
): { selector: string; namespaceSelector?: string } {
  const fail = (problem: string): never => {
    throw new Unconvertible(`${path}: ${problem}`);
  };
  if (pods !== undefined && pods.podSelector === undefined) fail('podSelector is absent; allowed: a label selector');
  const namespaceSelector = namespaceSelectorText(namespaces ?? pods?.namespaceSelector, fail);
  return {
    selector: podSelectorText(pods?.podSelector, fail),
    ...(namespaceSelector === '' ? {} : { namespaceSelector }),
  };
}

/** The rules that stand for one rule: one per peer and protocol, in the order of its peers. */
function convertRule(
  rule: IngressRule | EgressRule,
  path: string,
  direction: 'ingress' | 'egress',
  errors: string[],
): Rule[] {
  const named = (rule.name ?? '') === '' ? {} : { metadata: { annotations: { name: rule.name ?? '' } } };
  const converted = attempt(() => {
    const peers = 'from' in rule ? { list: rule.from, at: `${path}.from` } : { list: rule.to, at: `${path}.to` };
    const action = convertAction(rule, path);
    const ports = convertProtocols(rule.protocols, `${path}.protocols`);
    const sides = (peers.list ?? []).flatMap((peer, i) => convertPeer(peer, `${peers.at}[${i}]`, direction));
    if (sides.length === 0) throw new Unconvertible(`${peers.at} is empty; allowed: at least one peer`);
    return sides.flatMap(peer =>
      ports.map(({ protocol, destination }) => ({
        action,
        ...(protocol === undefined ? {} : { protocol }),
        ...place(peer, destination, direction),
        ...named,
      })),
    );
  }, errors);
  if (converted !== undefined) return converted;
  return rule.action === 'Accept' ? [] : [{ action: 'Deny', ...named }];
}

function place(
  peer: EntityRule,
  ports: EntityRule,
  direction: 'ingress' | 'egress',
): Pick<Rule, 'source' | 'destination'> {
  if (direction === 'egress') return { destination: { ...peer, ...ports } };
  return { source: peer, ...(Object.keys(ports).length === 0 ? {} : { destination: ports }) };
}

function convertAction({ action }: AnyRule, path: string): Rule['action'] {
  const converted = Object.hasOwn(ACTIONS, action) ? ACTIONS[action] : undefined;
  if (converted === undefined) {
    throw new Unconvertible(`${path}.action is ${shown(action)}; allowed: "Accept", "Deny", "Pass"`);
  }
  return converted;
}

function convertPeer(peer: Peer, path: string, direction: 'ingress' | 'egress'): EntityRule[] {
  const fields = ['namespaces', 'pods', 'networks'] as const;
  const field = onlyField(peer, path, direction === 'egress' ? fields : (['namespaces', 'pods'] as const));
  if (field === 'namespaces') return [selectors({ namespaces: peer.namespaces }, path)];
  if (field === 'pods') return [selectors({ pods: peer.pods }, path)];
  const nets = new Map<number, string[]>();
  for (const [i, network] of (peer.networks ?? []).entries()) {
    const cidr = network.includes('/') ? parseCidr(network) : undefined;
    if (cidr === undefined) {
      throw new Unconvertible(`${path}.networks[${i}] is ${shown(network)}; allowed: a CIDR such as "10.0.0.0/8"`);
    }
    nets.set(cidr.addr.family, [...(nets.get(cidr.addr.family) ?? []), printCidr(maskCidr(cidr))]);
  }
  return [...nets.values()].map(list => ({ nets: list }));
}

/** What the rule's protocols ask of the destination, one element per protocol and one for names of ports. */
function convertProtocols(
  entries: readonly Protocol[] | undefined,
  path: string,
): { protocol?: string; destination: EntityRule }[] {
  if (entries === undefined) return [{ destination: {} }];
  if (entries.length === 0) throw new Unconvertible(`${path} is empty; allowed: at least one, or the field left out`);
  const found = new Map<string, (number | string)[]>();
  for (const [i, entry] of entries.entries()) {
    const { protocol, port } = convertProtocol(entry, `${path}[${i}]`);
    found.set(protocol, [...(found.get(protocol) ?? []), port]);
  }
  return [...found].map(([protocol, ports]) => ({ ...(protocol === '' ? {} : { protocol }), destination: { ports } }));
}

/** A port with its protocol, '' for a name of ports of any protocol. */
function convertProtocol(entry: Protocol, path: string): { protocol: string; port: number | string } {
  onlyField(entry, path, ['tcp', 'udp', 'sctp', 'destinationNamedPort']);
  if (entry.destinationNamedPort !== undefined) {
    if (entry.destinationNamedPort === '')
      throw new Unconvertible(`${path}.destinationNamedPort is ""; allowed: a name`);
    return { protocol: '', port: entry.destinationNamedPort };
  }
  const [field, protocol] = TRANSPORTS.find(([name]) => entry[name] !== undefined) ?? ['tcp', 'TCP'];
  onlyField(entry[field], `${path}.${field}`, ['destinationPort']);
  const destination = entry[field]?.destinationPort;
  const at = `${path}.${field}.destinationPort`;
  if (onlyField(destination, at, ['number', 'range']) === 'number') {
    return { protocol, port: portNumber(destination?.number, `${at}.number`) };
  }
  const start = portNumber(destination?.range?.start, `${at}.range.start`);
  const end = portNumber(destination?.range?.end, `${at}.range.end`);
  if (start > end) throw new Unconvertible(`${at}.range.end is ${end}; allowed: a port from start, ${start}, to 65535`);
  return { protocol, port: start === end ? start : `${start}:${end}` };
}

function portNumber(port: number | undefined, path: string): number {
  if (port !== undefined && Number.isInteger(port) && port >= 1 && port <= 65535) return port;
  throw new Unconvertible(`${path} is ${shown(port)}; allowed: 1 to 65535`);
}

function shown(value: unknown): string {
  return JSON.stringify(value) ?? 'absent';
}
