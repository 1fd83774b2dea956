import { isMasked, parseAddr, parseCidr } from '@calico/ip';
import { validateSelector } from '@calico/selector';
import { parseTime } from '../age.ts';
import { printCanonical } from '../cidr-text.ts';
import { isRulePortName } from '../names.ts';
import { portRange, protocolNumber } from '../ports.ts';

/** A check of one value: undefined if it is good, else what is allowed. */
type Format = (value: unknown) => string | undefined;

const textual =
  (check: (text: string) => string | undefined): Format =>
  value =>
    typeof value === 'string' ? check(value) : undefined;

const family = (wanted: 4 | 6): Format =>
  textual(text => (parseAddr(text)?.family === wanted ? undefined : `must be an IPv${wanted} address`));

/** A selector's text must parse; `global` says whether global() may stand in it. */
const selector = (global: boolean): Format =>
  textual(text => {
    if (!global && text.includes('global(')) return 'must be a selector without global()';
    const fault = validateSelector(text);
    return fault === undefined ? undefined : `must be a selector such as "app == 'web'" or "all()": ${fault}`;
  });

/** Every format that a schema can name in `x-calico-format`. */
export const FORMATS: { readonly [name: string]: Format } = {
  'date-time': textual(text =>
    /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d/.test(text) && parseTime(text) !== undefined
      ? undefined
      : 'must be a time such as "2026-01-02T03:04:05Z"',
  ),
  ip: textual(text => (parseAddr(text) === undefined ? 'must be an IP address' : undefined)),
  ipv4: family(4),
  ipv6: family(6),
  cidr: textual(text =>
    parseCidr(text) === undefined ? 'must be a CIDR such as "10.0.0.0/16" or "fd00::/64", or an IP address' : undefined,
  ),
  'masked-cidr': textual(text => {
    const cidr = text.includes('/') ? parseCidr(text) : undefined;
    if (cidr === undefined) return 'must be a CIDR such as "10.0.0.0/16" or "fd00::/64"';
    return isMasked(cidr) ? undefined : `host bits must be zero, as in ${JSON.stringify(printCanonical(cidr))}`;
  }),
  net: textual(text => {
    const cidr = parseCidr(text);
    if (cidr === undefined) return 'must be a CIDR such as "10.0.0.0/16" or "fd00::/64"';
    if (!text.includes('/')) return `must have a prefix length, as in ${JSON.stringify(printCanonical(cidr))}`;
    return isMasked(cidr) ? undefined : `host bits must be zero, as in ${JSON.stringify(printCanonical(cidr))}`;
  }),
  'net-any': textual(text =>
    text.includes('/') && parseCidr(text) !== undefined
      ? undefined
      : 'must be a CIDR such as "10.0.0.0/16" or "fd00::/64"',
  ),
  selector: selector(true),
  'local-selector': selector(false),
  'namespace-selector': textual(text => {
    if (text.includes('global(')) {
      return /^[ \t]*global\([ \t]*\)[ \t]*$/.test(text) ? undefined : 'global() must be the whole selector';
    }
    return selector(true)(text);
  }),
  'int32-or-text': value =>
    typeof value === 'string' || (Number(value) >= -(2 ** 31) && Number(value) < 2 ** 31)
      ? undefined
      : 'must be text, or a number of 32 bits',
  port: value =>
    portRange(value) !== undefined || (typeof value === 'string' && !/^[\d:]+$/.test(value) && isRulePortName(value))
      ? undefined
      : 'must be a port from 1 to 65535, a range "first:last", or a name of letters, digits, "-", "_", "." (at most 128)',
  'port-range': value =>
    portRange(value) === undefined ? 'must be a port from 1 to 65535 or a range "first:last"' : undefined,
  protocol: value =>
    typeof value === 'string' || typeof value === 'number'
      ? protocolNumber(value) === undefined
        ? 'must be TCP, UDP, ICMP, ICMPv6, SCTP, UDPLite or a number from 1 to 255'
        : undefined
      : undefined,
  interface: textual(text =>
    text === '*' || /^[a-zA-Z0-9_.-]{1,15}$/.test(text)
      ? undefined
      : 'must be "*" or an interface name: letters, digits, "-", "_", "." (at most 15)',
  ),
  'transport-protocol': textual(text =>
    /^(TCP|UDP|SCTP)?$/i.test(text) ? undefined : 'must be one of "TCP", "UDP", "SCTP", in any case',
  ),
  'interface-pattern': textual(text =>
    /^[a-zA-Z0-9_.*-]{1,15}$/.test(text)
      ? undefined
      : 'must be an interface name, "*" in it allowed: letters, digits, "-", "_", "." (at most 15)',
  ),
  'as-number': value =>
    parseAsNumber(value) === undefined ? 'must be a number from 0 to 4294967295, or "high.low"' : undefined,
};

/** The number of an AS written as a number or as `high.low`, or undefined. */
export function parseAsNumber(value: unknown): number | undefined {
  if (typeof value === 'number')
    return Number.isInteger(value) && value >= 0 && value <= 0xffffffff ? value : undefined;
  if (typeof value !== 'string') return undefined;
  if (/^\d{1,10}$/.test(value)) return parseAsNumber(Number(value));
  const dotted = /^(\d{1,5})\.(\d{1,5})$/.exec(value);
  if (dotted === null) return undefined;
  const high = Number(dotted[1]);
  const low = Number(dotted[2]);
  return high <= 0xffff && low <= 0xffff ? high * 0x10000 + low : undefined;
}
