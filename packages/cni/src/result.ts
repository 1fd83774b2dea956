import { type Cidr, printCidr } from '@calico/ip';
import { isAtLeast } from './versions.ts';

/** The interfaces of a pod's network. */
export interface ResultInterfaces {
  readonly host: { readonly name: string };
  readonly pod: { readonly name: string; readonly mac: string; readonly mtu: number; readonly sandbox: string };
}

/** What an ADD has made. `interfaces` is absent where only addresses were given (the IPAM plugin). */
export interface NetworkResult {
  readonly addresses: readonly Cidr[];
  readonly interfaces?: ResultInterfaces;
}

/**
 * The result as a version of the CNI specification wants it: `ip4` and `ip6` until 0.2.0 ("Result" there), after that lists
 * of interfaces, ips and routes; ips have a `version` before 1.0.0, interfaces an `mtu` since 1.1.0. The routes are those of
 * the addresses, as calico-ipam gives them.
 */
export function renderResult(version: string, { addresses, interfaces }: NetworkResult): object {
  if (!isAtLeast(version, '0.3.0')) {
    const entries = addresses.map(cidr => {
      const text = printCidr(cidr);
      return [`ip${cidr.addr.family}`, { ip: text, routes: [{ dst: text }] }] as const;
    });
    return { cniVersion: version, ...Object.fromEntries(entries), dns: {} };
  }
  return {
    cniVersion: version,
    ...(interfaces === undefined ? {} : { interfaces: renderInterfaces(version, interfaces) }),
    ips: addresses.map(cidr => ({
      ...(isAtLeast(version, '1.0.0') ? {} : { version: String(cidr.addr.family) }),
      ...(interfaces === undefined ? {} : { interface: POD_INTERFACE }),
      address: printCidr(cidr),
    })),
    routes: addresses.map(cidr => ({ dst: printCidr(cidr) })),
    dns: {},
  };
}

/** The pod's interface in the list of interfaces. */
const POD_INTERFACE = 1;

function renderInterfaces(version: string, { host, pod }: ResultInterfaces): object[] {
  const { mtu, ...rest } = pod;
  return [{ name: host.name }, { ...rest, ...(isAtLeast(version, '1.1.0') ? { mtu } : {}) }];
}
