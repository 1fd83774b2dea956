import { type Cidr, parseCidr } from '@calico/ip';
import { badVariable } from '../node-error.ts';

/** How a node finds its own address: a value of IP_AUTODETECTION_METHOD or IP6_AUTODETECTION_METHOD. */
export type DetectionMethod =
  | { readonly kind: 'first-found' }
  | { readonly kind: 'interface'; readonly names: readonly RegExp[] }
  | { readonly kind: 'skip-interface'; readonly names: readonly RegExp[] }
  | { readonly kind: 'cidr'; readonly cidrs: readonly Cidr[] }
  | { readonly kind: 'can-reach'; readonly host: string }
  | { readonly kind: 'kubernetes-internal-ip' };

const grammar =
  'first-found, interface=<regex>,…, skip-interface=<regex>,…, cidr=<cidr>,…, can-reach=<host>, kubernetes-internal-ip';

/** Reads a method; empty is `first-found`. Throws NodeError that names the variable. */
export function parseDetectionMethod(variable: string, text = ''): DetectionMethod {
  if (text === '' || text === 'first-found') return { kind: 'first-found' };
  if (text === 'kubernetes-internal-ip') return { kind: 'kubernetes-internal-ip' };
  const equals = text.indexOf('=');
  const value = text.slice(equals + 1);
  switch (text.slice(0, Math.max(equals, 0))) {
    case 'interface':
      return { kind: 'interface', names: splitList(value).map(part => pattern(variable, text, part)) };
    case 'skip-interface':
      return { kind: 'skip-interface', names: splitList(value).map(part => pattern(variable, text, part)) };
    case 'cidr':
      return { kind: 'cidr', cidrs: splitList(value).map(part => prefix(variable, text, part)) };
    case 'can-reach':
      if (value.trim() === '') throw badVariable(variable, text, 'can-reach=<an address or the name of a host>');
      return { kind: 'can-reach', host: value.trim() };
    default:
      throw badVariable(variable, text, grammar);
  }
}

function splitList(text: string): string[] {
  return text.trim().split(/\s*,\s*/);
}

function pattern(variable: string, text: string, part: string): RegExp {
  try {
    if (part !== '') return new RegExp(part);
  } catch {
    // Refused below, as an empty one is: that would match everything.
  }
  throw badVariable(variable, text, `regular expressions of interface names, which "${part}" is not`);
}

function prefix(variable: string, text: string, part: string): Cidr {
  const parsed = part.includes('/') ? parseCidr(part) : undefined;
  if (parsed === undefined) throw badVariable(variable, text, `CIDRs such as 10.0.0.0/8, which "${part}" is not`);
  return parsed;
}
