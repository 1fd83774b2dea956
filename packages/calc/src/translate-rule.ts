import { type Rule as ApiRule, type EntityRule, portRange, protocolNumber } from '@calico/api';
import { type Cidr, type Family, maskCidr, parseCidr } from '@calico/ip';
import { type Action, hasPorts, type Match, type PortRange, type Rule, type Side } from '@calico/policy';
import { parseSelector, type Selector } from '@calico/selector';
import { InvalidResource } from './invalid.ts';
import { entitySelectors } from './selectors.ts';
import { namedPortSet, type PortProtocol, type SetDefinition, selectorSet, serviceSet } from './set-definition.ts';

const ACTIONS: Readonly<Record<string, Action>> = { Allow: 'allow', Deny: 'deny', Pass: 'pass', Log: 'log' };
const PORT_PROTOCOLS: Readonly<Record<number, PortProtocol>> = { 6: 'tcp', 17: 'udp', 132: 'sctp' };

/** What a rule is read with. */
interface Context {
  /** The policy's namespace; undefined for global policies and profiles. */
  readonly namespace: string | undefined;
  /** Receives the sets that the rule asks. */
  readonly sets: Map<string, SetDefinition>;
}

/**
 * Translates the rules of one direction into the rule program. `sets` receives the definition of every set they ask.
 * HTTP criteria are left out: the kernel sees none, the proxy of the application layer enforces them.
 * Throws InvalidResource or SelectorError when a rule cannot be read.
 */
export function translateRules(
  rules: readonly ApiRule[] | undefined,
  namespace: string | undefined,
  sets: Map<string, SetDefinition>,
): Rule[] {
  return (rules ?? []).map((rule, index) => translateRule(rule, index, { namespace, sets }));
}

function translateRule(rule: ApiRule, index: number, context: Context): Rule {
  const action = ACTIONS[rule.action];
  if (action === undefined) throw new InvalidResource(`Cannot read rule ${index}: action is ${rule.action}`);
  const protocol = rule.protocol === undefined ? undefined : readProtocol(rule.protocol);
  const matches: Match[] = [];
  if (protocol !== undefined) matches.push({ kind: 'protocol', protocol, negated: false });
  if (rule.notProtocol !== undefined) {
    matches.push({ kind: 'protocol', protocol: readProtocol(rule.notProtocol), negated: true });
  }
  pushIcmp(matches, rule.icmp, false);
  pushIcmp(matches, rule.notICMP, true);
  if (rule.source !== undefined) pushEntity(matches, rule.source, 'source', protocol, context);
  if (rule.destination !== undefined) pushEntity(matches, rule.destination, 'destination', protocol, context);
  const version = ipVersion(rule, matches);
  return version === undefined ? { index, action, matches } : { index, action, ipVersion: version, matches };
}

/**
 * The IP version that a rule is for: as it says, or that of its lists of nets, since a list without any net of a
 * packet's version says nothing of the packet, negated or not.
 */
function ipVersion(rule: ApiRule, matches: readonly Match[]): Family | undefined {
  const versions = new Set<Family>();
  if (rule.ipVersion === 4 || rule.ipVersion === 6) versions.add(rule.ipVersion);
  for (const match of matches) {
    if (match.kind !== 'nets') continue;
    const families = new Set(match.nets.map(net => net.addr.family));
    if (families.size === 1) for (const family of families) versions.add(family);
  }
  if (versions.size > 1) throw new InvalidResource('Cannot read rule: nets are of both IP versions; allowed: one');
  return [...versions][0];
}

function readProtocol(protocol: number | string): number {
  const number = protocolNumber(protocol);
  if (number === undefined) {
    throw new InvalidResource(`Cannot read rule: protocol is ${protocol}; allowed: a known name, 1 to 255`);
  }
  return number;
}

function pushIcmp(matches: Match[], icmp: ApiRule['icmp'], negated: boolean): void {
  if (icmp?.type === undefined) return;
  const { type, code } = icmp;
  matches.push({ kind: 'icmp', type, ...(code === undefined ? {} : { code }), negated });
}

function pushEntity(
  matches: Match[],
  entity: EntityRule,
  side: Side,
  protocol: number | undefined,
  context: Context,
): void {
  const { positive, negative } = entitySelectors(entity, context.namespace);
  const portProtocol = protocol === undefined ? undefined : PORT_PROTOCOLS[protocol];
  const ports = (list: EntityRule['ports'], negated: boolean) =>
    readPorts(list, side, negated, positive, portProtocol, context);
  const wanted = ports(entity.ports, false);

  if (entity.nets !== undefined && entity.nets.length > 0) {
    matches.push({ kind: 'nets', side, nets: entity.nets.map(readNet), negated: false });
  }
  if (entity.notNets !== undefined && entity.notNets.length > 0) {
    matches.push({ kind: 'nets', side, nets: entity.notNets.map(readNet), negated: true });
  }
  // Members of a named port's set match the selector already; where only such are asked, the selector's set is spared.
  const impliedByPorts = wanted !== undefined && wanted.ranges.length === 0;
  if (positive !== undefined && !impliedByPorts) matches.push(setMatch(positive, side, false, context));
  if (negative !== undefined) matches.push(setMatch(negative, side, true, context));
  if (wanted !== undefined) matches.push(wanted);
  const unwanted = ports(entity.notPorts, true);
  if (unwanted !== undefined) matches.push(unwanted);
  if (entity.services !== undefined) matches.push(serviceMatch(entity.services, side, context));
  if (portProtocol === undefined && protocol !== undefined && !hasPorts(protocol)) refuseRanges(wanted, unwanted);
}

function refuseRanges(...lists: readonly ({ readonly ranges: readonly PortRange[] } | undefined)[]): void {
  if (lists.some(list => list !== undefined && list.ranges.length > 0)) {
    throw new InvalidResource('Cannot read rule: it has ports; allowed: none, for a protocol without ports');
  }
}

function setMatch(selector: Selector, side: Side, negated: boolean, context: Context): Match {
  const set = addSet(context, selectorSet(selector));
  return { kind: 'ipSet', side, set, negated };
}

function serviceMatch(services: NonNullable<EntityRule['services']>, side: Side, context: Context): Match {
  const namespace = services.namespace || context.namespace;
  if (namespace === undefined) throw new InvalidResource(`Cannot read rule: service ${services.name} has no namespace`);
  if (side === 'source') {
    return { kind: 'ipSet', side, set: addSet(context, serviceSet(namespace, services.name, false)), negated: false };
  }
  return { kind: 'ipPortSet', side, set: addSet(context, serviceSet(namespace, services.name, true)), negated: false };
}

function addSet(context: Context, definition: SetDefinition): string {
  if (!context.sets.has(definition.id)) context.sets.set(definition.id, definition);
  return definition.id;
}

function readNet(text: string): Cidr {
  const net = parseCidr(text);
  if (net === undefined) throw new InvalidResource(`Cannot read rule: net is ${text}; allowed: a CIDR`);
  return maskCidr(net);
}

function readPorts(
  ports: EntityRule['ports'],
  side: Side,
  negated: boolean,
  positive: Selector | undefined,
  protocol: PortProtocol | undefined,
  context: Context,
) {
  if (ports === undefined || ports.length === 0) return undefined;
  const ranges: PortRange[] = [];
  const sets: string[] = [];
  for (const port of ports) {
    const range = readRange(port);
    if (range !== undefined) ranges.push(range);
    else sets.push(addSet(context, namedPortSet(positive ?? parseSelector('all()'), String(port), protocol)));
  }
  return { kind: 'ports' as const, side, ranges, sets, negated };
}

/** A number or `first:last`; undefined for the name of a port. */
function readRange(port: number | string): PortRange | undefined {
  const range = portRange(port);
  if (range === undefined && /^[\d:.-]*$/.test(String(port))) {
    throw new InvalidResource(`Cannot read rule: port is ${port}; allowed: 1 to 65535, first:last, a name`);
  }
  return range;
}
