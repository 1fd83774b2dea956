import type { Addr, Cidr, Family } from '@calico/ip';

/**
 * Name of an address set. A selector's set is `s:…`, a named port's `n:…`, a service's `svc:…` (address, protocol
 * and port) or `svcnoport:…` (address alone).
 */
export type SetId = string;

/** Name of a policy in the program: `<kind>/[<namespace>/]<name>`, kind one of `np`, `gnp`, `knp`, `snp`, `sgnp`, `sknp`. */
export type PolicyId = string;

/** What a matching rule does. `log` writes a line and goes on to the next rule. */
export type Action = 'allow' | 'deny' | 'pass' | 'log';

/** The end of a packet that a match looks at. */
export type Side = 'source' | 'destination';

/** Towards the endpoint (`ingress`) or away from it (`egress`). */
export type Direction = 'ingress' | 'egress';

/** Ports from `first` to `last`, both included. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** The IP protocol number is (or, negated, is not) `protocol`. */
export interface ProtocolMatch {
  readonly kind: 'protocol';
  readonly protocol: number;
  readonly negated: boolean;
}

/** The packet is ICMP or ICMPv6 with this type (and code). Negated, it also holds for every other protocol. */
export interface IcmpMatch {
  readonly kind: 'icmp';
  readonly type: number;
  readonly code?: number;
  readonly negated: boolean;
}

/** The address of `side` lies in any of `nets`. */
export interface NetsMatch {
  readonly kind: 'nets';
  readonly side: Side;
  readonly nets: readonly Cidr[];
  readonly negated: boolean;
}

/** The address of `side` is covered by a member of the set, which is of type `net`. */
export interface IpSetMatch {
  readonly kind: 'ipSet';
  readonly side: Side;
  readonly set: SetId;
  readonly negated: boolean;
}

/**
 * The port of `side` lies in any of `ranges`, or (address, protocol, port) of `side` is in any of `sets`, which are of
 * type `ipPort` (named ports). A packet without ports is in none of them.
 */
export interface PortsMatch {
  readonly kind: 'ports';
  readonly side: Side;
  readonly ranges: readonly PortRange[];
  readonly sets: readonly SetId[];
  readonly negated: boolean;
}

/** (address, protocol, port) of `side` is in the set, which is of type `ipPort` (a service's endpoints). */
export interface IpPortSetMatch {
  readonly kind: 'ipPortSet';
  readonly side: Side;
  readonly set: SetId;
  readonly negated: boolean;
}

/** One condition of a rule. */
export type Match = ProtocolMatch | IcmpMatch | NetsMatch | IpSetMatch | PortsMatch | IpPortSetMatch;

/** A rule applies when the IP version fits (if given) and every match holds; without matches it always applies. */
export interface Rule {
  /** Position in the policy's own list, counted from 0: names the rule in hits and in explanations. */
  readonly index: number;
  readonly action: Action;
  readonly ipVersion?: Family;
  readonly matches: readonly Match[];
}

/** A policy's rules, already split by the policy's `types`: a direction that it doesn't govern has no rules. */
export interface PolicyProgram {
  readonly id: PolicyId;
  readonly tier: string;
  /** A staged policy never decides a packet; it is evaluated only to tell what it would have done. */
  readonly staged: boolean;
  /** Live connections of the endpoints it governs are held to policy as it is now, not as it was when they began. */
  readonly cutsConnections?: true;
  readonly ingress: readonly Rule[];
  readonly egress: readonly Rule[];
}

/** A profile's rules, asked when no tier has decided. */
export interface ProfileProgram {
  readonly id: string;
  readonly ingress: readonly Rule[];
  readonly egress: readonly Rule[];
}

/** One tier as one endpoint and direction sees it: only the policies that govern it, in their order. */
export interface TierProgram {
  readonly name: string;
  /** What happens to a packet that no rule of the tier decided, unless all its policies are staged (then it goes on). */
  readonly defaultAction: 'deny' | 'pass';
  readonly policies: readonly PolicyId[];
}

/** Everything that decides packets of one endpoint in one direction. */
export interface DirectionProgram {
  readonly tiers: readonly TierProgram[];
  readonly profiles: readonly string[];
}

/** A packet as policy sees it. Ports belong to TCP (6), UDP (17), SCTP (132) only. */
export interface Packet {
  readonly family: Family;
  readonly source: Addr;
  readonly destination: Addr;
  readonly protocol: number;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly icmpType?: number;
  readonly icmpCode?: number;
}
