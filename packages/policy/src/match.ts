import { type Addr, cidrContains } from '@calico/ip';
import type { Match, Packet, PortRange, Rule, SetId, Side } from './program.ts';
import { hasPorts } from './protocol.ts';
import { type MatchVisitor, visitMatch } from './visitor.ts';

/** Where the evaluator asks for the members of sets. */
export interface Sets {
  /**
   * Without protocol and port: whether a member of the set (type `net`) covers the address. With both: whether
   * (address, protocol, port) is a member (type `ipPort`). An unknown set has no members.
   */
  setContains(set: SetId, address: Addr, protocol?: number, port?: number): boolean;
}

/** What kept a rule from applying: its IP version, or the first of its matches that did not hold. */
export type Mismatch = { readonly kind: 'ipVersion'; readonly wanted: 4 | 6 } | Match;

/** The first condition of `rule` that does not hold for `packet`, or undefined when the rule applies. */
export function findMismatch(rule: Rule, packet: Packet, sets: Sets): Mismatch | undefined {
  if (rule.ipVersion !== undefined && rule.ipVersion !== packet.family) {
    return { kind: 'ipVersion', wanted: rule.ipVersion };
  }
  const holds = matcher(packet, sets);
  return rule.matches.find(match => visitMatch(match, holds) === match.negated);
}

/** A visitor that tells whether a match holds for the packet, its negation not yet regarded. */
function matcher(packet: Packet, sets: Sets): MatchVisitor<boolean> {
  const portOf = (side: Side) => {
    if (!hasPorts(packet.protocol)) return undefined;
    return side === 'source' ? packet.sourcePort : packet.destinationPort;
  };
  const inPortSet = (set: SetId, side: Side) => {
    const port = portOf(side);
    return port !== undefined && sets.setContains(set, packet[side], packet.protocol, port);
  };
  return {
    protocol: m => m.protocol === packet.protocol,
    icmp: m => {
      if (packet.protocol !== (packet.family === 4 ? 1 : 58)) return false;
      return m.type === packet.icmpType && (m.code === undefined || m.code === packet.icmpCode);
    },
    nets: m => m.nets.some(net => cidrContains(net, packet[m.side])),
    ipSet: m => sets.setContains(m.set, packet[m.side]),
    ports: m => inRanges(m.ranges, portOf(m.side)) || m.sets.some(set => inPortSet(set, m.side)),
    ipPortSet: m => inPortSet(m.set, m.side),
  };
}

function inRanges(ranges: readonly PortRange[], port: number | undefined): boolean {
  return port !== undefined && ranges.some(range => range.first <= port && port <= range.last);
}
