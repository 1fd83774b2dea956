import type { Family } from '@calico/ip';
import { hasPorts, type Match, type PortRange, type PortsMatch, type Rule } from '@calico/policy';
import { mergeRanges } from '../render-rule.ts';
import type { ResidualRule } from './residual.ts';

/** Ports for which the same rules are left. */
export interface PortRegion extends PortRange {
  readonly rules: readonly ResidualRule[];
}

const icmpProtocol: Record<Family, number> = { 4: 1, 6: 58 };
const withPorts = [6, 17, 132];
export const highestPort = 65535;

/** The protocols that the rules speak of: of all others the same is left. */
export function protocolsOf(rules: readonly ResidualRule[], family: Family): number[] {
  const named = new Set<number>();
  for (const { rule } of rules) {
    for (const match of rule.matches) {
      if (match.kind === 'protocol') named.add(match.protocol);
      else if (match.kind === 'icmp') named.add(icmpProtocol[family]);
      else if (match.kind === 'ports' || match.kind === 'ipPortSet') for (const one of withPorts) named.add(one);
    }
  }
  return [...named].sort((a, b) => a - b);
}

/** What is left of the rules for packets of a protocol; undefined: one that no rule speaks of. */
export function withProtocol(
  rules: readonly ResidualRule[],
  protocol: number | undefined,
  family: Family,
): readonly ResidualRule[] {
  const ported = protocol !== undefined && hasPorts(protocol);
  return answered(rules, match => {
    switch (match.kind) {
      case 'protocol':
        return (match.protocol === protocol) !== match.negated;
      case 'icmp':
        return protocol === icmpProtocol[family] ? match : match.negated;
      case 'ports':
      case 'ipPortSet':
        return ported ? match : match.negated;
      default:
        return match;
    }
  });
}

/** What is left of the rules for packets to a port; the sets of named ports are still to be asked. */
export function withPort(rules: readonly ResidualRule[], port: number): readonly ResidualRule[] {
  return answered(rules, match => {
    if (match.kind !== 'ports' || match.side !== 'destination') return match;
    if (match.ranges.some(({ first, last }) => first <= port && port <= last)) return !match.negated;
    return match.sets.length === 0 ? match.negated : match.ranges.length === 0 ? match : { ...match, ranges: [] };
  });
}

/** What is left when the packet's transport header can't be read: no rule that asks for a port, or what it carries, applies. */
export function withoutHeader(rules: readonly ResidualRule[]): readonly ResidualRule[] {
  return answered(rules, match => match.kind !== 'ports' && match.kind !== 'ipPortSet' && match);
}

/** Cuts the ports into the regions in which the rules leave the same; undefined when that takes more than the budget. */
export function portRegions(rules: readonly ResidualRule[], budget: number): PortRegion[] | undefined {
  const starts = portStarts(rules.map(({ rule }) => rule));
  // What a rule without ports, or within its ranges, leaves is the same everywhere.
  const always = rules.filter(rule => !rule.rule.matches.some(isDestinationPorts));
  if (starts.length * (always.length + 1) > budget) return undefined;
  const beginning = new Map<number, ResidualRule[]>();
  const ending = new Map<number, ResidualRule[]>();
  const others: ResidualRule[] = [];
  for (const rule of rules) {
    const asked = rule.rule.matches.filter(isDestinationPorts);
    const [only] = asked;
    if (only === undefined) continue;
    if (asked.length > 1 || only.negated || only.sets.length > 0) others.push(rule);
    else {
      const [inside] = only.ranges.length === 0 ? [] : withPort([rule], only.ranges[0]?.first ?? 0);
      for (const { first, last } of inside === undefined ? [] : mergeRanges(only.ranges)) {
        append(beginning, first, inside as ResidualRule);
        append(ending, last + 1, inside as ResidualRule);
      }
    }
  }
  const open = new Set<ResidualRule>();
  const regions: { first: number; last: number; rules: readonly ResidualRule[] }[] = [];
  let size = 0;
  for (const [i, first] of starts.entries()) {
    for (const rule of ending.get(first) ?? []) open.delete(rule);
    for (const rule of beginning.get(first) ?? []) open.add(rule);
    const left = [...always, ...open, ...withPort(others, first)].sort((a, b) => a.position - b.position);
    const last = (starts[i + 1] ?? highestPort + 1) - 1;
    const before = regions.at(-1);
    if (before !== undefined && sameRules(before.rules, left)) before.last = last;
    else {
      regions.push({ first, last, rules: left });
      size += left.length + 1;
      if (size > budget) return undefined;
    }
  }
  return regions;
}

function isDestinationPorts(match: Match): match is PortsMatch {
  return match.kind === 'ports' && match.side === 'destination';
}

function append<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}

/** The ports at which something else may be left of the rules than at the port before. */
export function portStarts(rules: Iterable<Rule>): number[] {
  const starts = new Set([0]);
  for (const rule of rules) {
    for (const match of rule.matches) {
      if (!isDestinationPorts(match)) continue;
      for (const { first, last } of match.ranges) {
        starts.add(first);
        if (last < highestPort) starts.add(last + 1);
      }
    }
  }
  return [...starts].sort((a, b) => a - b);
}

/** The destination ports to which the rule can apply; undefined: any. */
export function portsOfRule({ rule }: ResidualRule): readonly PortRange[] | undefined {
  for (const match of rule.matches) {
    if (match.kind !== 'ports' || match.side !== 'destination' || match.negated) continue;
    if (match.sets.length === 0) return match.ranges;
  }
  return undefined;
}

function sameRules(a: readonly ResidualRule[], b: readonly ResidualRule[]): boolean {
  return a.length === b.length && a.every((rule, i) => rule.key === b[i]?.key);
}

/** Answers the matches that can be: true and false decide, a match stays to be asked. */
function answered(rules: readonly ResidualRule[], answer: (match: Match) => boolean | Match): readonly ResidualRule[] {
  const left: ResidualRule[] = [];
  for (const rule of rules) {
    const one = withAnswers(rule, answer);
    if (one !== undefined) left.push(one);
  }
  return left;
}

function withAnswers(one: ResidualRule, answer: (match: Match) => boolean | Match): ResidualRule | undefined {
  const { matches } = one.rule;
  const left: Match[] = [];
  let kept = '';
  for (let i = 0; i < matches.length; i++) {
    const match = matches[i];
    const answered = match !== undefined && answer(match);
    if (answered === false) return undefined;
    if (answered === true) continue;
    left.push(answered);
    kept += answered === match ? `${i},` : `${i}s,`;
  }
  if (left.length === matches.length && !kept.includes('s')) return one;
  return { ...one, rule: { ...one.rule, matches: left }, key: `${one.key}[${kept}]` };
}
