import type { Namespace, Pod } from '@calico/api';
import { type Addr, type Family, type Mac, parseAddr, parseCidr, parseMac } from '@calico/ip';
import { CniError, errorCodes } from './cni-error.ts';
import { poolList } from './config-fields.ts';
import type { NetworkConfig } from './network-config.ts';

const PREFIX = 'cni.projectcalico.org/';

/** What a container is to get. */
export interface Wish {
  readonly families: readonly Family[];
  /** CIDRs or names of pools; empty: all that select the node. */
  readonly ipv4Pools: readonly string[];
  readonly ipv6Pools: readonly string[];
  /** These addresses and no others, at most one of a family: `ipAddrs`. */
  readonly exact: readonly Addr[] | undefined;
  /** These addresses, of which IPAM knows nothing: `ipAddrsNoIpam`. */
  readonly unmanaged: readonly Addr[] | undefined;
  /** The container's hardware address: `hwAddr`. */
  readonly mac: Mac | undefined;
}

/**
 * What annotations ask for. `ipv4pools`, `ipv6pools` and `ipFamilies` of the pod, else of its namespace, else the network
 * configuration; the rest of the pod alone. `floatingIPs` and `allowedSourcePrefixes` become part of the endpoint and are only
 * checked here. Throws CniError 999 on what cannot be read, is not switched on, or needs another IPAM plugin.
 */
export function wishOf(
  pod: Pod | undefined,
  namespace: Pick<Namespace, 'metadata'> | undefined,
  config: NetworkConfig,
): Wish {
  const own = pod?.metadata.annotations ?? {};
  const inherited = namespace?.metadata.annotations ?? {};
  const list = (name: string): unknown[] | undefined => {
    const text = own[PREFIX + name] ?? inherited[PREFIX + name];
    return text === undefined ? undefined : parseList(name, text);
  };
  const ipv4Pools = list('ipv4pools');
  const ipv6Pools = list('ipv6pools');
  const families = list('ipFamilies');
  checkEndpointAnnotations(own, config);
  return {
    families: families === undefined || config.delegate !== undefined ? config.families : readFamilies(families),
    ipv4Pools: ipv4Pools === undefined ? config.ipv4Pools : poolList(ipv4Pools, `annotation ${PREFIX}ipv4pools`, 4),
    ipv6Pools: ipv6Pools === undefined ? config.ipv6Pools : poolList(ipv6Pools, `annotation ${PREFIX}ipv6pools`, 6),
    ...givenAddresses(own, config),
    mac: readMac(own[`${PREFIX}hwAddr`]),
  };
}

function givenAddresses(
  own: Readonly<Record<string, string>>,
  { delegate, features }: NetworkConfig,
): Pick<Wish, 'exact' | 'unmanaged'> {
  const { [`${PREFIX}ipAddrs`]: managed, [`${PREFIX}ipAddrsNoIpam`]: free } = own;
  if (managed !== undefined && free !== undefined) {
    throw refused('ipAddrs', managed, `allowed: either it or ${PREFIX}ipAddrsNoIpam`);
  }
  const [name, text] = managed === undefined ? ['ipAddrsNoIpam', free] : ['ipAddrs', managed];
  if (text === undefined) return { exact: undefined, unmanaged: undefined };
  if (delegate !== undefined) throw refused(name, text, `allowed: nothing, with ipam.type "${delegate}"`);
  if (managed !== undefined) return { exact: readAddresses(name, text), unmanaged: undefined };
  if (!features.ipAddrsNoIpam) throw notSwitchedOn(name, text, 'ip_addrs_no_ipam');
  return { exact: undefined, unmanaged: readAddresses(name, text) };
}

/** Readers of the pod pass over what they cannot use; a pod that has such annotations counts on them. */
function checkEndpointAnnotations(own: Readonly<Record<string, string>>, { features }: NetworkConfig): void {
  const floating = own[`${PREFIX}floatingIPs`];
  if (floating !== undefined) {
    if (!features.floatingIps) throw notSwitchedOn('floatingIPs', floating, 'floating_ips');
    for (const value of parseList('floatingIPs', floating)) {
      if (typeof value !== 'string' || parseAddr(value) === undefined) {
        throw refused('floatingIPs', floating, 'allowed: a list of addresses in JSON');
      }
    }
  }
  const sources = own[`${PREFIX}allowedSourcePrefixes`];
  if (sources === undefined) return;
  for (const value of parseList('allowedSourcePrefixes', sources)) {
    if (typeof value !== 'string' || parseCidr(value) === undefined) {
      throw refused('allowedSourcePrefixes', sources, 'allowed: a list of CIDRs in JSON');
    }
  }
}

function readAddresses(name: string, text: string): Addr[] {
  const addresses = parseList(name, text).map(value => {
    const address = typeof value === 'string' ? parseAddr(value) : undefined;
    if (address === undefined) throw refused(name, text, 'allowed: a list of addresses in JSON');
    return address;
  });
  const families = new Set(addresses.map(({ family }) => family));
  if (addresses.length === 0 || families.size < addresses.length) {
    throw refused(name, text, 'allowed: one address of a family, or one of each');
  }
  return addresses.sort((a, b) => a.family - b.family);
}

function readMac(text: string | undefined): Mac | undefined {
  if (text === undefined) return undefined;
  const mac = parseMac(text);
  // The lowest bit of the first byte marks a group of receivers: no interface may have such an address.
  const first = Number.parseInt(text.slice(0, 2), 16);
  if (mac !== undefined && (first & 1) === 0 && !/^(?:00[:-]?){6}$/.test(text)) return mac;
  throw refused('hwAddr', text, 'allowed: a hardware address of one interface, such as "02:00:00:00:00:01"');
}

function parseList(name: string, text: string): unknown[] {
  try {
    const value: unknown = JSON.parse(text);
    if (Array.isArray(value)) return value;
  } catch {
    // Falls through to the same refusal.
  }
  throw refused(name, text, 'allowed: a list in JSON');
}

function readFamilies(values: readonly unknown[]): Family[] {
  const families = new Set(
    values.map((value): Family => {
      if (value === 'IPv4') return 4;
      if (value === 'IPv6') return 6;
      throw refused('ipFamilies', value, 'allowed: "IPv4", "IPv6"');
    }),
  );
  if (families.size === 0) throw refused('ipFamilies', values, 'allowed: at least one of "IPv4", "IPv6"');
  return [...families].sort();
}

function notSwitchedOn(name: string, value: string, feature: string): CniError {
  return refused(name, value, `it is not switched on: set feature_control.${feature} in the network configuration`);
}

function refused(name: string, value: unknown, reason: string): CniError {
  return new CniError(
    errorCodes.internal,
    `Cannot set up pod network: annotation ${PREFIX}${name} is ${JSON.stringify(value)}; ${reason}`,
  );
}
