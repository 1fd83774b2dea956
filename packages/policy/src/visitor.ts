import type { IcmpMatch, IpPortSetMatch, IpSetMatch, Match, NetsMatch, PortsMatch, ProtocolMatch } from './program.ts';

/** One function per kind of match: a reader of the program that forgets a kind does not compile. */
export interface MatchVisitor<T> {
  protocol(match: ProtocolMatch): T;
  icmp(match: IcmpMatch): T;
  nets(match: NetsMatch): T;
  ipSet(match: IpSetMatch): T;
  ports(match: PortsMatch): T;
  ipPortSet(match: IpPortSetMatch): T;
}

/** Calls the visitor's function for the kind of `match` and gives its result. */
export function visitMatch<T>(match: Match, visitor: MatchVisitor<T>): T {
  switch (match.kind) {
    case 'protocol':
      return visitor.protocol(match);
    case 'icmp':
      return visitor.icmp(match);
    case 'nets':
      return visitor.nets(match);
    case 'ipSet':
      return visitor.ipSet(match);
    case 'ports':
      return visitor.ports(match);
    case 'ipPortSet':
      return visitor.ipPortSet(match);
  }
}
