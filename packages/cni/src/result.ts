import { type Cidr, printCidr } from '@calico/ip';
import { type Fields, isFields } from './config-fields.ts';
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
  /** Those of the addresses, as calico-ipam gives them, unless another IPAM plugin gave others. */
  readonly routes?: readonly Cidr[];
  readonly dns?: object;
  /** What plugins before this one in the list have made: it comes first. */
  readonly previous?: Fields;
}

/**
 * The result as a version of the CNI specification wants it: `ip4` and `ip6` until 0.2.0 ("Result" there), after that lists
 * of interfaces, ips and routes; ips have a `version` before 1.0.0, interfaces an `mtu` since 1.1.0.
 */
export function renderResult(version: string, result: NetworkResult): object {
  const { addresses, interfaces, routes = addresses, dns = {}, previous = {} } = result;
  if (!isAtLeast(version, '0.3.0')) {
    const entries = addresses.map(cidr => {
      const { family } = cidr.addr;
      const own = routes.filter(({ addr }) => addr.family === family);
      return [`ip${family}`, { ip: printCidr(cidr), routes: own.map(dst => ({ dst: printCidr(dst) })) }] as const;
    });
    return { cniVersion: version, ...Object.fromEntries(entries), dns };
  }
  const earlier = listOf(previous.interfaces);
  return {
    cniVersion: version,
    ...(interfaces === undefined ? {} : { interfaces: [...earlier, ...renderInterfaces(version, interfaces)] }),
    ips: [
      ...listOf(previous.ips),
      ...addresses.map(cidr => ({
        ...(isAtLeast(version, '1.0.0') ? {} : { version: String(cidr.addr.family) }),
        ...(interfaces === undefined ? {} : { interface: earlier.length + POD_INTERFACE }),
        address: printCidr(cidr),
      })),
    ],
    routes: [...listOf(previous.routes), ...routes.map(cidr => ({ dst: printCidr(cidr) }))],
    dns: isFields(previous.dns) ? { ...previous.dns, ...dns } : dns,
  };
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The pod's interface in the list of the interfaces of a veth. */
const POD_INTERFACE = 1;

function renderInterfaces(version: string, { host, pod }: ResultInterfaces): object[] {
  const { mtu, ...rest } = pod;
  return [{ name: host.name }, { ...rest, ...(isAtLeast(version, '1.1.0') ? { mtu } : {}) }];
}
