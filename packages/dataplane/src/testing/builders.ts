import type { LocalEndpoint } from '@calico/calc';
import { cidr } from '@calico/ip';
import type {
  Action,
  DirectionProgram,
  Match,
  PolicyProgram,
  PortRange,
  Rule,
  SetId,
  Side,
  TierProgram,
} from '@calico/policy';

/** A rule; tests that don't care leave the index at 0. */
export function rule(action: Action, matches: readonly Match[] = [], index = 0): Rule {
  return { index, action, matches };
}

/** A policy whose ingress and egress rules are the same. */
export function policy(id: string, rules: readonly Rule[], options: { staged?: boolean } = {}): PolicyProgram {
  return { id, tier: 'default', staged: options.staged ?? false, ingress: rules, egress: rules };
}

/** A tier of these policies. */
export function tier(name: string, policies: readonly string[], defaultAction: 'deny' | 'pass' = 'deny'): TierProgram {
  return { name, defaultAction, policies };
}

/** A program of tiers, then profiles. */
export function program(tiers: readonly TierProgram[], profiles: readonly string[] = []): DirectionProgram {
  return { tiers, profiles };
}

/** A local endpoint with one IPv4 address and the same program in both directions. */
export function endpoint(name: string, both: DirectionProgram, change: Partial<LocalEndpoint> = {}): LocalEndpoint {
  return {
    name,
    orchestrator: 'k8s',
    namespace: 'default',
    workload: name,
    ipv4: ['10.0.0.1/32'],
    ipv6: [],
    active: true,
    ingress: both,
    egress: both,
    allowSpoofedSources: [],
    floatingIps: [],
    ...change,
  };
}

/** The protocol is, or is not, this one. */
export function protocol(number: number, negated = false): Match {
  return { kind: 'protocol', protocol: number, negated };
}

/** The address is in any of the networks. */
export function nets(side: Side, texts: readonly string[], negated = false): Match {
  return { kind: 'nets', side, nets: texts.map(cidr), negated };
}

/** The address is in the set. */
export function ipSet(side: Side, set: SetId, negated = false): Match {
  return { kind: 'ipSet', side, set, negated };
}

/** The port is in any range (`80`, `8000-8010`), or with its address in any set. */
export function ports(side: Side, ranges: readonly string[], sets: readonly SetId[] = [], negated = false): Match {
  return { kind: 'ports', side, ranges: ranges.map(portRange), sets, negated };
}

/** Address, protocol and port are in the set. */
export function ipPortSet(side: Side, set: SetId, negated = false): Match {
  return { kind: 'ipPortSet', side, set, negated };
}

/** The packet is ICMP of this type. */
export function icmp(type: number, code?: number, negated = false): Match {
  return { kind: 'icmp', type, ...(code === undefined ? {} : { code }), negated };
}

function portRange(text: string): PortRange {
  const [first = '', last = first] = text.split('-');
  return { first: Number(first), last: Number(last) };
}
