import { type Cidr, type Family, maskCidr, printCidr } from '@calico/ip';
import type { Direction, IpPortSetMatch, Match, PortRange, PortsMatch, Rule, SetId, Side } from '@calico/policy';
import { contentName } from '../names.ts';

/** A port that an `ipPort` set has for an address. */
export interface PeerPort {
  readonly protocol: number;
  readonly port: number;
}

/** Everything that rules can ask of the other end's address. */
export interface Peer {
  /** The sets and lists of networks that hold the address, and the `ipPort` sets that have a port of it. */
  readonly sets: ReadonlySet<SetId>;
  /** For each of those `ipPort` sets the ports. */
  readonly ports: ReadonlyMap<SetId, readonly PeerPort[]>;
}

type PeerPortMatch = PortsMatch | IpPortSetMatch;

/** A rule in one direction and family, with what it asks of the peer's address set apart from the rest. */
export interface FlatRule {
  /** Names the rule, as long as it stays as it is. */
  readonly serial: number;
  readonly owner: string;
  /** The rule without its questions about the peer's address. */
  readonly rest: Rule;
  readonly asked: readonly { readonly set: SetId; readonly negated: boolean }[];
  /** Matches of (address, protocol, port) of the peer: with an address they become plain ports. */
  readonly peerPorts: readonly PeerPortMatch[];
  /** The rule applies to no peer that is in none of these; undefined: any peer will do. */
  readonly needsOneOf: readonly SetId[] | undefined;
  /** Lists of networks that `asked` names. */
  readonly literals: ReadonlyMap<string, readonly Cidr[]>;
}

/** The end of a packet whose address is the other end's. */
export function peerSide(direction: Direction): Side {
  return direction === 'ingress' ? 'source' : 'destination';
}

/**
 * How rules ask in which networks the peer is: by classes of networks, made beforehand, or each with a comparison of its
 * own, where classes would be too many.
 */
export type NetsBy = 'class' | 'rule';

/** The few ports that members of an `ipPort` set have; undefined when they are many. */
export type PortsOf = (set: SetId) => readonly number[] | undefined;

/** Sets a rule's questions about the peer apart; undefined when it can't apply in this family. */
export function flattenRule(
  owner: string,
  rule: Rule,
  serial: number,
  direction: Direction,
  family: Family,
  netsBy: NetsBy,
  portsOf: PortsOf,
): FlatRule | undefined {
  if (rule.ipVersion !== undefined && rule.ipVersion !== family) return undefined;
  const asked: { set: SetId; negated: boolean }[] = [];
  const peerPorts: PeerPortMatch[] = [];
  const rest: Match[] = [];
  const literals = new Map<string, readonly Cidr[]>();
  const side = peerSide(direction);
  const hasProtocol = rule.matches.some(match => match.kind === 'protocol' && !match.negated);
  for (const match of rule.matches) {
    if (match.kind === 'nets' && match.side === side && netsBy === 'class') {
      const nets = match.nets.filter(net => net.addr.family === family);
      const always = nets.some(net => net.length === 0);
      if (nets.length > 0 && !always) {
        const name = literalName(family, nets);
        literals.set(name, nets);
        asked.push({ set: name, negated: match.negated });
      } else if (always === match.negated) return undefined;
    } else if (match.kind === 'ipSet' && match.side === side) {
      asked.push({ set: match.set, negated: match.negated });
    } else if (isPeerPorts(match, side, hasProtocol)) {
      peerPorts.push(match);
    } else rest.push(match, ...portBounds(match, portsOf));
  }
  const first = asked.find(one => !one.negated)?.set;
  const ports = peerPorts.find(match => match.kind === 'ipPortSet' || match.ranges.length === 0);
  const needsOneOf = first !== undefined ? [first] : ports !== undefined ? setsOfPorts(ports) : undefined;
  return {
    serial,
    owner,
    rest: { ...rule, matches: rest },
    asked,
    peerPorts,
    needsOneOf,
    literals,
  };
}

/** The `ipPort` sets that a match asks. */
export function setsOfPorts(match: PeerPortMatch): readonly SetId[] {
  return match.kind === 'ports' ? match.sets : [match.set];
}

/**
 * What is left of the rule for this peer: nothing, the rule without the questions that the peer's address answers, or one
 * rule for each protocol of which the peer has a port. The key tells equal results of equal rules.
 */
export function ruleFor(flat: FlatRule, peer: Peer): readonly { readonly rule: Rule; readonly key: string }[] {
  if (flat.asked.some(({ set, negated }) => peer.sets.has(set) === negated)) return [];
  if (flat.peerPorts.length === 0) return [{ rule: flat.rest, key: `${flat.serial}` }];
  let variants: (readonly Match[])[] = [[]];
  for (const match of flat.peerPorts) {
    const answers = portsOf(match, peer, flat.rest);
    variants = variants.flatMap(variant => answers.map(answer => [...variant, ...answer]));
  }
  return variants.map(variant => ({
    rule: { ...flat.rest, matches: [...flat.rest.matches, ...variant] },
    key: `${flat.serial}:${variant.map(printPortMatch).join('&')}`,
  }));
}

/** What a match of the peer's ports becomes: one alternative, or for a rule without protocol one for each. */
function portsOf(match: PeerPortMatch, peer: Peer, rest: Rule): (readonly Match[])[] {
  const ports = setsOfPorts(match).flatMap(set => peer.ports.get(set) ?? []);
  const own = match.kind === 'ports' ? match.ranges : [];
  const { side } = match;
  const wanted = rest.matches.find(m => m.kind === 'protocol' && !m.negated);
  const protocols = wanted?.kind === 'protocol' ? [wanted.protocol] : [...new Set(ports.map(port => port.protocol))];
  return protocols
    .sort((a, b) => a - b)
    .flatMap(protocol => {
      const given = ports.filter(port => port.protocol === protocol).map(({ port }) => ({ first: port, last: port }));
      const ranges: PortRange[] = [...own, ...given].sort((a, b) => a.first - b.first || a.last - b.last);
      if (ranges.length === 0) return [];
      const inRanges: Match = { kind: 'ports', side, ranges, sets: [], negated: false };
      return [wanted === undefined ? [{ kind: 'protocol', protocol, negated: false }, inRanges] : [inRanges]];
    });
}

function printPortMatch(match: Match): string {
  if (match.kind === 'ports') return match.ranges.map(range => `${range.first}-${range.last}`).join(',');
  return match.kind === 'protocol' ? `${match.protocol}` : '';
}

/** Whether the match can be answered by the peer's address, but for plain ports. The others are asked of the kernel's sets. */
function isPeerPorts(match: Match, side: Side, hasProtocol: boolean): match is PeerPortMatch {
  if (match.kind === 'ipPortSet') return match.side === side && !match.negated;
  if (match.kind !== 'ports' || match.side !== side || match.negated || match.sets.length === 0) return false;
  return hasProtocol || match.ranges.length === 0;
}

/** What a match of named ports says without asking for the address: to other ports it can't apply. */
function portBounds(match: Match, portsOf: PortsOf): Match[] {
  if (match.kind !== 'ports' || match.negated || match.sets.length === 0) return [];
  const known = match.sets.map(portsOf);
  if (known.includes(undefined)) return [];
  const named = known.flatMap(ports => (ports ?? []).map(port => ({ first: port, last: port })));
  return [{ kind: 'ports', side: match.side, ranges: [...match.ranges, ...named], sets: [], negated: false }];
}

function literalName(family: Family, nets: readonly Cidr[]): string {
  const text = nets.map(net => printCidr(maskCidr(net))).sort();
  return contentName(`nets-${family}`, text.join(' '));
}
