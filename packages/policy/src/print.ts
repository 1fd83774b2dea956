import { printCidr } from '@calico/ip';
import type { Match, PortRange, Rule } from './program.ts';
import { printProtocol } from './protocol.ts';
import { type MatchVisitor, visitMatch } from './visitor.ts';

const not = (negated: boolean) => (negated ? 'not ' : '');

const PRINTER: MatchVisitor<string> = {
  protocol: m => `${not(m.negated)}protocol ${printProtocol(m.protocol)}`,
  icmp: m => `${not(m.negated)}icmp type ${m.type}${m.code === undefined ? '' : ` code ${m.code}`}`,
  nets: m => `${m.side} ${not(m.negated)}in {${m.nets.map(printCidr).join(', ')}}`,
  ipSet: m => `${m.side} ${not(m.negated)}in set ${m.set}`,
  ports: m => `${m.side} port ${not(m.negated)}in {${[...m.ranges.map(printPortRange), ...m.sets].join(', ')}}`,
  ipPortSet: m => `${m.side} with port ${not(m.negated)}in set ${m.set}`,
};

/** A range of ports as text: `80`, or `8080-8090`. */
export function printPortRange(range: PortRange): string {
  return range.first === range.last ? String(range.first) : `${range.first}-${range.last}`;
}

/** One condition in words, such as `destination port in {80, 8080-8090}`. */
export function printMatch(match: Match): string {
  return visitMatch(match, PRINTER);
}

/** A rule in one line, such as `allow ipv4, protocol tcp, source not in {10.0.0.0/8}`; conditions are all to hold. */
export function printRule(rule: Rule): string {
  const conditions = rule.matches.map(printMatch);
  if (rule.ipVersion !== undefined) conditions.unshift(`ipv${rule.ipVersion}`);
  return conditions.length === 0 ? `${rule.action} everything` : `${rule.action} ${conditions.join(', ')}`;
}
