/** `ip(…)` and `cidr(…)` of Kubernetes. Source: Kubernetes documentation, "Common Expression Language in Kubernetes", IP address and CIDR. */
import {
  type Addr,
  type Cidr,
  cidrContains,
  cidrCovers,
  maskCidr,
  parseAddr,
  parseCidr,
  printAddr,
  printCidr,
} from '@calico/ip';
import type { Environment } from '@marcbachmann/cel-js';

/** An address as a value of the language. */
class IpValue {
  readonly addr: Addr;
  constructor(addr: Addr) {
    this.addr = addr;
  }
}

/** A network as a value of the language. */
class CidrValue {
  readonly cidr: Cidr;
  constructor(cidr: Cidr) {
    this.cidr = cidr;
  }
}

/** No zones, no IPv4 inside IPv6, as in Kubernetes. */
const readIp = (text: string): Addr | undefined =>
  text.includes('%') || (text.includes(':') && text.includes('.')) ? undefined : parseAddr(text);
const readCidr = (text: string): Cidr | undefined =>
  text.includes('%') || !text.includes('/') || (text.includes(':') && text.includes('.')) ? undefined : parseCidr(text);

function ip(text: string): IpValue {
  const addr = readIp(text);
  if (addr === undefined)
    throw new Error(`IP Address ${JSON.stringify(text)} parse error during conversion from string`);
  return new IpValue(addr);
}

function cidr(text: string): CidrValue {
  const found = readCidr(text);
  if (found === undefined) throw new Error(`network address parse error during conversion from string: ${text}`);
  return new CidrValue(found);
}

function network(text: string): Cidr {
  const found = parseCidr(text);
  if (found === undefined) throw new Error(`Cannot read ${text}: it is no network`);
  return found;
}

/** RFC 6890 and RFC 4291; what Go's net/netip calls so. */
const RANGES: Readonly<Record<string, readonly Cidr[]>> = {
  isLoopback: [network('127.0.0.0/8'), network('::1/128')],
  isUnspecified: [network('0.0.0.0/32'), network('::/128')],
  isLinkLocalMulticast: [network('224.0.0.0/24'), network('ff02::/16')],
  isLinkLocalUnicast: [network('169.254.0.0/16'), network('fe80::/10')],
};
const NOT_GLOBAL = [
  ...Object.values(RANGES).flat(),
  network('224.0.0.0/4'),
  network('ff00::/8'),
  network('255.255.255.255/32'),
];
const within = (ranges: readonly Cidr[], addr: Addr): boolean => ranges.some(range => cidrContains(range, addr));

/** Makes addresses and networks known to an environment. */
export function registerNetworkFunctions(env: Environment): void {
  env.registerType('net.IP', IpValue);
  env.registerType('net.CIDR', CidrValue);
  env.registerFunction('isIP(string): bool', (text: string) => readIp(text) !== undefined);
  env.registerFunction('ip(string): net.IP', ip);
  env.registerFunction('string(net.IP): string', ({ addr }: IpValue) => printAddr(addr));
  env.registerFunction('net.IP.family(): int', ({ addr }: IpValue) => BigInt(addr.family));
  env.registerOperator('net.IP == net.IP', (a: IpValue, b: IpValue) => printAddr(a.addr) === printAddr(b.addr));
  for (const [name, ranges] of Object.entries(RANGES)) {
    env.registerFunction(`net.IP.${name}(): bool`, ({ addr }: IpValue) => within(ranges, addr));
  }
  env.registerFunction('net.IP.isGlobalUnicast(): bool', ({ addr }: IpValue) => !within(NOT_GLOBAL, addr));

  env.registerFunction('isCIDR(string): bool', (text: string) => readCidr(text) !== undefined);
  env.registerFunction('cidr(string): net.CIDR', cidr);
  env.registerFunction('string(net.CIDR): string', (value: CidrValue) => printCidr(value.cidr));
  env.registerFunction('net.CIDR.ip(): net.IP', (value: CidrValue) => new IpValue(value.cidr.addr));
  env.registerFunction('net.CIDR.masked(): net.CIDR', (value: CidrValue) => new CidrValue(maskCidr(value.cidr)));
  env.registerFunction('net.CIDR.prefixLength(): int', (value: CidrValue) => BigInt(value.cidr.length));
  env.registerOperator('net.CIDR == net.CIDR', (a: CidrValue, b: CidrValue) => printCidr(a.cidr) === printCidr(b.cidr));
  const containsIp = (value: CidrValue, other: IpValue): boolean => cidrContains(value.cidr, other.addr);
  const containsCidr = (value: CidrValue, other: CidrValue): boolean => cidrCovers(value.cidr, other.cidr);
  env.registerFunction('net.CIDR.containsIP(net.IP): bool', containsIp);
  env.registerFunction('net.CIDR.containsIP(string): bool', (v: CidrValue, text: string) => containsIp(v, ip(text)));
  env.registerFunction('net.CIDR.containsCIDR(net.CIDR): bool', containsCidr);
  env.registerFunction('net.CIDR.containsCIDR(string): bool', (v: CidrValue, text: string) =>
    containsCidr(v, cidr(text)),
  );
}
