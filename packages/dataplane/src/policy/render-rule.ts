import { addrToBytes, type Cidr, type Family, maskCidr, printCidr } from '@calico/ip';
import type { Expr } from '@calico/kernel';
import type { Match, PortRange, Rule, SetId, Side } from '@calico/policy';
import * as nft from './expressions.ts';
import { kernelSetName } from './names.ts';

/** A constant set or map that rules need for what one comparison can't hold. */
export type LiteralSet =
  | { readonly kind: 'nets'; readonly family: Family; readonly nets: readonly Cidr[] }
  | { readonly kind: 'ports'; readonly ranges: readonly PortRange[] }
  /** Key bytes (of `inet_service` first and last port) → chain, in order of the keys. */
  | {
      readonly kind: 'verdicts';
      readonly key: 'inet_proto' | 'inet_service';
      readonly entries: readonly (readonly [key: string, chain: string])[];
    }
  /** First and last address → number, as a mark's bytes. */
  | {
      readonly kind: 'classes';
      readonly family: Family;
      readonly entries: readonly (readonly [key: string, mark: string])[];
    };

/** What rendering asks of its surroundings. */
export interface RenderContext {
  readonly family: Family;
  /** Whether the set has members of this family that are networks, not single addresses. */
  hasNets(set: SetId): boolean;
  /** Gives the kernel's name of a constant set with this content. */
  literal(set: LiteralSet): string;
  /** Name of the rule's counter. */
  counter(rule: Rule): string;
  /** What `pass` and `log` become here. */
  pass: Expr;
  log(rule: Rule): Expr;
}

/**
 * Renders one rule for one IP family as kernel rules: none when it can't match in this family, several where a match
 * has alternatives that the kernel can't express in one rule. A packet is counted, and logged, at most once.
 */
export function renderRule(rule: Rule, context: RenderContext): Expr[][] {
  if (rule.ipVersion !== undefined && rule.ipVersion !== context.family) return [];
  let bodies: Expr[][] = [[]];
  for (const match of inOrder(rule.matches)) {
    const alternatives = renderMatch[match.kind](match as never, context);
    bodies = bodies.flatMap(body => alternatives.map(alternative => [...body, ...alternative]));
  }
  const end = renderAction(rule, context);
  return bodies.map(body => [...body, nft.countAs(context.counter(rule)), end]);
}

function renderAction(rule: Rule, context: RenderContext): Expr {
  switch (rule.action) {
    case 'allow':
      return nft.verdict('accept');
    case 'deny':
      return nft.deny();
    case 'pass':
      return context.pass;
    case 'log':
      return context.log(rule);
  }
}

/** The protocol first: the loads of ports and ICMP fields behind it are safe only then. */
function inOrder(matches: readonly Match[]): Match[] {
  return [...matches.filter(m => m.kind === 'protocol'), ...matches.filter(m => m.kind !== 'protocol')];
}

/**
 * For each kind of match its alternatives, each a list of conditions that all must hold. The alternatives exclude one
 * another. No alternative: the match can't hold in this family; an empty alternative: it always holds.
 */
const renderMatch: { [K in Match['kind']]: (match: Extract<Match, { kind: K }>, context: RenderContext) => Expr[][] } =
  {
    protocol: match => [nft.protocolIs(match.protocol, match.negated)],

    icmp(match, { family }) {
      const icmp = nft.protocolIs(family === 4 ? 1 : 58);
      const fields = nft.icmpIs(match.type, match.code, match.negated);
      if (!match.negated) return [[...icmp, ...fields]];
      return [nft.protocolIs(family === 4 ? 1 : 58, true), [...icmp, ...fields]];
    },

    nets(match, { family, literal }) {
      const nets = match.nets.filter(net => net.addr.family === family);
      const [first, ...others] = nets;
      // Nothing of this family is in the list.
      if (first === undefined) return match.negated ? [[]] : [];
      if (others.length > 0) {
        return [nft.addressInSet(family, match.side, literal({ kind: 'nets', family, nets }), match.negated)];
      }
      if (first.length === 0) return match.negated ? [] : [[]];
      const network = addrToBytes(maskCidr(first).addr);
      return [nft.addressInNet(family, match.side, network, first.length, match.negated)];
    },

    ipSet(match, { family, hasNets }) {
      const inHosts = (negated: boolean) =>
        nft.addressInSet(family, match.side, kernelSetName(match.set, family, 'hosts'), negated);
      const inNets = (negated: boolean) =>
        nft.addressInSet(family, match.side, kernelSetName(match.set, family, 'nets'), negated);
      if (!hasNets(match.set)) return [inHosts(match.negated)];
      if (match.negated) return [[...inHosts(true), ...inNets(true)]];
      return [inHosts(false), [...inHosts(true), ...inNets(false)]];
    },

    ipPortSet: (match, context) => [inPortSet(match.side, match.set, match.negated, context)],

    ports(match, context) {
      const tests: ((negated: boolean) => Expr[])[] = match.sets.map(
        set => negated => inPortSet(match.side, set, negated, context),
      );
      if (match.ranges.length > 0) tests.unshift(negated => inRanges(match.side, match.ranges, negated, context));
      if (match.negated) return [tests.flatMap(test => test(true))];
      // Each alternative excludes the ones before it.
      return tests.map((test, i) => [...tests.slice(0, i).flatMap(earlier => earlier(true)), ...test(false)]);
    },
  };

function inPortSet(side: Side, set: SetId, negated: boolean, { family }: RenderContext): Expr[] {
  return nft.addressAndPortInSet(family, side, kernelSetName(set, family, 'ports'), negated);
}

function inRanges(side: Side, ranges: readonly PortRange[], negated: boolean, context: RenderContext): Expr[] {
  const merged = mergeRanges(ranges);
  const [only, ...others] = merged;
  if (only !== undefined && others.length === 0) return nft.portInRange(side, only.first, only.last, negated);
  return nft.portInSet(side, context.literal({ kind: 'ports', ranges: merged }), negated);
}

/** Sorts ranges and joins those that overlap or touch: the kernel's interval sets refuse overlaps. */
export function mergeRanges(ranges: readonly PortRange[]): PortRange[] {
  const merged: { first: number; last: number }[] = [];
  for (const range of [...ranges].sort((a, b) => a.first - b.first)) {
    const previous = merged.at(-1);
    if (previous !== undefined && range.first <= previous.last + 1) previous.last = Math.max(previous.last, range.last);
    else merged.push({ first: range.first, last: range.last });
  }
  return merged;
}

/** The content of a literal set as text, the same for equal content. */
export function printLiteral(set: LiteralSet): string {
  if (set.kind === 'ports') return set.ranges.map(r => `${r.first}-${r.last}`).join(' ');
  if (set.kind !== 'nets') return set.entries.map(([key, value]) => `${key}=${value}`).join(' ');
  return set.nets
    .map(net => printCidr(maskCidr(net)))
    .sort()
    .join(' ');
}
