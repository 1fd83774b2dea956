import { parseCidr } from '@calico/ip';
import { type FieldErrors, printValue } from '../../field-error.ts';
import { hasPorts, portRange, protocolNumber } from '../../ports.ts';
import type { EntityRule, PortSpec, Rule } from './rule.ts';

/** Where a list of rules stands. */
export interface RulePlace {
  readonly path: string;
  readonly direction: 'ingress' | 'egress';
  /** Whether the policy lives in a namespace, which a rule's service then defaults to. */
  readonly namespaced: boolean;
}

const ICMP = 1;
const ICMPV6 = 58;

/** Adds the faults of a list of rules that one field alone does not show. */
export function rulesRules(rules: readonly Rule[] | undefined, place: RulePlace, errors: FieldErrors): void {
  for (const [i, rule] of (rules ?? []).entries()) ruleRules(rule, { ...place, path: `${place.path}[${i}]` }, errors);
}

function ruleRules(rule: Rule, place: RulePlace, errors: FieldErrors): void {
  icmpRules(rule, place.path, errors);
  httpRules(rule, place, errors);
  for (const side of ['source', 'destination'] as const) {
    const entity = rule[side];
    if (entity === undefined) continue;
    const path = `${place.path}.${side}`;
    portRules(rule, entity, path, errors);
    netRules(rule, entity, path, errors);
    if (entity.services !== undefined) serviceRules(entity, side, { ...place, path }, errors);
  }
  familyRule(rule, place.path, errors);
}

function icmpRules(rule: Rule, path: string, errors: FieldErrors): void {
  for (const field of ['protocol', 'notProtocol'] as const) {
    const number = numberOf(rule[field]);
    const needed = number === ICMP ? 4 : number === ICMPV6 ? 6 : undefined;
    if (needed !== undefined && rule.ipVersion !== undefined && rule.ipVersion !== needed) {
      errors.invalid(
        `${path}.ipVersion`,
        rule.ipVersion,
        `must be ${needed} when ${field} is ${printValue(rule[field])}`,
      );
    }
  }
  for (const field of ['icmp', 'notICMP'] as const) {
    const icmp = rule[field];
    if (icmp?.code !== undefined && icmp.type === undefined)
      errors.required(`${path}.${field}.type`, 'a code needs a type');
  }
  const number = numberOf(rule.protocol);
  if (rule.icmp !== undefined && number !== ICMP && number !== ICMPV6) {
    errors.invalid(`${path}.protocol`, rule.protocol, 'must be ICMP or ICMPv6 when icmp is given');
  }
}

function numberOf(protocol: number | string | undefined): number | undefined {
  return protocol === undefined ? undefined : protocolNumber(protocol);
}

function httpRules(rule: Rule, place: RulePlace, errors: FieldErrors): void {
  const { http } = rule;
  if (http === undefined) return;
  const path = `${place.path}.http`;
  if (rule.action !== 'Allow')
    errors.invalid(`${place.path}.action`, rule.action, 'must be "Allow" when http is given');
  if (rule.protocol !== undefined && numberOf(rule.protocol) !== 6) {
    errors.invalid(`${place.path}.protocol`, rule.protocol, 'must be TCP when http is given');
  }
  if (place.direction === 'egress') errors.forbidden(path, http, 'http is allowed in ingress rules only');
  const seen = new Set<string>();
  for (const [i, method] of (http.methods ?? []).entries()) {
    if (seen.has(method)) errors.add('Duplicate', `${path}.methods[${i}]`, method, 'must stand only once in the list');
    seen.add(method);
  }
  const paths = new Set<string>();
  for (const [i, entry] of (http.paths ?? []).entries()) {
    const at = `${path}.paths[${i}]`;
    const text = entry.exact ?? entry.prefix;
    if (text === undefined || (entry.exact !== undefined && entry.prefix !== undefined)) {
      errors.invalid(at, entry, 'must have exactly one of exact and prefix');
      continue;
    }
    const field = entry.exact === undefined ? 'prefix' : 'exact';
    if (!text.startsWith('/') || /[?# ]/.test(text)) {
      errors.invalid(`${at}.${field}`, text, 'must start with "/" and have no "?", "#" or space');
    }
    const key = `${field} ${text}`;
    if (paths.has(key)) errors.add('Duplicate', at, entry, 'must stand only once in the list');
    paths.add(key);
  }
}

function portRules(rule: Rule, entity: EntityRule, path: string, errors: FieldErrors): void {
  const number = numberOf(rule.protocol);
  for (const field of ['ports', 'notPorts'] as const) {
    const ports: readonly PortSpec[] = entity[field] ?? [];
    if (ports.length === 0 || hasPorts(number)) continue;
    const numbered = ports.findIndex(port => portRange(port) !== undefined);
    if (rule.protocol !== undefined) {
      errors.invalid(
        `${path}.${field}`,
        ports,
        `ports need protocol TCP, UDP or SCTP; protocol is ${printValue(rule.protocol)}`,
      );
    } else if (numbered >= 0) {
      errors.invalid(
        `${path}.${field}[${numbered}]`,
        ports[numbered],
        'a port number needs protocol TCP, UDP or SCTP; without a protocol only names of ports are allowed',
      );
    }
  }
}

function netRules(rule: Rule, entity: EntityRule, path: string, errors: FieldErrors): void {
  for (const [i, net] of (entity.notNets ?? []).entries()) {
    if (parseCidr(net)?.length === 0) {
      errors.invalid(
        `${path}.notNets[${i}]`,
        net,
        'must leave something out: no rule could match; allowed: a prefix length of at least 1',
      );
    }
  }
  if (rule.ipVersion === undefined) return;
  for (const field of ['nets', 'notNets'] as const) {
    for (const [i, net] of (entity[field] ?? []).entries()) {
      const family = parseCidr(net)?.addr.family;
      if (family !== undefined && family !== rule.ipVersion) {
        errors.invalid(`${path}.${field}[${i}]`, net, `must be IPv${rule.ipVersion}, as ipVersion of the rule says`);
      }
    }
  }
}

/** All networks of a rule are of one family (those that contradict ipVersion are named already). */
function familyRule(rule: Rule, path: string, errors: FieldErrors): void {
  if (rule.ipVersion !== undefined) return;
  let first: { family: number; net: string } | undefined;
  for (const side of ['source', 'destination'] as const) {
    for (const field of ['nets', 'notNets'] as const) {
      for (const [i, net] of (rule[side]?.[field] ?? []).entries()) {
        const family = parseCidr(net)?.addr.family;
        if (family === undefined) continue;
        first ??= { family, net };
        if (family !== first.family) {
          errors.invalid(
            `${path}.${side}.${field}[${i}]`,
            net,
            `must be IPv${first.family} like "${first.net}": all networks of a rule are of one IP version`,
          );
          return;
        }
      }
    }
  }
}

function serviceRules(entity: EntityRule, side: 'source' | 'destination', place: RulePlace, errors: FieldErrors): void {
  const { path } = place;
  const { services } = entity;
  if (services === undefined) return;
  if (services.name === '') errors.required(`${path}.services.name`, 'the name of a service');
  if (!place.namespaced && (services.namespace ?? '') === '') {
    errors.required(`${path}.services.namespace`, 'a global policy must name the namespace of the service');
  }
  const wanted = place.direction === 'ingress' ? 'source' : 'destination';
  if (side !== wanted) {
    errors.forbidden(
      `${path}.services`,
      services,
      `services are allowed only in the ${wanted} of ${place.direction} rules`,
    );
  }
  for (const field of ['namespaceSelector', 'selector', 'notSelector'] as const) {
    if ((entity[field] ?? '') !== '')
      errors.forbidden(`${path}.${field}`, entity[field], 'cannot be combined with services');
  }
  if (entity.serviceAccounts !== undefined) {
    errors.forbidden(`${path}.serviceAccounts`, entity.serviceAccounts, 'cannot be combined with services');
  }
  for (const field of ['nets', 'notNets'] as const) {
    if ((entity[field] ?? []).length > 0)
      errors.forbidden(`${path}.${field}`, entity[field], 'cannot be combined with services');
  }
  if (side !== 'destination') return;
  for (const field of ['ports', 'notPorts'] as const) {
    if ((entity[field] ?? []).length > 0) {
      errors.forbidden(
        `${path}.${field}`,
        entity[field],
        "cannot be combined with services: the service's own ports are matched",
      );
    }
  }
}
