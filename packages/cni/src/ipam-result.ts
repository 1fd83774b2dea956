import { type Addr, type Cidr, parseAddr, parseCidr } from '@calico/ip';
import { CniError, errorCodes } from './cni-error.ts';
import { type Fields, isFields } from './config-fields.ts';

/** What an IPAM plugin gave. */
export interface IpamResult {
  readonly addresses: readonly Addr[];
  /** Where the container's packets may go besides; the gateways it names do not count, the node is the only one. */
  readonly routes: readonly Cidr[];
  readonly dns: object;
}

/**
 * Reads the result of an IPAM plugin, of any version of the CNI specification: `ip4` and `ip6` until 0.2.0, `ips` and
 * `routes` later. Throws CniError 999 on what is none, or has no address.
 */
export function readIpamResult(result: object): IpamResult {
  const { ip4, ip6, ips, routes, dns } = result as Fields;
  const old = [ip4, ip6].filter(isFields);
  const addresses = [...old.map(each => each.ip), ...listOf(ips, 'ips').map(each => each.address)].map(text => {
    const parsed = typeof text === 'string' ? parseCidr(text) : undefined;
    if (parsed === undefined) throw unreadable('an address', text);
    return parsed.addr;
  });
  if (addresses.length === 0) throw unreadable('ips', ips);
  const all = [...old.flatMap(each => listOf(each.routes, 'routes')), ...listOf(routes, 'routes')];
  return {
    addresses: addresses.sort((a, b) => a.family - b.family),
    routes: all.map(({ dst }) => {
      const parsed = typeof dst === 'string' ? parseCidr(dst) : undefined;
      if (parsed === undefined) throw unreadable('routes.dst', dst);
      return parsed;
    }),
    dns: isFields(dns) ? dns : {},
  };
}

function listOf(value: unknown, field: string): Fields[] {
  const list = value ?? [];
  if (Array.isArray(list) && list.every(isFields)) return list;
  throw unreadable(field, value);
}

function unreadable(field: string, value: unknown): CniError {
  return new CniError(
    errorCodes.internal,
    `Cannot read the result of the IPAM plugin: ${field} is ${JSON.stringify(value)}`,
  );
}

/** The addresses of a result of any version, as the specification's `prevResult` has them. Throws CniError 7. */
export function previousAddresses(result: Fields): Addr[] {
  const ips = Array.isArray(result.ips)
    ? result.ips
    : [result.ip4, result.ip6].filter(isFields).map(({ ip }) => ({ address: ip }));
  return ips.map((ip: unknown) => {
    const text = isFields(ip) && typeof ip.address === 'string' ? ip.address : '';
    const address = parseCidr(text)?.addr ?? parseAddr(text);
    if (address !== undefined) return address;
    throw new CniError(
      errorCodes.invalidConfig,
      `Cannot CHECK network: prevResult.ips.address is "${text}"; allowed: a CIDR`,
    );
  });
}
